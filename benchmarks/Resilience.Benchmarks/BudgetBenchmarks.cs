using BenchmarkDotNet.Attributes;
using Resilience.Benchmarks.Harness;
using Resilience.Retries;

namespace Resilience.Benchmarks;

/// <summary>
/// What the retry budget costs: each request that succeeds deposits, each retry withdraws. One and two threads share one
/// budget; each thread is pinned to its own core and does all operations, so a figure is the time of one operation on one
/// thread.
/// </summary>
public class BudgetBenchmarks
{
    private const int Most = 5_000_000;

    private readonly RetryBudget _budget = new(new RetryBudgetOptions { MinimumPerSecond = 1_000_000 });
    private readonly RetryBudget _empty = new(new RetryBudgetOptions { MinimumPerSecond = 0 });
    private ThreadCrew _crew = null!;
    private PaddedWord _word;
    private Action _floor = null!;
    private Action _deposit = null!;
    private Action _withdraw = null!;
    private Action _refuse = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _crew = new ThreadCrew(Threads);
        _floor = Floor;
        _deposit = Deposit;
        _withdraw = Withdraw;
        _refuse = Refuse;
    }

    [GlobalCleanup]
    public void Cleanup() => _crew.Dispose();

    [Benchmark(OperationsPerInvoke = Most, Description = "floor: one interlocked increment")]
    public void FloorInterlockedIncrement() => _crew.Run(_floor);

    [Benchmark(OperationsPerInvoke = Most, Description = "a request that succeeds: deposit")]
    public void RequestDeposit() => _crew.Run(_deposit);

    [Benchmark(OperationsPerInvoke = Most, Description = "a retry: withdraw, and give back to stay solvent")]
    public void RetryWithdraw() => _crew.Run(_withdraw);

    [Benchmark(OperationsPerInvoke = Most, Description = "a retry refused: the budget is empty")]
    public void RetryRefused() => _crew.Run(_refuse);

    private void Floor()
    {
        for (var i = 0; i < Most; i++)
        {
            Interlocked.Increment(ref _word.Value);
        }
    }

    private void Deposit()
    {
        for (var i = 0; i < Most; i++)
        {
            _budget.RecordRequest();
        }
    }

    private void Withdraw()
    {
        for (var i = 0; i < Most; i++)
        {
            if (_budget.TryWithdraw(out var moment))
            {
                _budget.GiveBack(moment);
            }
        }
    }

    private void Refuse()
    {
        for (var i = 0; i < Most; i++)
        {
            if (_empty.TryWithdraw())
            {
                throw new InvalidOperationException("An empty budget allowed a retry.");
            }
        }
    }
}
