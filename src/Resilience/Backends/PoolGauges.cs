using System.Diagnostics.Metrics;
using Resilience.CircuitBreaking;
using Resilience.Telemetry;

namespace Resilience.Backends;

/// <summary>What a pool is at the moment that somebody collects metrics; never read otherwise.</summary>
internal static class PoolGauges
{
    public static void Observe(BackendPool pool, PoolGauge gauge, List<Measurement<long>> measurements)
    {
        var tag = KeyValuePair.Create<string, object?>(TelemetryNames.PoolTag, pool.Name);
        switch (gauge)
        {
            case PoolGauge.Backends:
                AddStates(pool.Backends, tag, measurements);
                break;
            case PoolGauge.InFlight:
                foreach (var backend in pool.Backends)
                {
                    measurements.Add(new(backend.InFlight, tag, new(TelemetryNames.BackendTag, backend.Name)));
                }

                break;
            case PoolGauge.Circuits:
                foreach (var backend in pool.Backends)
                {
                    measurements.Add(
                        new(
                            1,
                            tag,
                            new(TelemetryNames.BackendTag, backend.Name),
                            new(TelemetryNames.StateTag, Words<CircuitState>.Of(backend.Circuit.State))
                        )
                    );
                }

                break;
            case PoolGauge.FailOpen:
                measurements.Add(new(pool.Snapshot.IsFailOpen ? 1 : 0, tag));
                break;
            case PoolGauge.BudgetBalance:
                measurements.Add(new(pool.Budget.Balance, tag));
                break;
        }
    }

    /// <summary>Every state has its series, at 0 too: an alert on a missing series never fires.</summary>
    private static void AddStates(
        IReadOnlyList<Backend> backends,
        KeyValuePair<string, object?> tag,
        List<Measurement<long>> measurements
    )
    {
        foreach (var state in Enum.GetValues<BackendState>())
        {
            measurements.Add(
                new(
                    backends.Count(backend => backend.State == state),
                    tag,
                    new(TelemetryNames.StateTag, Words<BackendState>.Of(state))
                )
            );
        }
    }
}
