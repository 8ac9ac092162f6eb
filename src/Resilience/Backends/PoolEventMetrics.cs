using Resilience.CircuitBreaking;
using Resilience.Telemetry;

namespace Resilience.Backends;

/// <summary>
/// Counts a pool's events. Listeners are the application's code: they are called off the request path and outside the
/// pool's critical section, and what they throw harms nobody but them.
/// </summary>
internal static class PoolEventMetrics
{
    public static void Record(PoolEvent item)
    {
        switch (item)
        {
            case BackendStateChanged changed when Instruments.StateChanges.Enabled:
                Instruments.StateChanges.Add(
                    1,
                    new(TelemetryNames.PoolTag, changed.Pool),
                    new(TelemetryNames.BackendTag, changed.Backend.Name),
                    new(TelemetryNames.StateTag, Words<BackendState>.Of(changed.To.State)),
                    new(TelemetryNames.ReasonTag, Words<StateReason>.Of(changed.To.Reason))
                );
                break;
            case BackendCircuitChanged changed when Instruments.CircuitTransitions.Enabled:
                Instruments.CircuitTransitions.Add(
                    1,
                    new(TelemetryNames.PoolTag, changed.Pool),
                    new(TelemetryNames.BackendTag, changed.Backend.Name),
                    new(TelemetryNames.StateTag, Words<CircuitState>.Of(changed.To))
                );
                break;
            case BackendCircuitWouldOpen wouldOpen when Instruments.CircuitTransitions.Enabled:
                Instruments.CircuitTransitions.Add(
                    1,
                    new(TelemetryNames.PoolTag, wouldOpen.Pool),
                    new(TelemetryNames.BackendTag, wouldOpen.Backend.Name),
                    new(TelemetryNames.StateTag, "would_open")
                );
                break;
            case FailOpenChanged { IsFailOpen: true } when Instruments.FailOpens.Enabled:
                Instruments.FailOpens.Add(1, new KeyValuePair<string, object?>(TelemetryNames.PoolTag, item.Pool));
                break;
            case ConfigurationReloaded reloaded when Instruments.Reloads.Enabled:
                Instruments.Reloads.Add(
                    1,
                    new(TelemetryNames.PoolTag, item.Pool),
                    new(TelemetryNames.ResultTag, Results.Of(reloaded.Problems.Count == 0))
                );
                break;
        }
    }
}
