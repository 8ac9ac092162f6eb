using System.Net;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>
/// Every failure × method × content × attempts left: what is sent where (laws 1 and 2; R24, R25, R27, R139). The
/// expectation is worked out here from the law's words, not from the code.
/// </summary>
public sealed class RetryTableTests
{
    private const string RefusedStream = "refused stream";

    private static readonly Dictionary<string, Kind> Kinds = new()
    {
        ["refused"] = new(FailureKind.Connect, Answers.Refuse, NeverSent: true),
        ["name"] = new(FailureKind.NameResolution, Fail(HttpRequestError.NameResolutionError), NeverSent: true),
        ["tls"] = new(FailureKind.Tls, Fail(HttpRequestError.SecureConnectionError), NeverSent: true),
        ["connect timeout"] = new(
            FailureKind.ConnectTimeout,
            Answers.Throw(() => new TaskCanceledException("ended", new TimeoutException("ConnectTimeout"))),
            NeverSent: true
        ),
        [RefusedStream] = new(
            FailureKind.StreamRefused,
            Answers.Throw(() =>
                new HttpRequestException(
                    HttpRequestError.HttpProtocolError,
                    "refused",
                    new HttpProtocolException(0x7, "refused", null)
                )
            ),
            NeverSent: true
        ),
        ["reset"] = new(FailureKind.ConnectionLost, Answers.Throw(() => new IOException("reset"))),
        ["early end"] = new(FailureKind.ConnectionLost, Answers.Break),
        ["malformed"] = new(FailureKind.MalformedResponse, Fail(HttpRequestError.InvalidResponse)),
        ["headers too large"] = new(FailureKind.MalformedResponse, Fail(HttpRequestError.ConfigurationLimitExceeded)),
        ["other"] = new(FailureKind.Other, Fail(HttpRequestError.Unknown)),
        ["attempt timeout"] = new(FailureKind.AttemptTimeout, (rig, _) => OutOfTime(rig)),
        ["version"] = new(FailureKind.Request, Fail(HttpRequestError.VersionNegotiationError), IsRetryable: false),
        ["caller leaves"] = new(FailureKind.Cancelled, (_, caller) => Leaving(caller), IsRetryable: false),
        ["body breaks"] = new(FailureKind.Body, (_, _) => BrokenBody, IsRetryable: false),
        ["500"] = new(FailureKind.Status, Answers.Status(500)),
        ["501"] = new(FailureKind.None, Answers.Status(501), IsRetryable: false),
        ["502"] = new(FailureKind.Status, Answers.Status(502)),
        ["503"] = new(FailureKind.Status, Answers.Status(503)),
        ["504"] = new(FailureKind.Status, Answers.Status(504)),
        ["505"] = new(FailureKind.None, Answers.Status(505), IsRetryable: false),
        ["507"] = new(FailureKind.Status, Answers.Status(507), IsRetryable: false),
        ["408"] = new(FailureKind.Status, Answers.Status(408)),
        ["425"] = new(FailureKind.Status, Answers.Status(425)),
        ["429"] = new(FailureKind.Status, Answers.Status(429)),
        ["404"] = new(FailureKind.None, Answers.Status(404), IsRetryable: false),
        ["200"] = new(FailureKind.None, Answers.Ok, IsRetryable: false),
    };

    public static TheoryData<string> Failures => [.. Kinds.Keys];

    /// <summary>What takes a wait on the wire has tests of its own: IdleReadTests and IdleWriteTests.</summary>
    [Fact]
    public void Table_HoldsEveryKindOfFailure() =>
        Kinds
            .Values.Select(kind => kind.Shown)
            .Concat([FailureKind.BodyStalled, FailureKind.ContentStalled])
            .Should()
            .Contain(Enum.GetValues<FailureKind>());

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Send_OfEveryKindOfRequest_GoesWhereTheLawsSay(string failure)
    {
        var kind = Kinds[failure];
        foreach (var method in new[] { "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "POST", "PATCH" })
        {
            foreach (var content in new[] { "none", "bytes", "stream" })
            {
                foreach (var isRead in new[] { true, false })
                {
                    foreach (var attempts in new[] { 1, 2, 3 })
                    {
                        var isIdempotent = method is not ("POST" or "PATCH");
                        // A content that was asked for shows that the message went out, whatever the failure says; one
                        // without content that must not be repeated goes out with an empty one. A refused stream says
                        // so of itself, with whatever came beside its headers.
                        var hasContent = content != "none" || !isIdempotent;
                        var hasArrived = !kind.NeverSent || (isRead && hasContent && failure != RefusedStream);
                        var isGone = isRead && content == "stream";
                        var goesOn = kind.IsRetryable && (!hasArrived || isIdempotent) && !isGone;
                        var expected =
                            !goesOn ? 1
                            : hasArrived ? attempts
                            : 4;
                        var why = $"{failure}, {method}, {content}, read {isRead}, {attempts} attempts";

                        var (sent, shown) = await SendAsync(kind, method, content, isRead, attempts);

                        // Every other one once, in order; what never arrived counts for nothing.
                        sent.Should().Equal(Enumerable.Range(1, expected).Select(i => $"b{i}"), why);
                        // The answer to a HEAD has no body that could break.
                        shown
                            .Should()
                            .Be(method == "HEAD" && failure == "body breaks" ? FailureKind.None : kind.Shown, why);
                    }
                }
            }
        }
    }

    private static async Task<(IReadOnlyList<string> Sent, FailureKind Shown)> SendAsync(
        Kind kind,
        string method,
        string content,
        bool isRead,
        int attempts
    )
    {
        using var caller = new CancellationTokenSource();
        using var rig = new HttpRig(
            4,
            options =>
            {
                options.Retry.MaxAttempts = attempts;
                options.Timeouts.Total = TimeSpan.FromMinutes(5);
            }
        );
        var answer = kind.Answer(rig, caller);
        foreach (var name in new[] { "b1", "b2", "b3" })
        {
            rig.On(name, isRead ? Answers.Reading(answer) : answer);
        }

        rig.On("b4", Answers.Ok);
        var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/")
        {
            Content = content switch
            {
                "bytes" => new ByteArrayContent([1, 2, 3]),
                "stream" => new StreamContent(new MemoryStream([1, 2, 3])),
                _ => null,
            },
        };
        var shown = await ShownAsync(rig.SendAsync(request, token: caller.Token));
        rig.InFlight.Should().Be(0);
        return (rig.Sent, shown);
    }

    /// <summary>What became of the first attempt, once its request and its body have ended.</summary>
    private static async Task<FailureKind> ShownAsync(Task<HttpResponseMessage> sending)
    {
        try
        {
            using var response = await sending;
            try
            {
                await response.Content.CopyToAsync(Stream.Null);
            }
            catch (HttpRequestException)
            {
                // The body's failure stands in the record.
            }

            return response.GetAttempts()[0].Outcome.Failure;
        }
        catch (Exception exception)
            when (exception is HttpRequestException or OperationCanceledException or IOException)
        {
            return exception.GetAttempts()[0].Outcome.Failure;
        }
    }

    private static Answer Fail(HttpRequestError error) =>
        Answers.Throw(() => new HttpRequestException(error, error.ToString()));

    /// <summary>The attempt's time passes without an answer.</summary>
    private static Answer OutOfTime(HttpRig rig) =>
        (_, token) =>
        {
            rig.Time.Advance(TimeSpan.FromSeconds(10));
            return Task.FromCanceled<HttpResponseMessage>(token);
        };

    private static Answer Leaving(CancellationTokenSource caller) =>
        (_, token) =>
        {
            caller.Cancel();
            return Task.FromCanceled<HttpResponseMessage>(token);
        };

    private static Task<HttpResponseMessage> BrokenBody(HttpRequestMessage request, CancellationToken token) =>
        Answers.Body(new StreamContent(new ScriptedStream([1], new IOException("broken"))))(request, token);

    /// <summary>A kind of failure, and what follows from it alone.</summary>
    private sealed record Kind(
        FailureKind Shown,
        Func<HttpRig, CancellationTokenSource, Answer> Answer,
        bool IsRetryable = true,
        bool NeverSent = false
    )
    {
        public Kind(FailureKind shown, Answer answer, bool IsRetryable = true, bool NeverSent = false)
            : this(shown, (_, _) => answer, IsRetryable, NeverSent) { }
    }
}
