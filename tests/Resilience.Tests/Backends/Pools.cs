using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>Pools on fake time, and the shortest words for what requests do to them.</summary>
internal static class Pools
{
    /// <summary>After this time without a change the next one rebuilds the snapshot at once.</summary>
    public static readonly TimeSpan RebuildSpacing = TimeSpan.FromMilliseconds(50);

    /// <summary>After this time every change so far is in the snapshot, and the next one rebuilds it at once.</summary>
    public static readonly TimeSpan Rest = 2 * RebuildSpacing;

    /// <summary>After this time a circuit's first break has ended: it is kept in units of 8 ms, rounded up.</summary>
    public static readonly TimeSpan Break = TimeSpan.FromMilliseconds(5_008);

    private static readonly Random Random = new SeededRandom(1);

    /// <summary>A pool of backends of these names, ready for a first change.</summary>
    public static BackendPool Create(FakeTime time, params string[] names) => Create(time, new(), names);

    public static BackendPool Create(FakeTime time, BackendPoolOptions options, params string[] names)
    {
        var pool = new BackendPool(
            "catalog",
            names.Select(name => Definition(name)),
            new RoundRobinSelector(),
            options,
            time,
            new ScriptedRandom(0)
        );
        time.Advance(RebuildSpacing);
        return pool;
    }

    /// <summary>Circuits that open after so many failures, for exactly 5 s the first time.</summary>
    public static BackendPoolOptions CircuitsOpenAfter(int failures) =>
        new()
        {
            CircuitBreaker = new CircuitBreakerOptions { ConsecutiveFailures = failures, Jitter = 0 },
        };

    public static BackendDefinition Definition(string name, int weight = 1) =>
        new($"http://{name}.test:8080") { Name = name, Weight = weight };

    /// <summary>The backends that take traffic, in alphabetical order.</summary>
    public static IEnumerable<string> AvailableNames(this BackendPool pool) =>
        pool.Snapshot.Available.Select(backend => backend.Name).Order(StringComparer.Ordinal);

    public static BackendLease? TryLease(this BackendPool pool, BackendLease? last = null) =>
        pool.TryLease(new PickContext(last, Random), pinned: null);

    public static BackendLease? TryLease(this Backend backend) => backend.TryAcquire(new PickContext(null, Random));

    public static BackendLease Lease(this Backend backend) =>
        backend.TryLease() ?? throw new InvalidOperationException($"Backend {backend} refuses.");

    public static void Succeed(this Backend backend) =>
        backend.Lease().End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));

    public static void Fail(this Backend backend, int times = 1) =>
        backend.End(times, new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect));

    public static void FailWith(this Backend backend, FailureKind kind) =>
        backend.End(1, new AttemptOutcome(OutcomeKind.Failure, kind));

    public static void FailInApplication(this Backend backend, int times = 1) =>
        backend.End(times, new AttemptOutcome(OutcomeKind.ApplicationFailure, FailureKind.Status, 500));

    public static void End(this BackendLease lease, AttemptOutcome outcome)
    {
        lease.Report(outcome);
        lease.Return();
    }

    private static void End(this Backend backend, int times, AttemptOutcome outcome)
    {
        for (var i = 0; i < times; i++)
        {
            backend.Lease().End(outcome);
        }
    }
}
