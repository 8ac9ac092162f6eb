using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>
/// A token that ends with the caller's or after a time, whichever is first, over a pooled watch: no allocation and no
/// timer to arm where a linked source costs 160 bytes. Start it, use <see cref="Token"/>, and end it exactly once.
/// A struct owned by one asynchronous flow; not thread-safe.
/// </summary>
internal struct TimeLimit
{
    private TimeWatch? _watch;
    private CancellationTokenRegistration _registration;

    public readonly CancellationToken Token => _watch?.Token ?? CancellationToken.None;

    /// <summary>
    /// What ends the token, for who leaves work behind that goes on with it after <see cref="End"/>: only if the token is not
    /// free, or it is another's by then.
    /// </summary>
    public readonly CancellationTokenSource? Source => _watch?.Source;

    /// <summary>Whether the token has ended, by time or by the caller.</summary>
    public readonly bool HasEnded => _watch is { HasEnded: true };

    /// <summary>Whether time has ended the token of a process that cannot run.</summary>
    public readonly bool WasHeldUp => _watch is { WasHeldUp: true };

    /// <param name="limit">The time; infinite, or longer than a timer can hold, for none.</param>
    /// <param name="caller">The caller's own token.</param>
    public static TimeLimit Start(Clock clock, TimeSpan limit, CancellationToken caller, bool isProlonged = true) =>
        Start(clock, clock.Ticks, limit, caller, isProlonged);

    /// <param name="now">The moment from which on the time runs, which the caller has read from the clock.</param>
    /// <param name="isProlonged">Whether there is more time in a process that cannot run: see <see cref="TimeWatch"/>.</param>
    public static TimeLimit Start(
        Clock clock,
        long now,
        TimeSpan limit,
        CancellationToken caller,
        bool isProlonged = true
    )
    {
        // A timer of another clock than the system's belongs to that clock alone.
        var watch = ReferenceEquals(clock, Clock.System) ? ObjectPool<TimeWatch>.Take() : new TimeWatch(clock);
        if (limit != Timeout.InfiniteTimeSpan && limit <= TimeoutDefaults.Longest)
        {
            watch.Begin(now + limit.Ticks, isProlonged);
        }

        // Registered after the time runs: a caller that has cancelled already ends the token at once.
        var registration = caller.CanBeCanceled
            ? caller.UnsafeRegister(static watch => ((TimeWatch)watch!).Cancel(), watch)
            : default;
        return new TimeLimit { _watch = watch, _registration = registration };
    }

    /// <summary>
    /// Ends the limit: from here on neither time nor caller ends the token.
    /// </summary>
    /// <param name="isTokenFree">Whether nobody can still use the token, so that it may serve another piece of work.</param>
    public void End(bool isTokenFree)
    {
        var watch = _watch;
        if (watch is null)
        {
            return;
        }

        _watch = null;
        // Waits for a callback that is running: after this the caller's token can no longer reach the watch.
        _registration.Dispose();
        var isFree = isTokenFree ? watch.TryReset() : watch.TryRenew();
        if (!isFree || !ObjectPool<TimeWatch>.TryGiveBack(watch))
        {
            watch.Abandon();
        }
    }
}
