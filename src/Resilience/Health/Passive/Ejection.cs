using Resilience.Backends;

namespace Resilience.Health.Passive;

/// <summary>
/// The sentence on one backend: whether law 6 allows it and how long it lasts. Carried out once, inside the pool's
/// critical section.
/// </summary>
internal sealed class Ejection(PassiveRules rules, Evidence evidence)
{
    public EjectionResult Result { get; private set; }

    public EjectionRule Rule => evidence.Rule;

    /// <returns>Whether the backend's verdict has changed.</returns>
    public bool CarryOut(Backend backend, long now)
    {
        if (IsOut(backend, now))
        {
            return !rules.IsDryRun && Rule == EjectionRule.Cooling && Prolong(backend, now);
        }

        if (!MayEject(backend, now))
        {
            Result = EjectionResult.Refused;
            backend.Passive.AskAgainAt(now + PassiveDefaults.AskAgainMilliseconds);
            return false;
        }

        var reason = evidence.Describe(backend);
        backend.Passive.Forget();
        var length = Length(backend, now);
        Result = rules.IsDryRun ? EjectionResult.DryRun : EjectionResult.Ejected;
        backend.Pool.Announce(
            (pool, time) =>
                new BackendEjected(
                    pool.Name,
                    time,
                    backend,
                    Rule,
                    reason,
                    TimeSpan.FromMilliseconds(length),
                    IsEnforced: !rules.IsDryRun
                )
        );
        if (rules.IsDryRun)
        {
            backend.Passive.WouldBeOutUntil = now + length;
            return false;
        }

        backend.Eject(now + length, $"{reason}; ejected for {length} ms");
        return true;
    }

    /// <summary>Whether a backend is ejected, or would be if this were no dry run.</summary>
    public static bool IsOut(Backend backend, long now) =>
        backend.PassiveVerdict == PassiveVerdict.Ejected || backend.Passive.WouldBeOutUntil > now;

    /// <summary>Whether a moment is so much later than the end of the ejection that it is worth a change.</summary>
    public static bool IsProlonged(Backend backend, long until) =>
        until - backend.EjectedUntil >= PassiveDefaults.LeastProlongation;

    /// <summary>A backend that is out and asks for longer gets it; the ejection is not another one.</summary>
    private bool Prolong(Backend backend, long now)
    {
        var until = now + (long)evidence.Time.TotalMilliseconds;
        if (!IsProlonged(backend, until))
        {
            return false;
        }

        backend.Eject(until, evidence.Describe(backend));
        return true;
    }

    private long Length(Backend backend, long now)
    {
        if (Rule == EjectionRule.Cooling)
        {
            // As long as it asked for: no jitter, and nothing that later ejections are the longer for.
            return (long)evidence.Time.TotalMilliseconds;
        }

        var record = backend.Passive;
        var goodSince = Math.Max(backend.EjectedUntil, record.WouldBeOutUntil);
        record.Ejections = rules.Unforgiven(record.Ejections, now - goodSince);
        var length = rules.EjectionMilliseconds(record.Ejections, backend.Pool.Random.NextDouble());
        record.Ejections++;
        return length;
    }

    /// <summary>Law 6: somebody is left, and not too many are out.</summary>
    private static bool MayEject(Backend candidate, long now)
    {
        var enabled = 0;
        var ejected = 0;
        var isAnotherLeft = false;
        foreach (var backend in candidate.Pool.Snapshot.BackendSpan)
        {
            if (backend.Administration != AdministrativeState.Enabled || backend.Definition.Weight == 0)
            {
                continue;
            }

            enabled++;
            if (IsOut(backend, now))
            {
                ejected++;
            }
            else if (backend != candidate && !backend.IsHealthObjecting && backend.IsAdmissible(now))
            {
                isAnotherLeft = true;
            }
        }

        return isAnotherLeft && ejected + 1 <= Math.Max(1, enabled / 2);
    }
}
