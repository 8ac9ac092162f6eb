using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// What one request wants different from its pool's settings; put on it with
/// <see cref="ResilientHttpExtensions.ConfigureResilience"/>. Mutable until the request is sent; not thread-safe.
/// </summary>
public sealed class ResilientRequestOptions
{
    private static readonly HttpRequestOptionsKey<ResilientRequestOptions> Key = new("Resilience.RequestOptions");

    /// <summary>
    /// Whether any request of the process has ever carried options. A look into a request's bag makes the bag (104
    /// bytes), which nobody should pay who does not use it.
    /// </summary>
    private static volatile bool IsUsed;

    /// <summary>The time for the whole request instead of the pool's. Range: 10 ms to 12 hours, or infinite.</summary>
    /// <value>The default is <see langword="null"/>: the pool's.</value>
    /// <exception cref="ArgumentOutOfRangeException">It is out of its range.</exception>
    public TimeSpan? TotalTimeout
    {
        get;
        set => field = Checked(value, nameof(TotalTimeout));
    }

    /// <summary>The time for each attempt instead of the pool's. Range: 10 ms to 12 hours, or infinite.</summary>
    /// <value>The default is <see langword="null"/>: the pool's.</value>
    /// <exception cref="ArgumentOutOfRangeException">It is out of its range.</exception>
    public TimeSpan? AttemptTimeout
    {
        get;
        set => field = Checked(value, nameof(AttemptTimeout));
    }

    /// <summary>
    /// Whether a failed attempt is followed by another, whatever the pool says. <see langword="false"/>: the request is
    /// sent once.
    /// </summary>
    /// <value>The default is <see langword="null"/>: as the pool is set.</value>
    public bool? Retry { get; set; }

    /// <summary>
    /// Whether sending the request twice does no harm. <see langword="true"/> lets a POST be retried,
    /// <see langword="false"/> keeps a GET from it.
    /// </summary>
    /// <remarks>
    /// Where it does harm, <c>Expect: 100-continue</c> is not sent: the platform would send such a request again by
    /// itself when a kept connection turns out closed.
    /// </remarks>
    /// <value>The default is <see langword="null"/>: by method, or an <c>Idempotency-Key</c> header.</value>
    public bool? IsIdempotent { get; set; }

    /// <summary>Whether the content can be sent more than once, where its type does not tell.</summary>
    /// <value>The default is <see langword="null"/>: by the content's type.</value>
    public bool? IsContentReplayable { get; set; }

    /// <summary>The name of the one backend that may answer.</summary>
    /// <value>The default is <see langword="null"/>: any.</value>
    public string? Backend { get; set; }

    /// <summary>
    /// The longest request content, in bytes, that is read into memory before the first attempt if it could otherwise be
    /// sent only once, so that it can be retried. Only contents whose length is known. Range: 0 (none) to 1 GiB.
    /// </summary>
    /// <value>The default is <see langword="null"/>: the pool's.</value>
    /// <exception cref="ArgumentOutOfRangeException">It is out of its range.</exception>
    public int? BufferRequestUpTo
    {
        get;
        set => field = Checked(value, nameof(BufferRequestUpTo));
    }

    /// <summary>
    /// The longest response body, in bytes, that is read into memory before the response is handed out, so that one that
    /// breaks or stalls is retried like any failure; the attempt timeout then covers it. Range: 0 (none) to 1 GiB.
    /// </summary>
    /// <remarks>
    /// One that says that it is longer is not read. One that does not say how long it is (in chunks, or over HTTP/2 without a
    /// length) is read as far as this: if it ends by then it is whole, else the response is handed out with what was read and
    /// the rest as a stream. An answer that comes slowly, piece by piece, is so held up until it has ended or is longer, and
    /// fails by the attempt timeout if neither comes before; only <c>text/event-stream</c> and upgraded connections are never
    /// read. Leave it off for requests whose answers are read while they come.
    /// </remarks>
    /// <value>The default is <see langword="null"/>: the pool's.</value>
    /// <exception cref="ArgumentOutOfRangeException">It is out of its range.</exception>
    public int? BufferResponseUpTo
    {
        get;
        set => field = Checked(value, nameof(BufferResponseUpTo));
    }

    private static int? Checked(int? limit, string option)
    {
        if (limit is { } value)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value, option);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Buffering.Most, option);
        }

        return limit;
    }

    private static TimeSpan? Checked(TimeSpan? limit, string option)
    {
        if (limit is { } value && value != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeoutDefaults.Least, option);
            // Beyond it no timer could be set, and a deadline would overflow into the past.
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, Ranges.HalfDay, option);
        }

        return limit;
    }

    internal static ResilientRequestOptions Of(HttpRequestMessage request)
    {
        IsUsed = true;
        if (!request.Options.TryGetValue(Key, out var options))
        {
            options = new ResilientRequestOptions();
            request.Options.Set(Key, options);
        }

        return options;
    }

    internal static ResilientRequestOptions? Find(HttpRequestMessage request) =>
        IsUsed && request.Options.TryGetValue(Key, out var options) ? options : null;
}
