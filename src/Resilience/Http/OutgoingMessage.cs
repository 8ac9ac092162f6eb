using System.Globalization;
using System.Net.Http.Headers;
using System.Text;
using Resilience.Backends;
using Resilience.Telemetry;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// The caller's message, lent to one attempt after another: aimed at each backend in turn, and given back as it came,
/// with its own address, host and content. A struct owned by one request.
/// </summary>
internal struct OutgoingMessage
{
    private const string Expect = "Expect";

    private Uri _address;
    private HttpMethod _method;
    private HttpContent? _content;
    private RequestPath _path;
    private TraceHeaders _traceHeaders;
    private CallersHeaders _callersHeaders;
    private CallersCredentials _callersCredentials;
    private bool? _isChunked;
    private HttpContent? _buffered;
    private AttemptContent? _attemptContent;
    private Uri? _target;
    private string? _host;
    private string? _deadlineHeader;
    private bool _isHostReplaced;
    private bool _isExpectationTaken;

    public HttpRequestMessage Request { get; private set; }

    /// <summary>Whether sending it twice does no harm.</summary>
    public bool IsIdempotent { get; private set; }

    /// <summary>Whether it was the content that failed.</summary>
    public readonly bool HasContentFailed => _attemptContent is { HasFailed: true };

    /// <summary>What the content threw, if it is what failed.</summary>
    public readonly Exception? ContentFailure => HasContentFailed ? _attemptContent!.Failure : null;

    /// <summary>The content of the attempt, if it is still being sent or has failed.</summary>
    public readonly AttemptContent? UnsentContent =>
        _attemptContent is { IsReleased: false } or { HasFailed: true } ? _attemptContent : null;

    /// <summary>Whether the backend did not take the content in time.</summary>
    public readonly bool HasContentStalled => _attemptContent is { HasStalled: true };

    /// <summary>Whether no attempt reads the content now.</summary>
    public readonly bool IsReleased => _attemptContent is not { IsReleased: false };

    /// <summary>Ends when no attempt reads the content any more.</summary>
    public readonly Task WhenReleased => _attemptContent?.WhenReleased ?? Task.CompletedTask;

    /// <summary>
    /// Whether the platform returns a response only when this content has been sent to its end, so that its caller may
    /// dispose it then. It knows its own types by an internal property, which it cannot see through our wrapper.
    /// </summary>
    public readonly bool IsContentSentBeforeReturn =>
        _content is ByteArrayContent or StreamContent or ReadOnlyMemoryContent or MultipartContent;

    /// <summary>
    /// Takes a message, into the place where it stays: a struct of this size is dear to copy where the collector watches.
    /// </summary>
    /// <param name="areOthersWithin">Whether there are handlers within, who may change its headers.</param>
    public void Take(HttpRequestMessage request, in RequestPath path, bool isIdempotent, bool areOthersWithin)
    {
        Request = request;
        IsIdempotent = isIdempotent;
        _path = path;
        _address = request.RequestUri!;
        _method = request.Method;
        _content = request.Content;
        _traceHeaders = TraceHeaders.Of(request);
        _callersCredentials = CallersCredentials.Of(request);
        _callersHeaders = areOthersWithin ? CallersHeaders.Of(request) : default;
        _isChunked = _content is null ? null : request.Headers.TransferEncodingChunked;
    }

    /// <summary>
    /// Whether the content can go out again: it can be repeated, or no attempt has asked for a byte, nor can from now on.
    /// </summary>
    public readonly bool CanSendAgain(bool? isReplayable)
    {
        _attemptContent?.Revoke();
        return _attemptContent is not { HasBegun: true }
            || _buffered is not null
            || (isReplayable ?? Replay.IsReplayable(_content));
    }

    /// <summary>
    /// Whether a backend may have seen the message although the sending ended with a failure that no backend sees: the
    /// platform may send more than once for one sending (after a redirect, a challenge, or on a kept connection that
    /// turns out closed), and it is the last of them that failed. Its content tells: it is asked for when the message
    /// goes out.
    /// </summary>
    public readonly bool MayHaveArrived(FailureKind failure) =>
        failure switch
        {
            FailureKind.Connect or FailureKind.NameResolution or FailureKind.Tls or FailureKind.ConnectTimeout =>
                _attemptContent?.HasBegun ?? !(IsIdempotent || IsExtendedConnect),
            // Over HTTP/2 the content goes out beside the headers, so there it only tells together with a redirect.
            FailureKind.StreamRefused => _attemptContent is { HasBegun: true }
                && !ReferenceEquals(Request.RequestUri, _target),
            // Only a classifier of the user's says so of any other failure; it knows.
            _ => false,
        };

    /// <summary>
    /// Whether the platform could not write the message, of which its exception says nothing but in words: letters in a
    /// header that it cannot encode, or chunks without a content to send in them.
    /// </summary>
    public readonly bool CannotBeWritten(Exception exception) =>
        exception is HttpRequestException { HttpRequestError: HttpRequestError.Unknown, InnerException: var cause }
        && cause switch
        {
            null => HasLetters(Request.Headers.NonValidated)
                || (Request.Content is { } content && HasLetters(content.Headers.NonValidated)),
            ObjectDisposedException => false,
            InvalidOperationException => Request.Content is null && Request.Headers.TransferEncodingChunked == true,
            _ => false,
        };

    private static bool HasLetters(HttpHeadersNonValidated headers)
    {
        foreach (var header in headers)
        {
            foreach (var value in header.Value)
            {
                if (!Ascii.IsValid(value))
                {
                    return true;
                }
            }
        }

        return false;
    }

    /// <summary>
    /// A web socket over HTTP/2, say. It has no content to tell by, but over HTTP/2 the platform sends again only what
    /// the server has provably not processed.
    /// </summary>
    private readonly bool IsExtendedConnect => Request.Headers.Protocol is not null;

    /// <summary>Whether the content can be sent only once, and is no longer than what may be kept to send it again.</summary>
    public readonly bool IsBufferable(int limit, bool? isReplayable, out int length)
    {
        var known = _content is null ? 0 : ContentHeaders.LengthOf(_content) ?? 0;
        length = (int)Math.Min(known, int.MaxValue);
        return known > 0 && known <= limit && !(isReplayable ?? Replay.IsReplayable(_content));
    }

    /// <summary>Reads the content into memory; the attempts send what was read.</summary>
    public readonly ValueTask<HttpContent> ReadContentAsync(
        int length,
        bool isAsync,
        CancellationToken cancellationToken
    ) => Buffering.ReadRequestAsync(_content!, length, isAsync, cancellationToken);

    public void SendInstead(HttpContent buffered) => _buffered = buffered;

    /// <summary>Points the message at <paramref name="backend"/>.</summary>
    /// <param name="seen">The paths of earlier messages.</param>
    /// <param name="idleWrite">How long a write of its content may wait for the backend to take it.</param>
    /// <param name="isReplayable">Whether its content can be read more than once, if the caller has said so.</param>
    public void AimAt(Backend backend, ref SeenPaths seen, TimeSpan idleWrite, bool? isReplayable)
    {
        // All may have been changed on the way, by a transport that follows redirects or answers challenges: it turns a PUT
        // into a GET, takes the authorization away before it goes to where it was sent, and writes down what it has for one
        // backend; or by the application's own handlers.
        if (_target is not null)
        {
            RestoreHeaders();
        }

        Request.Method = _method;
        Request.RequestUri = _target = RequestAddress.On(backend, _path, ref seen);
        _traceHeaders.Restore(Request);
        if (backend.Definition.Host is { } host)
        {
            _host = _isHostReplaced ? _host : Request.Headers.Host;
            _isHostReplaced = true;
            Request.Headers.Host = host;
        }
        else
        {
            RestoreHost();
        }

        if (!IsIdempotent)
        {
            TakeExpectation();
        }

        if (_content is not null)
        {
            var idle = new IdleLimit(backend.Pool.Clock, idleWrite);
            Request.Content = _attemptContent = _buffered is not null
                ? new AttemptContent(_buffered, idle)
                : new AttemptContent(_content, idle, isReplayable);
        }
        else if (!IsIdempotent && Request.Method != HttpMethod.Connect)
        {
            // The platform sends a request without content again by itself, whatever its method, when a kept
            // connection turns out closed. With a content, even an empty one, it does not.
            Request.Content = _attemptContent = new AttemptContent(new ByteArrayContent([]));
        }
        else
        {
            Request.Content = null;
        }
    }

    /// <summary>Lets that token end the content of the attempt that begins.</summary>
    public readonly void EndContentWith(CancellationToken attemptToken) => _attemptContent?.EndWith(attemptToken);

    /// <summary>Lets a content that begins later on do without the attempt's token.</summary>
    /// <returns>Whether no content uses that token any more.</returns>
    public readonly bool DetachContent() => _attemptContent?.Detach() ?? true;

    /// <summary>Ends a content that has begun since it was detached, and forbids it to begin.</summary>
    public readonly void AbandonContent() => _attemptContent?.Abandon();

    /// <summary>Tells the backend how long its answer is wanted, unless the caller has said so itself.</summary>
    /// <param name="left">What is left of the request's time; <see cref="TimeSpan.MaxValue"/> if nothing limits it.</param>
    public void TellDeadline(string header, TimeSpan left)
    {
        if (_deadlineHeader is not null)
        {
            Request.Headers.Remove(_deadlineHeader);
        }
        else if (Request.Headers.NonValidated.Contains(header))
        {
            return;
        }

        if (left != TimeSpan.MaxValue)
        {
            _deadlineHeader = header;
            Request.Headers.TryAddWithoutValidation(
                header,
                ((long)left.TotalMilliseconds).ToString(CultureInfo.InvariantCulture)
            );
        }
    }

    /// <summary>Gives the message back as it came; one that has been disposed meanwhile is left alone.</summary>
    public void Restore()
    {
        try
        {
            RestoreHeaders();
            _traceHeaders.Restore(Request);
            Request.Method = _method;
            Request.RequestUri = _address;
            Request.Content = _content;
            RestoreHost();
            RestoreChunks();
            if (_deadlineHeader is not null)
            {
                Request.Headers.Remove(_deadlineHeader);
            }

            if (_isExpectationTaken)
            {
                Request.Headers.ExpectContinue = true;
            }
        }
        catch (ObjectDisposedException)
        {
            // Its owner wants nothing back, and a response must not be lost for it.
        }
    }

    /// <summary>
    /// While the platform waits for the 100 it takes nothing for sent: when a kept connection turns out closed it sends
    /// the head again by itself, which without content is the whole message.
    /// </summary>
    private void TakeExpectation()
    {
        if (Request.Headers.NonValidated.Contains(Expect) && Request.Headers.ExpectContinue == true)
        {
            Request.Headers.ExpectContinue = false;
            _isExpectationTaken = true;
        }
    }

    private readonly void RestoreHeaders()
    {
        var isRedirected = _target is not null && !ReferenceEquals(Request.RequestUri, _target);
        _callersCredentials.Restore(Request, isRedirected);
        _callersHeaders.Restore(Request);
    }

    private void RestoreHost()
    {
        if (_isHostReplaced)
        {
            Request.Headers.Host = _host;
            _isHostReplaced = false;
        }
    }

    /// <summary>The platform notes on the message that a content of unknown length goes out in chunks.</summary>
    private readonly void RestoreChunks()
    {
        if (_content is not null && Request.Headers.TransferEncodingChunked != _isChunked)
        {
            Request.Headers.TransferEncodingChunked = _isChunked;
        }
    }

    /// <summary>
    /// The platform injects trace headers into a message and leaves those that it finds, so a second sending would
    /// carry the first one's: what the caller did not set is taken out again.
    /// </summary>
    private readonly struct TraceHeaders
    {
        private static readonly string[] Names = ["traceparent", "tracestate", "baggage"];

        /// <summary>Bit i: the i-th header is not the caller's; none are set while nothing is traced.</summary>
        private readonly int _injected;

        private TraceHeaders(int injected)
        {
            _injected = injected;
        }

        public static TraceHeaders Of(HttpRequestMessage request)
        {
            if (!Instruments.MayTraceRequests)
            {
                return default;
            }

            var injected = 0;
            for (var i = 0; i < Names.Length; i++)
            {
                injected |= request.Headers.NonValidated.Contains(Names[i]) ? 0 : 1 << i;
            }

            return new TraceHeaders(injected);
        }

        public void Restore(HttpRequestMessage request)
        {
            for (var i = 0; _injected != 0 && i < Names.Length; i++)
            {
                if ((_injected & (1 << i)) != 0)
                {
                    request.Headers.Remove(Names[i]);
                }
            }
        }
    }
}
