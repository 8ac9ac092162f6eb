using Microsoft.Extensions.Logging;
using Resilience.Telemetry;

namespace Resilience.Backends;

/// <summary>Turns a pool's events into log lines: one line a change, in order, off the request path.</summary>
internal static class PoolEventLog
{
    public static void Write(ILogger logger, PoolEvent item)
    {
        if (item.Missed > 0)
        {
            LogMessages.EventsMissed(logger, item.Pool, item.Missed);
        }

        switch (item)
        {
            case BackendStateChanged changed:
                WriteState(logger, changed);
                break;
            case BackendCircuitChanged changed:
                LogMessages.CircuitChanged(
                    logger,
                    changed.Pool,
                    changed.Backend.Name,
                    changed.From.ToString(),
                    changed.To.ToString()
                );
                break;
            case BackendCircuitWouldOpen wouldOpen:
                LogMessages.CircuitWouldOpen(
                    logger,
                    wouldOpen.Pool,
                    wouldOpen.Backend.Name,
                    wouldOpen.Reason.ToString(),
                    wouldOpen.Backend.DescribeLastFailure()
                );
                break;
            case BackendAdded added:
                LogMessages.BackendAdded(logger, added.Pool, added.Backend.Name);
                break;
            case BackendRemoved removed:
                LogMessages.BackendRemoved(logger, removed.Pool, removed.Backend.Name);
                break;
            case BackendEjected { IsEnforced: false } found:
                LogMessages.EjectionNotEnforced(
                    logger,
                    found.Pool,
                    found.Backend.Name,
                    found.Duration.TotalMilliseconds,
                    found.Detail
                );
                break;
            case FailOpenChanged { IsFailOpen: true }:
                LogMessages.FailOpenBegan(logger, item.Pool);
                break;
            case FailOpenChanged:
                LogMessages.FailOpenEnded(logger, item.Pool);
                break;
            case SelectorFailed failed:
                LogMessages.SelectorFailed(logger, failed.Exception, failed.Pool);
                break;
            case ConfigurationReloaded { Problems.Count: 0 }:
                LogMessages.ConfigurationApplied(logger, item.Pool);
                break;
            case ConfigurationReloaded reloaded:
                LogMessages.ConfigurationRefused(logger, item.Pool, string.Join(" ", reloaded.Problems));
                break;
        }
    }

    private static void WriteState(ILogger logger, BackendStateChanged changed)
    {
        var name = changed.Backend.Name;
        switch (changed.To.State)
        {
            case BackendState.Healthy:
                LogMessages.BackendHealthy(logger, changed.Pool, name, changed.To.Detail);
                break;
            // A backend that has left the pool has a line of its own.
            case BackendState.Draining when !changed.Backend.IsRemoved:
                LogMessages.BackendDraining(logger, changed.Pool, name, changed.To.Detail);
                break;
            case BackendState.Unhealthy:
                LogMessages.BackendUnhealthy(
                    logger,
                    changed.Pool,
                    name,
                    "unhealthy",
                    changed.To.Reason.ToString(),
                    changed.To.Detail
                );
                break;
        }
    }
}
