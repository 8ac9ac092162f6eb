using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>How long something may wait without any progress. Immutable; the default value is no limit.</summary>
/// <param name="clock">The clock that it is held against.</param>
/// <param name="time">The time; infinite for no limit.</param>
internal readonly struct IdleLimit(Clock clock, TimeSpan time)
{
    private readonly Clock? _clock = time == Timeout.InfiniteTimeSpan ? null : clock;

    public bool IsNone => _clock is null;

    public TimeSpan Time => time;

    /// <returns><see langword="null"/> where there is no limit.</returns>
    public IdleWatch? Take() => _clock is null ? null : IdleWatch.Take(_clock, time);
}
