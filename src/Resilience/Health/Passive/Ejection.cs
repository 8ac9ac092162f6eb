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
    public bool Carry(Backend backend, long now)
    {
        if (backend.PassiveVerdict == PassiveVerdict.Ejected)
        {
            return Rule == EjectionRule.Cooling && Prolong(backend, now);
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
        Result = EjectionResult.Ejected;
        backend.Eject(now + length, $"{reason}; ejected for {length} ms");
        return true;
    }

    /// <summary>A backend that is out and asks for longer gets it; the ejection is not another one.</summary>
    private bool Prolong(Backend backend, long now)
    {
        var until = now + (long)evidence.Time.TotalMilliseconds;
        if (until - backend.EjectedUntil < PassiveDefaults.LeastProlongation)
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
        record.Ejections = rules.Unforgiven(record.Ejections, now - backend.EjectedUntil);
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
            if (backend.PassiveVerdict == PassiveVerdict.Ejected)
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
