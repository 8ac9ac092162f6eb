using BenchmarkDotNet.Attributes;
using Polly;
using Polly.CircuitBreaker;
using Resilience.Benchmarks.Harness;
using Resilience.CircuitBreaking;

namespace Resilience.Benchmarks;

/// <summary>
/// A circuit on the way of a call: closed (leave to call and report of a success) and open (the refusal). One and two
/// threads share one circuit; each thread is pinned to its own core and does all operations, so a figure is the time of one
/// operation on one thread. Allocated bytes are of all threads together: with two, halve them.
/// </summary>
public class CircuitBenchmarks
{
    private const int Few = 20_000;
    private const int Many = 200_000;
    private const int Most = 5_000_000;

    private ThreadCrew _crew = null!;
    private ResiliencePipeline _closed = null!;
    private ResiliencePipeline _open = null!;
    private Action _volatileReads = null!;
    private Action _interlockedIncrement = null!;
    private Action _closedExecute = null!;
    private Action _closedOutcome = null!;
    private Action _openOutcome = null!;
    private Action _openThrown = null!;
    private Action _oursClosed = null!;
    private Action _oursOpen = null!;
    private readonly CircuitBreaker _circuit = new();
    private CircuitBreaker _opened = null!;
    private PaddedWord _word;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _crew = new ThreadCrew(Threads);
        _closed = new ResiliencePipelineBuilder().AddCircuitBreaker(new CircuitBreakerStrategyOptions()).Build();
        _open = NewOpenCircuit();
        _volatileReads = VolatileReads;
        _interlockedIncrement = InterlockedIncrement;
        _closedExecute = ClosedExecute;
        _closedOutcome = ClosedOutcome;
        _openOutcome = OpenOutcome;
        _openThrown = OpenThrown;
        _oursClosed = OursClosed;
        _oursOpen = OursOpen;
        _opened = NewOwnOpenCircuit();
    }

    [GlobalCleanup]
    public void Cleanup() => _crew.Dispose();

    [Benchmark(OperationsPerInvoke = Most, Description = "floor: two volatile reads")]
    public void FloorVolatileReads() => _crew.Run(_volatileReads);

    [Benchmark(OperationsPerInvoke = Most, Description = "floor: one interlocked increment")]
    public void FloorInterlockedIncrement() => _crew.Run(_interlockedIncrement);

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: Polly, Execute")]
    public void PollyClosedExecute() => _crew.Run(_closedExecute);

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: Polly, ExecuteOutcomeAsync")]
    public void PollyClosedOutcome() => _crew.Run(_closedOutcome);

    [Benchmark(OperationsPerInvoke = Many, Description = "open: Polly, refused by outcome")]
    public void PollyOpenOutcome() => _crew.Run(_openOutcome);

    [Benchmark(OperationsPerInvoke = Few, Description = "open: Polly, refused by exception")]
    public void PollyOpenThrown() => _crew.Run(_openThrown);

    [Benchmark(OperationsPerInvoke = Most, Description = "closed: ours, consecutive rule without totals")]
    public void OursClosedConsecutive() => _crew.Run(_oursClosed);

    [Benchmark(OperationsPerInvoke = Most, Description = "open: ours, refused by TryAcquire")]
    public void OursOpenRefused() => _crew.Run(_oursOpen);

    private static ResiliencePipeline NewOpenCircuit()
    {
        var pipeline = new ResiliencePipelineBuilder()
            .AddCircuitBreaker(
                new CircuitBreakerStrategyOptions { MinimumThroughput = 2, BreakDuration = TimeSpan.FromHours(24) }
            )
            .Build();
        for (var call = 0; call < 3; call++)
        {
            try
            {
                pipeline.Execute(static () => throw new InvalidOperationException());
            }
            catch (InvalidOperationException)
            {
                // Two of these open the circuit.
            }
            catch (BrokenCircuitException)
            {
                return pipeline;
            }
        }

        throw new InvalidOperationException("The circuit did not open.");
    }

    private static CircuitBreaker NewOwnOpenCircuit()
    {
        var circuit = new CircuitBreaker(
            new CircuitBreakerOptions
            {
                ConsecutiveFailures = 1,
                BreakDuration = TimeSpan.FromHours(12),
                MaxBreakDuration = TimeSpan.FromHours(12),
            }
        );
        circuit.TryAcquire(out var permit);
        circuit.Report(permit, CircuitOutcome.Failure);
        return circuit;
    }

    private void OursClosed()
    {
        var circuit = _circuit;
        var admitted = 0;
        for (var operation = 0; operation < Most; operation++)
        {
            if (circuit.TryAcquire(out var permit))
            {
                admitted++;
                circuit.Report(permit, CircuitOutcome.Success);
            }
        }

        Expect(admitted, Most);
    }

    private void OursOpen()
    {
        var circuit = _opened;
        var admitted = 0;
        for (var operation = 0; operation < Most; operation++)
        {
            admitted += circuit.TryAcquire(out _) ? 1 : 0;
        }

        Expect(admitted, 0);
    }

    private void VolatileReads()
    {
        var sum = 0;
        for (var operation = 0; operation < Most; operation++)
        {
            sum += Volatile.Read(ref _word.Value);
            sum += Volatile.Read(ref _word.Value);
        }

        Keep(sum);
    }

    private void InterlockedIncrement()
    {
        for (var operation = 0; operation < Most; operation++)
        {
            Interlocked.Increment(ref _word.Value);
        }
    }

    private void ClosedExecute()
    {
        var sum = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            sum += _closed.Execute(static state => state, 1);
        }

        Expect(sum, Many);
    }

    private void ClosedOutcome() => Expect(CountSuccesses(_closed), Many);

    private void OpenOutcome() => Expect(CountSuccesses(_open), 0);

    private static int CountSuccesses(ResiliencePipeline pipeline)
    {
        var successes = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            var context = ResilienceContextPool.Shared.Get();
            var call = pipeline.ExecuteOutcomeAsync(
                static (_, state) => new ValueTask<Outcome<int>>(Outcome.FromResult(state)),
                context,
                1
            );
            // Nothing in it waits, so it has ended.
            if (call.Result.Exception is null)
            {
                successes++;
            }

            ResilienceContextPool.Shared.Return(context);
        }

        return successes;
    }

    private void OpenThrown()
    {
        var refused = 0;
        for (var operation = 0; operation < Few; operation++)
        {
            try
            {
                _open.Execute(static state => state, 1);
            }
            catch (BrokenCircuitException)
            {
                refused++;
            }
        }

        Expect(refused, Few);
    }

    private static void Expect(int actual, int expected)
    {
        if (actual != expected)
        {
            throw new InvalidOperationException($"{actual} calls ended as meant, {expected} expected.");
        }
    }

    /// <summary>Uses a value in a way that the compiler cannot see through.</summary>
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void Keep(int value) => _ = value;
}
