using BenchmarkDotNet.Attributes;
using Resilience.Backends;
using Resilience.Benchmarks.Harness;
using Resilience.Health.Passive;
using Resilience.Selection;

namespace Resilience.Benchmarks;

/// <summary>
/// What passive detection costs one request, by what is switched on. One and two threads share one backend; each thread is
/// pinned to its own core and does all operations, so a figure is the time of one operation on one thread. Allocated bytes
/// are of all threads together: with two, halve them.
/// </summary>
public class PassiveBenchmarks
{
    private const int Most = 5_000_000;

    private static readonly AttemptOutcome Good = new(OutcomeKind.Success, StatusCode: 200);
    private static readonly AttemptOutcome Bad = new(OutcomeKind.Failure, FailureKind.ConnectionLost);
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(2);

    private readonly List<BackendPool> _pools = [];
    private ThreadCrew _crew = null!;
    private PaddedWord _word;
    private Action _floor = null!;
    private Action _consecutive = null!;
    private Action _windowed = null!;
    private Action _failing = null!;
    private Action _whole = null!;
    private Action _everything = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _crew = new ThreadCrew(Threads);
        var consecutive = Judge(new PassiveHealthOptions { FailureRate = 0, Silence = false });
        var windowed = Judge(new PassiveHealthOptions { Silence = false });
        var failing = Judge(
            new PassiveHealthOptions
            {
                ConsecutiveFailures = 0,
                FailureRate = 1,
                Silence = false,
            }
        );
        var whole = Judge(new PassiveHealthOptions());
        var everything = Judge(
            new PassiveHealthOptions
            {
                SlowResponseTime = TimeSpan.FromSeconds(1),
                RelativeFailureGap = 0.3,
                RelativeTimeFactor = 3,
            }
        );
        _floor = Floor;
        _consecutive = () => Outcomes(consecutive, Good);
        _windowed = () => Outcomes(windowed, Good);
        _failing = () =>
        {
            // One success within the window keeps the share below one, so that every failure is judged and none ejects.
            Outcome(failing, Good);
            Outcomes(failing, Bad);
        };
        _whole = () => Requests(whole);
        _everything = () => Requests(everything);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _crew.Dispose();
        _pools.ForEach(pool => pool.Dispose());
    }

    [Benchmark(OperationsPerInvoke = Most, Description = "floor: one interlocked increment")]
    public void FloorInterlockedIncrement() => _crew.Run(_floor);

    [Benchmark(OperationsPerInvoke = Most, Description = "record a success: consecutive rule alone")]
    public void Consecutive() => _crew.Run(_consecutive);

    [Benchmark(OperationsPerInvoke = Most, Description = "record a success: with failure rate (passive record)")]
    public void Windowed() => _crew.Run(_windowed);

    [Benchmark(OperationsPerInvoke = Most, Description = "record a failure: with failure rate")]
    public void Failing() => _crew.Run(_failing);

    [Benchmark(
        OperationsPerInvoke = Most,
        Description = "a whole request: wait begun and ended, answer, success; defaults"
    )]
    public void Whole() => _crew.Run(_whole);

    [Benchmark(OperationsPerInvoke = Most, Description = "a whole request: every rule on")]
    public void Everything() => _crew.Run(_everything);

    private static void Outcome(Backend backend, in AttemptOutcome outcome) =>
        backend.Pool.Observer!.OnOutcome(backend, outcome);

    private static void Outcomes(Backend backend, AttemptOutcome outcome)
    {
        var observer = backend.Pool.Observer!;
        for (var i = 0; i < Most; i++)
        {
            observer.OnOutcome(backend, outcome);
        }
    }

    private static void Requests(Backend backend)
    {
        var observer = backend.Pool.Observer!;
        for (var i = 0; i < Most; i++)
        {
            var isCounted = observer.OnStarted(backend);
            backend.OnAnswered(Good, Quick, isCounted);
            observer.OnOutcome(backend, Good);
        }
    }

    private void Floor()
    {
        for (var i = 0; i < Most; i++)
        {
            Interlocked.Increment(ref _word.Value);
        }
    }

    private Backend Judge(PassiveHealthOptions options)
    {
        var pool = new BackendPool(
            "catalog",
            [new BackendDefinition("http://a.test"), new BackendDefinition("http://b.test")],
            new RoundRobinSelector()
        );
        _ = new PassiveHealthChecker(pool, options);
        _pools.Add(pool);
        return pool.Backends[0];
    }
}
