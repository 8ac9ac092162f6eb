using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Retries;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// The closer look for a backend, when the next in turn is none that may be used: after a backoff, against the advice
/// of health, or when a place has become free or a half-open circuit's trial has ended. Of one request.
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
    /// <summary>Why the search ended in vain, if it was for want of a place.</summary>
    public Overload Overload { get; private set; }

    /// <summary>
    /// Why the search ended in vain, if it was not for want of a place: one of <see cref="SuppressionReasons"/>.
    /// </summary>
    public string? Obstacle { get; private set; }

    /// <param name="last">The request's last attempt, if there was one.</param>
    /// <param name="attempts">Attempts that count.</param>
    /// <returns><see langword="null"/> if there is no backend within the deadline.</returns>
    public async Task<BackendLease?> FindAsync(BackendLease? last, int attempts)
    {
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

            if (!deadline.Allows(TimeSpan.Zero, pool.Clock.Ticks))
            {
                // The timer came late.
                Obstacle = SuppressionReasons.Deadline;
                return null;
            }
        }

        return await WaitForAnyAsync(context).ConfigureAwait(false);
    }

    /// <param name="contentReleased">Ends when no attempt reads the request's content any more.</param>
    /// <returns>Whether that was within the deadline.</returns>
    public async Task<bool> IsReleasedInTimeAsync(Task contentReleased)
    {
        var isInTime = await IsOverInTimeAsync(contentReleased).ConfigureAwait(false);
        Obstacle = isInTime ? Obstacle : SuppressionReasons.Deadline;
        return isInTime;
    }

    /// <summary>Waits before the same backend is tried again.</summary>
    /// <returns><see langword="false"/> if the deadline does not allow it, or the backend asks for too long a wait.</returns>
    private async ValueTask<bool> TryBackOffAsync(AttemptOutcome outcome, int attempts)
    {
        // A sending that never reached its backend is no attempt, but the wait after it is a first retry's.
        var delay = retry.DelayBefore(Math.Max(attempts, 1) + 1, pool.Random.NextDouble());
        if (outcome.RetryAfter is { } asked && asked > delay)
        {
            if (asked > retry.MaxRetryAfter)
            {
                Obstacle = SuppressionReasons.RetryAfter;
                return false;
            }

            delay = asked;
        }

        if (!deadline.Allows(delay, pool.Clock.Ticks))
        {
            Obstacle = SuppressionReasons.Deadline;
            return false;
        }

        await Waiting.ForAsync(pool.Clock.Delay(delay, callerToken), isAsync).ConfigureAwait(false);
        return true;
    }

    /// <summary>
    /// Takes any backend that admits requests, and while there is none but such as are at their limit, or half-open with
    /// their trials out (law 8), waits for a place that another request leaves, or for a change of the pool.
    /// </summary>
    private async ValueTask<BackendLease?> WaitForAnyAsync(PickContext context)
    {
        Waiter? waiter = null;
        QueueTelemetry telemetry = default;
        var enteredAt = 0L;
        var hasEntered = false;
        var end = QueueTelemetry.Cancelled;
        try
        {
            while (true)
            {
                var snapshot = pool.FreshSnapshot();
                var isUntriedBusy = pinned is null && snapshot.IsUntriedBusy(context);
                waiter?.SpareTried(isUntriedBusy);
                if (
                    (isUntriedBusy ? pool.TryLease(context, pinned) : pool.TryLeaseAny(snapshot, context, pinned)) is
                    { } lease
                )
                {
                    end = QueueTelemetry.Taken;
                    return lease;
                }

                var prospect = pool.ProspectOf(snapshot, pinned);
                if (prospect == Prospect.None)
                {
                    Obstacle = SuppressionReasons.NoBackend;
                    end = QueueTelemetry.Gone;
                    return null;
                }

                var limit = pool.Limit;
                if (waiter is null)
                {
                    waiter = pool.Line.TryEnter(context, pinned, CapacityFor(prospect, limit));
                    if (waiter is null)
                    {
                        return TakeTriedOrRefuse(snapshot, context, prospect, Overload.QueueFull);
                    }

                    hasEntered = true;
                    enteredAt = pool.Clock.Ticks;
                    telemetry = QueueTelemetry.Enter(pool, enteredAt);
                    continue;
                }

                // A place is waited for only so long, a trial or a change as long as the request lasts.
                var patience =
                    prospect == Prospect.Place
                        ? limit.QueueTimeout - TimeSpan.FromTicks(pool.Clock.Ticks - enteredAt)
                        : TimeSpan.MaxValue;
                var isPatient = deadline.Left(pool.Clock.Ticks) - TimeoutDefaults.Least <= patience;
                var change = Task.WhenAny(waiter.Given, snapshot.WhenSuperseded());
                var isInTime = await IsOverInTimeAsync(change, patience).ConfigureAwait(false);
                // Asked once: the answer may change from one line to the next.
                var hasTime = deadline.Allows(TimeSpan.Zero, pool.Clock.Ticks);
                if (hasTime && waiter.Given.IsCompletedSuccessfully)
                {
                    var place = await waiter.Given.ConfigureAwait(false);
                    waiter = null;
                    end = QueueTelemetry.Taken;
                    return place.Take(context.LastAttempt);
                }

                if (!hasTime || !isInTime)
                {
                    var isLate = isPatient || !hasTime;
                    var overload = isLate ? Overload.Deadline : Overload.QueueTimeout;
                    Obstacle = isLate ? SuppressionReasons.Deadline : null;
                    end = QueueTelemetry.NameOf(overload);
                    return TakeTriedOrRefuse(snapshot, context, prospect, overload);
                }
            }
        }
        finally
        {
            if (hasEntered)
            {
                telemetry.Leave(end);
            }

            if (waiter is not null && !pool.Line.TryLeave(waiter))
            {
                // Somebody gave it a place while it was leaving: the next in line shall have it.
                (await waiter.Given.ConfigureAwait(false)).Decline();
            }
        }
    }

    private static int CapacityFor(Prospect prospect, ConcurrencyLimit limit) =>
        prospect == Prospect.Place
            ? limit.QueueLimit
            : Math.Max(limit.QueueLimit, ConcurrencyLimitOptions.DefaultQueueLimit);

    /// <summary>No place will come in time: where it has failed already is better than nowhere, if there is time.</summary>
    private BackendLease? TakeTriedOrRefuse(
        PoolSnapshot snapshot,
        in PickContext context,
        Prospect prospect,
        Overload overload
    )
    {
        if (
            !context.IsFirstAttempt
            && overload != Overload.Deadline
            && pool.TryLeaseAny(snapshot, context, pinned) is { } tried
        )
        {
            return tried;
        }

        if (prospect == Prospect.Place)
        {
            Overload = overload;
            QueueTelemetry.RecordRefusal(pool, overload);
        }

        return null;
    }

    /// <summary>Waits, but no longer than leaves enough of the deadline for an attempt (law 10).</summary>
    public ValueTask<bool> IsOverInTimeAsync(Task task) => IsOverInTimeAsync(task, TimeSpan.MaxValue);

    /// <param name="task">What is waited for; its failure is not.</param>
    /// <param name="patience">How long at most, within the deadline.</param>
    private async ValueTask<bool> IsOverInTimeAsync(Task task, TimeSpan patience)
    {
        if (task.IsCompleted)
        {
            return true;
        }

        var left = deadline.Left(pool.Clock.Ticks) - TimeoutDefaults.Least;
        left = left < patience ? left : patience;
        if (left <= TimeSpan.Zero)
        {
            return false;
        }

        try
        {
            var waiting =
                left > TimeoutDefaults.Longest
                    ? task.WaitAsync(callerToken)
                    : task.WaitAsync(left, pool.Clock.Provider, callerToken);
            await Waiting.ForAsync(waiting, isAsync).ConfigureAwait(false);
            // It may have come in time, and this flow have learnt of it too late.
            return deadline.Allows(TimeSpan.Zero, pool.Clock.Ticks);
        }
        catch (TimeoutException)
        {
            return false;
        }
    }
}
