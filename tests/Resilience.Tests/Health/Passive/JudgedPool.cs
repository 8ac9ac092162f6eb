using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Passive;

/// <summary>A pool with a passive checker on fake time, without jitter, and the shortest words for its traffic.</summary>
internal sealed class JudgedPool : IDisposable
{
    public JudgedPool(PassiveHealthOptions options, params string[] names)
    {
        options.Jitter = 0;
        // Circuits are not the subject here: they would open on the same failures.
        Pool = Pools.Create(Time, Pools.CircuitsOpenAfter(4_095), names);
        Checker = new PassiveHealthChecker(Pool, options);
    }

    public FakeTime Time { get; } = new();

    public BackendPool Pool { get; }

    public PassiveHealthChecker Checker { get; }

    public IEnumerable<string> Ejected =>
        Pool.Backends.Where(each => each.PassiveVerdict == PassiveVerdict.Ejected).Select(each => each.Name);

    public Backend this[string name] => Pool.Find(name)!;

    /// <summary>No rule at all, so that a test switches on the one that it is about.</summary>
    public static PassiveHealthOptions NoRules() =>
        new()
        {
            ConsecutiveFailures = 0,
            FailureRate = 0,
            MaxCoolingTime = TimeSpan.Zero,
        };

    /// <summary>An attempt that waited so long for what it got; the clock stands still.</summary>
    public void Answer(string name, TimeSpan duration, int status = 200)
    {
        var lease = this[name].Lease();
        lease.Duration = duration;
        lease.End(
            new AttemptOutcome(status < 500 ? OutcomeKind.Success : OutcomeKind.ApplicationFailure, StatusCode: status)
        );
    }

    public void Advance(double seconds) => Time.Advance(TimeSpan.FromSeconds(seconds));

    public void Dispose() => Pool.Dispose();
}
