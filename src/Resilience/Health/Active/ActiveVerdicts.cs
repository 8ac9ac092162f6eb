using Resilience.Backends;

namespace Resilience.Health.Active;

/// <summary>What results of probes make of a backend's active verdict, inside its pool's critical section.</summary>
internal static class ActiveVerdicts
{
    /// <summary>Applies a result as it arrives. For a backend that has left nothing happens.</summary>
    public static void Apply(Backend backend, ProbeResult result, HealthRules rules) =>
        backend.Pool.Change(
            backend,
            (result, rules),
            static (backend, _, arg) =>
            {
                backend.RecordProbe(arg.result);
                var verdict = arg.rules.VerdictAfter(
                    backend.ActiveVerdict,
                    backend.ConsecutiveProbeSuccesses,
                    backend.ConsecutiveProbeFailures
                );
                var isChanged = verdict != backend.ActiveVerdict;
                if (isChanged)
                {
                    backend.SetActiveVerdict(verdict, arg.result.Detail);
                }
                else if (verdict == ActiveVerdict.Unhealthy && !arg.result.IsSuccess)
                {
                    backend.RestateActiveVerdict(arg.result.Detail);
                }

                return isChanged;
            }
        );

    /// <summary>Makes all verdicts unknown.</summary>
    public static void Forget(BackendPool pool)
    {
        foreach (var backend in pool.Backends)
        {
            pool.Change(
                backend,
                0,
                static (backend, _, _) =>
                {
                    backend.RestartActiveVerdict(ActiveVerdict.Unknown, "health checks switched off");
                    return true;
                }
            );
        }
    }
}
