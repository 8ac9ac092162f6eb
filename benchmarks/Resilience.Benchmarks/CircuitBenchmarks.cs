using System.Threading.Tasks.Sources;
using BenchmarkDotNet.Attributes;
using Polly;
using Polly.CircuitBreaker;
using Resilience.Benchmarks.Harness;
using Resilience.Benchmarks.Running;
using Resilience.CircuitBreaking;
using CircuitState = Resilience.CircuitBreaking.CircuitState;

namespace Resilience.Benchmarks;

/// <summary>
/// A circuit on the way of a call: closed (leave to call and report of its outcome), open (the refusal), half-open (a trial
/// that proves nothing), and calls made through it. One and two threads share one circuit; each thread is pinned to its own
/// core and does all operations, so a figure is the time of one operation on one thread. Allocated bytes are of all threads
/// together: with two, halve them.
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
    private Action _coarseClock = null!;
    private Action _closedExecute = null!;
    private Action _closedOutcome = null!;
    private Action _openOutcome = null!;
    private Action _openThrown = null!;
    private Action _pollyPending = null!;
    private CircuitBreaker _plain = null!;
    private CircuitBreaker _counting = null!;
    private CircuitBreaker _windowed = null!;
    private CircuitBreaker _opened = null!;
    private CircuitBreaker _halfOpen = null!;
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
        _coarseClock = CoarseClock;
        _closedExecute = ClosedExecute;
        _closedOutcome = ClosedOutcome;
        _openOutcome = OpenOutcome;
        _openThrown = OpenThrown;
        _pollyPending = PollyPending;
        _plain = new CircuitBreaker("plain", new CircuitBreakerOptions { CountSuccesses = false });
        _counting = new CircuitBreaker("counting");
        _windowed = new CircuitBreaker(
            "windowed",
            new CircuitBreakerOptions { CountSuccesses = false, FailureRate = 0.5 }
        );
        _opened = NewOwnOpenCircuit();
        _halfOpen = new CircuitBreaker(
            "half-open",
            new CircuitBreakerOptions
            {
                InitialState = CircuitState.HalfOpen,
                HalfOpenTrials = 8,
                SuccessThreshold = 8,
            }
        );
    }

    [GlobalCleanup]
    public void Cleanup() => _crew.Dispose();

    [Benchmark(OperationsPerInvoke = Most, Description = "floor: two volatile reads")]
    [BudgetRow(IsFloor = true)]
    public void FloorVolatileReads() => _crew.Run(_volatileReads);

    [Benchmark(OperationsPerInvoke = Most, Description = "floor: one interlocked increment")]
    [BudgetRow(IsFloor = true)]
    public void FloorInterlockedIncrement() => _crew.Run(_interlockedIncrement);

    [Benchmark(OperationsPerInvoke = Most, Description = "floor: one read of the coarse clock")]
    [BudgetRow(IsFloor = true)]
    public void FloorCoarseClock() => _crew.Run(_coarseClock);

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: Polly, Execute")]
    [BudgetRow]
    public void PollyClosedExecute() => _crew.Run(_closedExecute);

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: Polly, ExecuteOutcomeAsync")]
    public void PollyClosedOutcome() => _crew.Run(_closedOutcome);

    [Benchmark(OperationsPerInvoke = Many, Description = "open: Polly, refused by outcome")]
    [BudgetRow]
    public void PollyOpenOutcome() => _crew.Run(_openOutcome);

    [Benchmark(OperationsPerInvoke = Few, Description = "open: Polly, refused by exception")]
    [BudgetRow]
    public void PollyOpenThrown() => _crew.Run(_openThrown);

    [Benchmark(OperationsPerInvoke = Most, Description = "closed: ours, consecutive rule without totals")]
    [BudgetRow]
    public void OursClosedConsecutive() => _crew.Run(() => Succeed(_plain));

    [Benchmark(OperationsPerInvoke = Most, Description = "closed: ours, with exact totals")]
    [BudgetRow]
    public void OursClosedCounting() => _crew.Run(() => Succeed(_counting));

    [Benchmark(OperationsPerInvoke = Most, Description = "closed: ours, rate over time without totals")]
    [BudgetRow]
    public void OursClosedWindowed() => _crew.Run(() => Succeed(_windowed));

    [Benchmark(OperationsPerInvoke = Most, Description = "closed: ours, failure and success in turns")]
    public void OursClosedFailing() => _crew.Run(() => FailAndSucceed(_plain));

    [Benchmark(OperationsPerInvoke = Most, Description = "open: ours, refused by TryAcquire")]
    [BudgetRow]
    public void OursOpenRefused() => _crew.Run(() => Refuse(_opened));

    [Benchmark(OperationsPerInvoke = Few, Description = "open: ours, refused by exception")]
    public void OursOpenThrown() => _crew.Run(() => RefuseByException(_opened));

    [Benchmark(OperationsPerInvoke = Many, Description = "half-open: ours, trial given back")]
    public void OursHalfOpen() => _crew.Run(() => TryAndGiveBack(_halfOpen));

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: ours, Execute with totals")]
    public void OursExecute() => _crew.Run(() => Execute(_counting));

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: ours, ExecuteAsync with totals, completed")]
    public void OursExecuteAsync() => _crew.Run(() => ExecuteCompleted(_counting));

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: ours, ExecuteAsync with totals, completing later")]
    public void OursExecuteAsyncPending() => _crew.Run(() => ExecutePending(_counting));

    [Benchmark(OperationsPerInvoke = Many, Description = "closed: Polly, ExecuteAsync, completing later")]
    public void PollyExecuteAsyncPending() => _crew.Run(_pollyPending);

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
            "open",
            new CircuitBreakerOptions
            {
                ConsecutiveFailures = 1,
                BreakDuration = TimeSpan.FromHours(12),
                MaxBreakDuration = TimeSpan.FromHours(12),
            }
        );
        circuit.TryAcquire(out var permit);
        permit.Report(CircuitOutcome.Failure);
        return circuit;
    }

    private static void Succeed(CircuitBreaker circuit)
    {
        var admitted = 0;
        for (var operation = 0; operation < Most; operation++)
        {
            if (circuit.TryAcquire(out var permit))
            {
                admitted++;
                permit.Report(CircuitOutcome.Success);
            }
        }

        Expect(admitted, Most);
    }

    private static void FailAndSucceed(CircuitBreaker circuit)
    {
        var admitted = 0;
        for (var operation = 0; operation < Most; operation++)
        {
            if (circuit.TryAcquire(out var permit))
            {
                admitted++;
                permit.Report((operation & 1) == 0 ? CircuitOutcome.Failure : CircuitOutcome.Success);
            }
        }

        Expect(admitted, Most);
    }

    private static void Refuse(CircuitBreaker circuit)
    {
        var admitted = 0;
        for (var operation = 0; operation < Most; operation++)
        {
            admitted += circuit.TryAcquire(out _) ? 1 : 0;
        }

        Expect(admitted, 0);
    }

    private static void RefuseByException(CircuitBreaker circuit)
    {
        var refused = 0;
        for (var operation = 0; operation < Few; operation++)
        {
            try
            {
                circuit.Execute(static (state, _) => state, 1);
            }
            catch (CircuitOpenException)
            {
                refused++;
            }
        }

        Expect(refused, Few);
    }

    private static void TryAndGiveBack(CircuitBreaker circuit)
    {
        var admitted = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            if (circuit.TryAcquire(out var permit))
            {
                admitted++;
                permit.Report(CircuitOutcome.Neutral);
            }
        }

        Expect(admitted, Many);
    }

    private static void Execute(CircuitBreaker circuit)
    {
        var sum = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            sum += circuit.Execute(static (state, _) => state, 1);
        }

        Expect(sum, Many);
    }

    private static void ExecuteCompleted(CircuitBreaker circuit)
    {
        var sum = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            // It has nothing to wait for.
            sum += circuit.ExecuteAsync(static (state, _) => new ValueTask<int>(state), 1).Result;
        }

        Expect(sum, Many);
    }

    private static void ExecutePending(CircuitBreaker circuit)
    {
        var later = new Later();
        var sum = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            var call = circuit.ExecuteAsync(static (later, _) => later.Begin(), later);
            later.End();
            sum += call.Result;
        }

        Expect(sum, Many);
    }

    private void PollyPending()
    {
        var later = new Later();
        var sum = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            var call = _closed.ExecuteAsync(static (later, _) => later.Begin(), later);
            later.End();
            sum += call.Result;
        }

        Expect(sum, Many);
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

    private static void CoarseClock()
    {
        var sum = 0L;
        for (var operation = 0; operation < Most; operation++)
        {
            sum += Environment.TickCount64;
        }

        Keep(sum);
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
    private static void Keep(long value) => _ = value;

    /// <summary>A call that ends after it has returned, on the same thread, with nothing of its own to pay for.</summary>
    private sealed class Later : IValueTaskSource<int>
    {
        private ManualResetValueTaskSourceCore<int> _core;

        public ValueTask<int> Begin()
        {
            _core.Reset();
            return new ValueTask<int>(this, _core.Version);
        }

        public void End() => _core.SetResult(1);

        public int GetResult(short token) => _core.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(
            Action<object?> continuation,
            object? state,
            short token,
            ValueTaskSourceOnCompletedFlags flags
        ) => _core.OnCompleted(continuation, state, token, flags);
    }
}
