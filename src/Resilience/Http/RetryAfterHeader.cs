using Resilience.Primitives;

namespace Resilience.Http;

/// <summary>The one place where <c>Retry-After</c> is read: seconds or a date.</summary>
internal static class RetryAfterHeader
{
    /// <param name="clock">The pool's clock, for a date of a server that does not tell its own.</param>
    /// <returns>
    /// The time to wait, never negative; <see langword="null"/> without a valid header, or for a date without any clock
    /// to hold it against.
    /// </returns>
    public static TimeSpan? Read(HttpResponseMessage response, Clock? clock)
    {
        var header = response.Headers.RetryAfter;
        if (header?.Delta is { } delta)
        {
            return delta;
        }

        if (header?.Date is not { } date)
        {
            return null;
        }

        // Against the server's own clock where it tells it, so that a clock that is off does no harm.
        var wait = date - (response.Headers.Date ?? clock?.UtcNow);
        return wait < TimeSpan.Zero ? TimeSpan.Zero : wait;
    }
}
