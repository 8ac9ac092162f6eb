using System.Net;
using System.Net.Sockets;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>The table of outcomes.</summary>
public sealed class OutcomeClassifierTests
{
    [Theory]
    [InlineData(100, OutcomeKind.Success, false)]
    [InlineData(101, OutcomeKind.Success, false)]
    [InlineData(200, OutcomeKind.Success, false)]
    [InlineData(204, OutcomeKind.Success, false)]
    [InlineData(302, OutcomeKind.Success, false)]
    [InlineData(304, OutcomeKind.Success, false)]
    [InlineData(400, OutcomeKind.Success, false)]
    [InlineData(401, OutcomeKind.Success, false)]
    [InlineData(404, OutcomeKind.Success, false)]
    [InlineData(421, OutcomeKind.Success, false)]
    [InlineData(499, OutcomeKind.Success, false)]
    [InlineData(408, OutcomeKind.Neutral, true)]
    [InlineData(425, OutcomeKind.Neutral, true)]
    [InlineData(429, OutcomeKind.Neutral, true)]
    [InlineData(500, OutcomeKind.ApplicationFailure, true)]
    [InlineData(501, OutcomeKind.Success, false)]
    [InlineData(502, OutcomeKind.Failure, true)]
    [InlineData(503, OutcomeKind.Failure, true)]
    [InlineData(504, OutcomeKind.Failure, true)]
    [InlineData(505, OutcomeKind.Success, false)]
    [InlineData(506, OutcomeKind.ApplicationFailure, false)]
    [InlineData(507, OutcomeKind.ApplicationFailure, false)]
    [InlineData(511, OutcomeKind.ApplicationFailure, false)]
    [InlineData(599, OutcomeKind.ApplicationFailure, false)]
    public void Classify_Status(int status, OutcomeKind kind, bool isRetryable)
    {
        using var response = new HttpResponseMessage((HttpStatusCode)status);

        var outcome = OutcomeClassifier.Classify(response, null);

        outcome
            .Should()
            .Be(
                new AttemptOutcome(
                    kind,
                    kind == OutcomeKind.Success ? FailureKind.None : FailureKind.Status,
                    status,
                    isRetryable
                )
            );
    }

    public static TheoryData<Exception, OutcomeKind, FailureKind, bool, bool> Exceptions =>
        new()
        {
            // exception, kind, failure, retryable, never sent
            { Error(HttpRequestError.ConnectionError), OutcomeKind.Failure, FailureKind.Connect, true, true },
            {
                Error(HttpRequestError.NameResolutionError),
                OutcomeKind.Failure,
                FailureKind.NameResolution,
                true,
                true
            },
            { Error(HttpRequestError.SecureConnectionError), OutcomeKind.Failure, FailureKind.Tls, true, true },
            { Error(HttpRequestError.ProxyTunnelError), OutcomeKind.Failure, FailureKind.Connect, true, true },
            { Error(HttpRequestError.ResponseEnded), OutcomeKind.Failure, FailureKind.ConnectionLost, true, false },
            {
                Error(HttpRequestError.InvalidResponse),
                OutcomeKind.Failure,
                FailureKind.MalformedResponse,
                true,
                false
            },
            { Error(HttpRequestError.Unknown), OutcomeKind.Failure, FailureKind.Other, true, false },
            { Error(HttpRequestError.VersionNegotiationError), OutcomeKind.Neutral, FailureKind.Request, false, false },
            { Error(HttpRequestError.UserAuthenticationError), OutcomeKind.Neutral, FailureKind.Request, false, false },
            {
                // Headers beyond the limit: another may do better, and no circuit opens for a route of such answers.
                Error(HttpRequestError.ConfigurationLimitExceeded),
                OutcomeKind.ApplicationFailure,
                FailureKind.MalformedResponse,
                true,
                false
            },
            {
                Error(HttpRequestError.ExtendedConnectNotSupported),
                OutcomeKind.Neutral,
                FailureKind.Request,
                false,
                false
            },
            { Protocol(0x7), OutcomeKind.Failure, FailureKind.StreamRefused, true, true },
            { Protocol(0x10B), OutcomeKind.Failure, FailureKind.StreamRefused, true, true },
            { Protocol(0x1), OutcomeKind.Failure, FailureKind.ConnectionLost, true, false },
            { Protocol(0x8), OutcomeKind.Failure, FailureKind.ConnectionLost, true, false },
            // GOAWAY without an error: not worked on if the platform says so straight around it.
            { WentAway("aborted", "closed"), OutcomeKind.Failure, FailureKind.StreamRefused, true, true },
            {
                WentAway("closed (HttpProtocolError)", "closed"),
                OutcomeKind.Failure,
                FailureKind.ConnectionLost,
                true,
                false
            },
            { Protocol(0x0), OutcomeKind.Failure, FailureKind.ConnectionLost, true, false },
            { Error(HttpRequestError.HttpProtocolError), OutcomeKind.Failure, FailureKind.ConnectionLost, true, false },
            {
                Nested(new HttpProtocolException(0x7, "x", null)),
                OutcomeKind.Failure,
                FailureKind.StreamRefused,
                true,
                true
            },
            {
                new HttpRequestException("x", new IOException()),
                OutcomeKind.Failure,
                FailureKind.ConnectionLost,
                true,
                false
            },
            {
                new HttpRequestException("x", new SocketException()),
                OutcomeKind.Failure,
                FailureKind.ConnectionLost,
                true,
                false
            },
            {
                new HttpIOException(HttpRequestError.ResponseEnded),
                OutcomeKind.Failure,
                FailureKind.ConnectionLost,
                true,
                false
            },
            {
                new HttpIOException(HttpRequestError.InvalidResponse),
                OutcomeKind.Failure,
                FailureKind.MalformedResponse,
                true,
                false
            },
            { new IOException(), OutcomeKind.Failure, FailureKind.ConnectionLost, true, false },
            { new SocketException(), OutcomeKind.Failure, FailureKind.ConnectionLost, true, false },
            {
                new TaskCanceledException(
                    "x",
                    new TimeoutException("A connection could not be established within the configured ConnectTimeout.")
                ),
                OutcomeKind.Failure,
                FailureKind.ConnectTimeout,
                true,
                true
            },
            {
                // Of a handler within, or of a nested client: the request may have been sent (law 2).
                new TaskCanceledException(
                    "x",
                    new TimeoutException("The configured HttpClient.Timeout of 1 s elapsing.")
                ),
                OutcomeKind.Failure,
                FailureKind.AttemptTimeout,
                true,
                false
            },
            { new TaskCanceledException(), OutcomeKind.Neutral, FailureKind.Request, false, false },
            { new InvalidOperationException(), OutcomeKind.Neutral, FailureKind.Request, false, false },
        };

    [Theory]
    [MemberData(nameof(Exceptions), DisableDiscoveryEnumeration = true)]
    public void Classify_Exception(
        Exception exception,
        OutcomeKind kind,
        FailureKind failure,
        bool retryable,
        bool neverSent
    )
    {
        OutcomeClassifier
            .Classify(null, exception)
            .Should()
            .Be(new AttemptOutcome(kind, failure, 0, retryable, neverSent), "{0}", exception);
    }

    [Fact]
    public void Classify_RetryAfter_IsInTheOutcome()
    {
        using var response = new HttpResponseMessage(HttpStatusCode.TooManyRequests);
        response.Headers.RetryAfter = new(TimeSpan.FromSeconds(3));

        OutcomeClassifier.Classify(response, null).RetryAfter.Should().Be(TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task Classifier_OfTheUser_Decides()
    {
        using var rig = new HttpRig(
            2,
            options =>
                options.Classifier = (response, exception) =>
                    response is { StatusCode: HttpStatusCode.NotFound }
                        ? new AttemptOutcome(OutcomeKind.Failure, FailureKind.Status, 404, IsRetryable: true)
                        : OutcomeClassifier.Classify(response, exception)
        ).On("b1", Answers.Status(404));

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b1", "b2");
        rig["b1"].Failures.Should().Be(1);
    }

    private static HttpRequestException Error(HttpRequestError error) => new(error, "failed");

    private static HttpRequestException Protocol(long code) => Nested(new HttpProtocolException(code, "x", null));

    private static HttpRequestException WentAway(string message, string serversMessage) =>
        new(HttpRequestError.HttpProtocolError, message, new HttpProtocolException(0x0, serversMessage, null));

    private static HttpRequestException Nested(Exception cause) =>
        new(HttpRequestError.HttpProtocolError, "failed", new IOException("between", cause));
}
