using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Retries;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// The closer look for a backend, when the next in turn is none that may be used: after a backoff, against the advice
/// of health, or when a half-open circuit's trial has ended. Immutable.
/// </summary>
internal sealed class BackendSearch(
    BackendPool pool,
    RetryRules retry,
    string? pinned,
    RequestDeadline deadline,
    bool isAsync,
    CancellationToken callerToken
)
{
    /// <param name="last">The request's last attempt, if there was one.</param>
    /// <param name="attempts">Attempts that count.</param>
    /// <param name="contentReleased">Ends when no attempt reads the request's content any more.</param>
    /// <returns><see langword="null"/> if there is no backend within the deadline.</returns>
    public async Task<BackendLease?> FindAsync(BackendLease? last, int attempts, Task contentReleased)
    {
        if (!await IsOverInTimeAsync(contentReleased).ConfigureAwait(false))
        {
            return null;
        }

        var context = new PickContext(last, pool.Random);
        if (last is not null)
        {
            if (pool.TryLease(context, pinned) is { } untried)
            {
                return untried;
            }

            // Where the last backend could not even be reached, or this is the last chance, or the same one cannot be
            // waited for, one that health only advises against is better than none.
            var isLastChance = last.Outcome.NeverSent || attempts + 1 >= retry.MaxAttempts;
            if (isLastChance && pool.TryLeaseObjected(context, pinned) is { } objected)
            {
                return objected;
            }

            if (!await TryBackOffAsync(last.Outcome, attempts).ConfigureAwait(false))
            {
                return isLastChance ? null : pool.TryLeaseObjected(context, pinned);
            }
        }

        return await WaitForAnyAsync(context).ConfigureAwait(false);
    }

    /// <summary>Waits before the same backend is tried again.</summary>
    /// <returns><see langword="false"/> if the deadline does not allow it.</returns>
    private async ValueTask<bool> TryBackOffAsync(AttemptOutcome outcome, int attempts)
    {
        // A sending that never reached its backend is no attempt, but the wait after it is a first retry's.
        var delay = retry.DelayBefore(Math.Max(attempts, 1) + 1, pool.Random.NextDouble());
        if (outcome.RetryAfter is { } asked && asked > delay)
        {
            if (asked > retry.MaxRetryAfter)
            {
                return false;
            }

            delay = asked;
        }

        if (!deadline.Allows(delay, pool.Clock.Ticks))
        {
            return false;
        }

        await Waiting.ForAsync(pool.Clock.Delay(delay, callerToken), isAsync).ConfigureAwait(false);
        return true;
    }

    /// <summary>
    /// Takes any backend that admits requests, and while there is none but half-open circuits with their trials out,
    /// waits for one of these trials to end (law 8).
    /// </summary>
    private async ValueTask<BackendLease?> WaitForAnyAsync(PickContext context)
    {
        while (true)
        {
            var snapshot = pool.FreshSnapshot();
            if (pool.TryLeaseAny(snapshot, context, pinned) is { } lease)
            {
                return lease;
            }

            if (!pool.MayAdmitSoon(snapshot, pinned) || !pool.Queue.TryEnter())
            {
                return null;
            }

            try
            {
                if (!await IsOverInTimeAsync(snapshot.WhenSuperseded()).ConfigureAwait(false))
                {
                    return null;
                }
            }
            finally
            {
                pool.Queue.Leave();
            }
        }
    }

    /// <summary>Waits, but no longer than leaves enough of the deadline for an attempt (law 10).</summary>
    public async ValueTask<bool> IsOverInTimeAsync(Task task)
    {
        if (task.IsCompleted)
        {
            return true;
        }

        var left = deadline.Left(pool.Clock.Ticks) - TimeoutDefaults.Least;
        if (left <= TimeSpan.Zero)
        {
            return false;
        }

        try
        {
            var waiting = deadline.IsInfinite
                ? task.WaitAsync(callerToken)
                : task.WaitAsync(left, pool.Clock.Provider, callerToken);
            await Waiting.ForAsync(waiting, isAsync).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
