using System.Net;
using System.Net.Sockets;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Http;

/// <summary>What a response or an exception of the transport shows about the backend. Pure functions.</summary>
public static class OutcomeClassifier
{
    /* RFC 9113, section 7, and RFC 9114, section 8.1: the server has done nothing with the request. */
    private const long Http2NoError = 0x0;
    private const long Http2RefusedStream = 0x7;
    private const long Http3RequestRejected = 0x10B;

    /// <summary>
    /// The default classification. Backend failures: no connection, lost connections, malformed responses, 502, 503,
    /// 504. Application failures: other 5xx except 501 and 505. Neutral: 408, 425, 429 and failures on this side.
    /// </summary>
    /// <param name="response">The response, if one came.</param>
    /// <param name="exception">What the transport threw, if it did; the caller's cancellation and timeouts never come here.</param>
    /// <remarks>
    /// No clock is read here: a <c>Retry-After</c> that is a date counts only beside a <c>Date</c> header. As the
    /// <see cref="ResilientHandlerOptions.Classifier"/> itself it is held against the pool's clock where there is none.
    /// </remarks>
    public static AttemptOutcome Classify(HttpResponseMessage? response, Exception? exception) =>
        ClassifyBy(clock: null, response, exception);

    internal static AttemptOutcome ClassifyBy(Clock? clock, HttpResponseMessage? response, Exception? exception) =>
        response is not null ? OfStatus(response, clock) : OfException(exception);

    private static AttemptOutcome OfStatus(HttpResponseMessage response, Clock? clock)
    {
        var status = (int)response.StatusCode;
        return status switch
        {
            < 400 => new AttemptOutcome(OutcomeKind.Success, StatusCode: status),
            502 or 503 or 504 => Status(OutcomeKind.Failure, isRetryable: true),
            408 or 425 or 429 => Status(OutcomeKind.Neutral, isRetryable: true),
            501 or 505 => new AttemptOutcome(OutcomeKind.Success, StatusCode: status),
            >= 500 => Status(OutcomeKind.ApplicationFailure, isRetryable: status == 500),
            _ => new AttemptOutcome(OutcomeKind.Success, StatusCode: status),
        };

        AttemptOutcome Status(OutcomeKind kind, bool isRetryable) =>
            new(kind, FailureKind.Status, status, isRetryable, RetryAfter: RetryAfterHeader.Read(response, clock));
    }

    private static AttemptOutcome OfException(Exception? exception) =>
        exception switch
        {
            HttpRequestException { HttpRequestError: var error } failure => OfError(error, failure),
            // A timeout arrives as a cancellation that nobody asked for.
            OperationCanceledException { InnerException: TimeoutException timeout } => OfTimeout(timeout),
            HttpIOException { HttpRequestError: var error } => OfError(error, exception),
            IOException or SocketException => Failed(FailureKind.ConnectionLost),
            _ => OnThisSide,
        };

    /// <summary>
    /// The platform's connect timeout is told by its message alone, which names the property that set it. Any other,
    /// of a handler within or of a nested client, may have come after the request had been sent.
    /// </summary>
    private static AttemptOutcome OfTimeout(TimeoutException timeout) =>
        timeout.Message.Contains(nameof(SocketsHttpHandler.ConnectTimeout), StringComparison.Ordinal)
            ? NeverSent(FailureKind.ConnectTimeout)
            : Failed(FailureKind.AttemptTimeout);

    private static AttemptOutcome OfError(HttpRequestError error, Exception exception) =>
        error switch
        {
            HttpRequestError.NameResolutionError => NeverSent(FailureKind.NameResolution),
            HttpRequestError.ConnectionError or HttpRequestError.ProxyTunnelError => NeverSent(FailureKind.Connect),
            HttpRequestError.SecureConnectionError => NeverSent(FailureKind.Tls),
            HttpRequestError.HttpProtocolError => IsRefusedStream(exception) || IsLeftBehind(exception)
                ? NeverSent(FailureKind.StreamRefused)
                : Failed(FailureKind.ConnectionLost),
            HttpRequestError.ResponseEnded => Failed(FailureKind.ConnectionLost),
            HttpRequestError.InvalidResponse => Failed(FailureKind.MalformedResponse),
            // Headers beyond the transport's limit. Another backend may do better; but where one route's answers are too
            // large everywhere, that must not open every circuit.
            HttpRequestError.ConfigurationLimitExceeded => new AttemptOutcome(
                OutcomeKind.ApplicationFailure,
                FailureKind.MalformedResponse,
                IsRetryable: true
            ),
            HttpRequestError.VersionNegotiationError
            or HttpRequestError.UserAuthenticationError
            or HttpRequestError.ExtendedConnectNotSupported => OnThisSide,
            _ => exception.InnerException is IOException or SocketException
                ? Failed(FailureKind.ConnectionLost)
                : Failed(FailureKind.Other),
        };

    private static bool IsRefusedStream(Exception exception)
    {
        for (var cause = exception; cause is not null; cause = cause.InnerException)
        {
            if (cause is HttpProtocolException { ErrorCode: Http2RefusedStream or Http3RequestRejected })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Whether the server went away (GOAWAY without an error) and named this stream as one that it will not work on. The
    /// platform puts its own words straight around the server's only then; what had been worked on has another exception
    /// between the two, or the server's own words outside too.
    /// </summary>
    private static bool IsLeftBehind(Exception exception) =>
        exception.InnerException is HttpProtocolException { ErrorCode: Http2NoError } ended
        && ended.Message != exception.Message;

    private static AttemptOutcome OnThisSide => new(OutcomeKind.Neutral, FailureKind.Request);

    private static AttemptOutcome Failed(FailureKind kind) => new(OutcomeKind.Failure, kind, IsRetryable: true);

    private static AttemptOutcome NeverSent(FailureKind kind) =>
        new(OutcomeKind.Failure, kind, IsRetryable: true, NeverSent: true);
}
