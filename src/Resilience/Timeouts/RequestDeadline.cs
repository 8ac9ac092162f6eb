namespace Resilience.Timeouts;

/// <summary>
/// The moment after which the caller no longer wants the answer, in a clock's fine ticks. Immutable.
/// </summary>
internal readonly struct RequestDeadline
{
    private readonly long _at;

    private RequestDeadline(long at)
    {
        _at = at;
    }

    /// <summary>Whether there is no such moment.</summary>
    public bool IsInfinite => _at == long.MaxValue;

    /// <param name="limit">From now on; infinite, or longer than a timer can hold, for no such moment.</param>
    public static RequestDeadline After(long now, TimeSpan limit) =>
        new(limit == Timeout.InfiniteTimeSpan || limit > TimeoutDefaults.Longest ? long.MaxValue : now + limit.Ticks);

    /// <summary>What is left at <paramref name="now"/>; never negative, <see cref="TimeSpan.MaxValue"/> if unlimited.</summary>
    public TimeSpan Left(long now) => IsInfinite ? TimeSpan.MaxValue : TimeSpan.FromTicks(Math.Max(0, _at - now));

    /// <summary>Whether a wait of this length would leave enough for an attempt (law 10).</summary>
    public bool Allows(TimeSpan wait, long now) => IsInfinite || Left(now) - wait >= TimeoutDefaults.Least;
}
