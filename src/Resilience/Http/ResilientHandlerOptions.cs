using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Retries;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// How a <see cref="ResilientHandler"/> treats requests. Mutable until it is handed over; not thread-safe.
/// </summary>
public sealed class ResilientHandlerOptions
{
    /// <summary>How long requests and attempts may take.</summary>
    public TimeoutOptions Timeouts { get; set; } = new();

    /// <summary>How often and how soon failed requests are attempted again.</summary>
    public RetryOptions Retry { get; set; } = new();

    /// <summary>The address that stands for the whole pool: <c>http://name/</c>, no path.</summary>
    /// <value>The default is <see langword="null"/>: <c>http://</c> and the pool's name, which must then be a valid host.</value>
    public Uri? LogicalAddress { get; set; }

    /// <summary>What happens to requests to other addresses.</summary>
    /// <value>The default is <see cref="ForeignHosts.Refuse"/>.</value>
    public ForeignHosts ForeignHosts { get; set; }

    /// <summary>
    /// Whether an attempt holds its backend until the response's body has been read to its end, broken or disposed, so
    /// that draining and failures in the middle of a body are true. If not, until the response's headers.
    /// </summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool TrackResponseBodies { get; set; } = true;

    /// <summary>
    /// The longest request content, in bytes, that is read into memory before the first attempt if it could otherwise be
    /// sent only once, so that it can be retried. Only contents whose length is known. Range: 0 (none) to 1 GiB.
    /// </summary>
    /// <value>The default is 0: none.</value>
    public int BufferRequestsUpTo { get; set; }

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
    /// <value>The default is 0: none.</value>
    public int BufferResponsesUpTo { get; set; }

    /// <summary>
    /// Says what an attempt's response or exception shows about its backend. Runs on the request path: must be quick
    /// and thread-safe. What it throws surfaces to the caller.
    /// </summary>
    /// <value>The default is <see cref="OutcomeClassifier.Classify"/>.</value>
    public Func<HttpResponseMessage?, Exception?, AttemptOutcome> Classifier { get; set; } = OutcomeClassifier.Classify;

    /// <summary>
    /// Called before each further attempt of a request, after its wait: which attempt failed, how (the
    /// <see cref="HttpResponseMessage"/>, which must not be read or kept, or the exception), and how long was waited.
    /// Attempts that never reached their backend are told of too, under the number of the attempt that they repeat. Runs on the
    /// request path: must be quick and thread-safe. What it throws is logged and survived.
    /// </summary>
    /// <value>The default is <see langword="null"/>.</value>
    public Action<RetryEvent>? OnRetry { get; set; }

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            .. Ranges.Below(nameof(Timeouts), Timeouts?.Problems()),
            .. Ranges.Below(nameof(Retry), Retry?.Problems()),
            (nameof(LogicalAddress), RequestAddress.LogicalProblem(LogicalAddress)),
            (
                nameof(ForeignHosts),
                Enum.IsDefined(ForeignHosts)
                    ? null
                    : Ranges.Problem((int)ForeignHosts, 0, (int)ForeignHosts.PassThrough)
            ),
            (nameof(BufferRequestsUpTo), Ranges.Problem(BufferRequestsUpTo, 0, Buffering.Most)),
            (nameof(BufferResponsesUpTo), Ranges.Problem(BufferResponsesUpTo, 0, Buffering.Most)),
            (nameof(Classifier), Classifier is null ? "is null, must be a function" : null),
        ];
}
