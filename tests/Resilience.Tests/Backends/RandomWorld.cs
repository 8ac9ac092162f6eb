using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>
/// A pool in which anything may happen next: probes' verdicts, the operator's actions, requests that fail, succeed, ask
/// to be spared or get no answer, dry runs, reloads, time. Thread-safe.
/// </summary>
internal sealed class RandomWorld : IDisposable
{
    public static readonly string[] Names = ["a", "b", "c", "d"];

    private readonly PassiveHealthChecker _passive;
    private readonly Lock _gate = new();
    private readonly List<BackendLease> _hanging = [];

    public RandomWorld(int seed)
    {
        Pool = new BackendPool(
            "catalog",
            Names.Select(name => Pools.Definition(name)),
            new RoundRobinSelector(),
            Pools.CircuitsOpenAfter(4),
            Time,
            new SeededRandom(seed)
        );
        _passive = new PassiveHealthChecker(Pool, Rules(isDryRun: false));
    }

    public FakeTime Time { get; } = new();

    public BackendPool Pool { get; }

    public void Step(int what, int which)
    {
        var name = Names[which % Names.Length];
        var backend = Pool.Find(name);
        switch (what % 17)
        {
            case 0:
                Time.Advance(TimeSpan.FromMilliseconds(which % 7_000));
                break;
            case 1:
                backend?.SetAlive(false);
                break;
            case 2:
                backend?.SetAlive(true);
                break;
            case 3:
                backend?.Drain();
                break;
            case 4:
                backend?.Disable();
                break;
            case 5 or 6 or 7:
                backend?.Enable();
                break;
            case 8 or 9:
                backend?.TryLease()?.End(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect));
                break;
            case 10:
                Succeed(backend);
                break;
            case 11:
                Pool.Apply(Names.Select(each => Pools.Definition(each, each == name ? which % 3 : 1)));
                break;
            case 12:
                Cool(backend, TimeSpan.FromMilliseconds(500 + (which % 9_000)));
                break;
            case 13:
                Hang(backend);
                break;
            case 14:
                Release();
                break;
            case 15:
                Flow(backend);
                break;
            default:
                _passive.Configure(Rules(isDryRun: which % 2 == 0));
                break;
        }
    }

    /// <summary>After this every change is in the snapshot.</summary>
    public void Rest() => Time.Advance(Pools.RebuildSpacing);

    /// <summary>What is held against the backends at this moment, in a word each.</summary>
    public IEnumerable<string> Objections()
    {
        if (Pool.Snapshot.IsFailOpen)
        {
            yield return "fail-open";
        }

        foreach (var backend in Pool.Backends)
        {
            if (backend.Passive.WouldBeOutUntil > Pool.Clock.Milliseconds)
            {
                yield return "dry run";
            }

            var status = backend.Status;
            if (status.Reason == StateReason.Passive)
            {
                yield return status.Detail.Contains("silent", StringComparison.Ordinal) ? "silent"
                : status.Detail.Contains("asked", StringComparison.Ordinal) ? "cooling"
                : "failed";
            }
            else if (status.Reason != StateReason.None)
            {
                yield return status.Reason.ToString();
            }
        }
    }

    /// <summary>The snapshot, against what the states say when they are looked at one by one.</summary>
    public void ShouldBeTrue()
    {
        lock (_gate)
        {
            ShouldBeTrue(Pool, backend => _hanging.Count(lease => lease.Backend == backend));
        }
    }

    /// <inheritdoc cref="ShouldBeTrue()"/>
    public static void ShouldBeTrue(BackendPool pool) => ShouldBeTrue(pool, _ => 0);

    public void Dispose() => Pool.Dispose();

    private static void ShouldBeTrue(BackendPool pool, Func<Backend, int> inFlight)
    {
        var now = pool.Clock.Milliseconds;
        var admissible = pool
            .Backends.Where(backend =>
                backend.Administration == AdministrativeState.Enabled
                && backend.Definition.Weight > 0
                && backend.Circuit.Admits(now)
            )
            .ToArray();
        var healthy = admissible
            .Where(backend =>
                backend.ActiveVerdict != ActiveVerdict.Unhealthy && backend.PassiveVerdict != PassiveVerdict.Ejected
            )
            .ToArray();
        var isFailOpen = healthy.Length == 0 && admissible.Length > 0;
        pool.Snapshot.Available.Should().BeEquivalentTo(isFailOpen ? admissible : healthy);
        pool.Snapshot.IsFailOpen.Should().Be(isFailOpen);
        foreach (var backend in pool.Backends)
        {
            (backend.Status.State, backend.Status.Reason).Should().Be(backend.Derive());
            pool.Find(backend.Name).Should().BeSameAs(backend);
            backend.InFlight.Should().Be(inFlight(backend));
            if (backend.PassiveVerdict == PassiveVerdict.Ejected)
            {
                backend.EjectedFor.Should().BePositive("an ejection that is over has ended");
            }
        }
    }

    private static PassiveHealthOptions Rules(bool isDryRun) => new() { ConsecutiveFailures = 2, DryRun = isDryRun };

    private static void Succeed(Backend? backend) =>
        backend?.TryLease()?.End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));

    private static void Cool(Backend? backend, TimeSpan time) =>
        backend?.TryLease()?.End(new AttemptOutcome(OutcomeKind.Neutral, StatusCode: 429, RetryAfter: time));

    /// <summary>As many requests that get no answer as make silent.</summary>
    private void Hang(Backend? backend)
    {
        for (var i = 0; i < PassiveDefaults.SilenceRequests; i++)
        {
            if (backend?.TryLease() is { } lease)
            {
                lock (_gate)
                {
                    _hanging.Add(lease);
                }
            }
        }
    }

    /// <summary>Their callers give up.</summary>
    private void Release()
    {
        BackendLease[] ended;
        lock (_gate)
        {
            ended = [.. _hanging];
            _hanging.Clear();
        }

        Array.ForEach(ended, lease => lease.End(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled)));
    }

    /// <summary>Three seconds of good answers by all but one.</summary>
    private void Flow(Backend? silent)
    {
        for (var i = 0; i < 12; i++)
        {
            foreach (var backend in Pool.Backends.Where(each => each != silent))
            {
                Succeed(backend);
            }

            Time.Advance(TimeSpan.FromMilliseconds(250));
        }
    }
}
