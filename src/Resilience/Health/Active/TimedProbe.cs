using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Health.Active;

/// <summary>Carries out a probe within its time, and makes a result of whatever comes of it. Thread-safe.</summary>
internal sealed class TimedProbe(IHealthProbe probe, Clock clock)
{
    /// <param name="scheduled">Whose probe it is; told whether it threw.</param>
    /// <param name="timeout">How long it may take.</param>
    /// <param name="stopped">Ends when checking stops.</param>
    /// <returns>The result; <see langword="null"/> if checking has stopped meanwhile.</returns>
    public async ValueTask<ProbeResult?> RunAsync(ScheduledProbe scheduled, TimeSpan timeout, CancellationToken stopped)
    {
        var startedAt = clock.Ticks;
        scheduled.HasThrown = false;
        var limit = TimeLimit.Start(clock, startedAt, timeout, stopped);
        ProbeResult result;
        try
        {
            // No backend is probed twice at a time (law 13), also by a probe that outlives the run that gave it up.
            result = scheduled.IsBlocked
                ? new ProbeResult(false, "an earlier probe has not ended, though it was cancelled")
                // A user's probe may return what it must not: nothing at all, as default does of a ValueTask.
                : await probe.ProbeAsync(scheduled.Backend, limit.Token).ConfigureAwait(false)
                    ?? new ProbeResult(false, "the probe returned no result");
            if (limit.HasEnded)
            {
                // A probe that does not look at its token has no more time than any other.
                result = TimedOut(timeout, limit);
            }
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            return null;
        }
        catch (OperationCanceledException exception) when (limit.HasEnded)
        {
            result = TimedOut(timeout, limit, exception);
        }
#pragma warning disable CA1031 // Law 13: whatever a user's probe throws is logged and counts as a failure.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            scheduled.HasThrown = true;
            result = new ProbeResult(false, $"the probe threw {exception.GetType().Name}", Error: exception);
        }
        finally
        {
            // A probe of the user's may have kept the token, or a handler within ours.
            limit.End(isTokenFree: probe is ConfiguredHealthProbe { KeepsNoToken: true });
        }

        return stopped.IsCancellationRequested
            ? null
            : result with
            {
                Duration = TimeSpan.FromTicks(clock.Ticks - startedAt),
                Time = clock.UtcNow,
            };
    }

    private static ProbeResult TimedOut(TimeSpan timeout, in TimeLimit limit, Exception? exception = null) =>
        new(
            false,
            limit.WasHeldUp
                ? $"no answer within {timeout.TotalSeconds:0.###} s, in which this process could not run"
                : $"no answer within {timeout.TotalSeconds:0.###} s",
            Error: exception
        )
        {
            IsEvidence = !limit.WasHeldUp,
        };
}
