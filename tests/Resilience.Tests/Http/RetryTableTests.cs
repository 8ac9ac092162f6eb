using System.Net;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>
/// Every failure × method and mark × content × attempts left: what is sent where, and what the caller gets (laws 1 and 2;
/// R24, R25, R27, R139). The expectation is worked out here from the law's words, not from the code.
/// </summary>
public sealed class RetryTableTests
{
    private const string RefusedStream = "refused stream";

    /// <summary>What a time that is up looks like to the caller.</summary>
    private const string TimeIsUp = "TaskCanceledException of TimeoutException";

    private static readonly Dictionary<string, Kind> Kinds = new()
    {
        ["refused"] = Failing(FailureKind.Connect, HttpRequestError.ConnectionError, neverSent: true),
        ["name"] = Failing(FailureKind.NameResolution, HttpRequestError.NameResolutionError, neverSent: true),
        ["tls"] = Failing(FailureKind.Tls, HttpRequestError.SecureConnectionError, neverSent: true),
        ["connect timeout"] = new(
            FailureKind.ConnectTimeout,
            TimeIsUp,
            Answers.Throw(() => new TaskCanceledException("ended", new TimeoutException("ConnectTimeout"))),
            NeverSent: true
        ),
        [RefusedStream] = new(
            FailureKind.StreamRefused,
            "HttpProtocolError",
            Answers.Throw(() =>
                new HttpRequestException(
                    HttpRequestError.HttpProtocolError,
                    "refused",
                    new HttpProtocolException(0x7, "refused", null)
                )
            ),
            NeverSent: true
        ),
        ["reset"] = new(FailureKind.ConnectionLost, "IOException", Answers.Throw(() => new IOException("reset"))),
        ["early end"] = Failing(FailureKind.ConnectionLost, HttpRequestError.ResponseEnded),
        ["malformed"] = Failing(FailureKind.MalformedResponse, HttpRequestError.InvalidResponse),
        ["headers too large"] = Failing(FailureKind.MalformedResponse, HttpRequestError.ConfigurationLimitExceeded),
        ["other"] = Failing(FailureKind.Other, HttpRequestError.Unknown),
        ["attempt timeout"] = new(FailureKind.AttemptTimeout, TimeIsUp, (rig, _) => OutOfTime(rig)),
        ["version"] = Failing(FailureKind.Request, HttpRequestError.VersionNegotiationError) with
        {
            IsRetryable = false,
        },
        ["caller leaves"] = new(
            FailureKind.Cancelled,
            "caller's cancellation",
            (_, caller) => Leaving(caller),
            IsRetryable: false
        ),
        ["body breaks"] = new(FailureKind.Body, "200", (_, _) => BrokenBody, IsRetryable: false),
        ["500"] = Answering(500, FailureKind.Status),
        ["501"] = Answering(501, FailureKind.None, isRetryable: false),
        ["502"] = Answering(502, FailureKind.Status),
        ["503"] = Answering(503, FailureKind.Status),
        ["504"] = Answering(504, FailureKind.Status),
        ["505"] = Answering(505, FailureKind.None, isRetryable: false),
        ["507"] = Answering(507, FailureKind.Status, isRetryable: false),
        ["408"] = Answering(408, FailureKind.Status),
        ["425"] = Answering(425, FailureKind.Status),
        ["429"] = Answering(429, FailureKind.Status),
        ["404"] = Answering(404, FailureKind.None, isRetryable: false),
        ["200"] = Answering(200, FailureKind.None, isRetryable: false),
    };

    /// <summary>Each method, as it is and as its caller may mark it; the mark goes before what the method says.</summary>
    private static readonly (string Method, string Mark, bool IsIdempotent)[] Requests =
    [
        ("GET", "none", true),
        ("GET", "harmful", false),
        ("HEAD", "none", true),
        ("OPTIONS", "none", true),
        ("TRACE", "none", true),
        ("PUT", "none", true),
        ("DELETE", "none", true),
        ("POST", "none", false),
        ("POST", "harmless", true),
        ("POST", "key", true),
        ("PATCH", "none", false),
        ("PATCH", "harmless", true),
    ];

    /// <summary>Each content, and whether it can be sent again once it has been read.</summary>
    private static readonly (string Content, bool IsReplayable)[] Contents =
    [
        ("none", true),
        ("bytes", true),
        ("stream", false),
        ("replayable stream", true),
    ];

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
        var rows =
            from request in Requests
            from content in Contents
            from isRead in new[] { true, false }
            from attempts in new[] { 1, 2, 3 }
            select (request, content, isRead, attempts);
        foreach (var ((method, mark, isIdempotent), (content, isReplayable), isRead, attempts) in rows)
        {
            // A content that was asked for shows that the message went out, whatever the failure says; one without
            // content that must not be repeated goes out with an empty one. A refused stream says so of itself, with
            // whatever came beside its headers.
            var hasContent = content != "none" || !isIdempotent;
            var hasArrived = !kind.NeverSent || (isRead && hasContent && failure != RefusedStream);
            var isGone = isRead && !isReplayable;
            var goesOn = kind.IsRetryable && (!hasArrived || isIdempotent) && !isGone;
            var expected =
                !goesOn ? 1
                : hasArrived ? attempts
                : 4;
            var why = $"{failure}, {method}, mark {mark}, {content}, read {isRead}, {attempts} attempts";

            var (sent, result, shown) = await SendAsync(kind, method, mark, content, isRead, attempts);

            // Every other one once, in order; what never arrived counts for nothing.
            sent.Should().Equal(Enumerable.Range(1, expected).Select(i => $"b{i}"), why);
            // The fourth one answers well; else the last failure surfaces as it is.
            result.Should().Be(expected == 4 ? "200" : kind.Result, why);
            // The answer to a HEAD has no body that could break.
            shown.Should().Be(method == "HEAD" && failure == "body breaks" ? FailureKind.None : kind.Shown, why);
        }
    }

    private static async Task<(IReadOnlyList<string> Sent, string Result, FailureKind Shown)> SendAsync(
        Kind kind,
        string method,
        string mark,
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
        using var request = Request(method, mark, content);
        var (result, shown) = await ShownAsync(rig.SendAsync(request, token: caller.Token), caller.Token);
        rig.InFlight.Should().Be(0);
        return (rig.Sent, result, shown);
    }

    private static HttpRequestMessage Request(string method, string mark, string content)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/")
        {
            Content = content switch
            {
                "none" => null,
                "bytes" => new ByteArrayContent([1, 2, 3]),
                _ => new StreamContent(new MemoryStream([1, 2, 3])),
            },
        };
        if (content == "replayable stream")
        {
            request.ConfigureResilience(options => options.IsContentReplayable = true);
        }

        if (mark == "key")
        {
            request.Headers.Add("Idempotency-Key", "\"7\"");
        }
        else if (mark != "none")
        {
            request.ConfigureResilience(options => options.IsIdempotent = mark == "harmless");
        }

        return request;
    }

    /// <summary>
    /// What the caller gets, and what became of the first attempt once its request and its body have ended.
    /// </summary>
    private static async Task<(string Result, FailureKind Shown)> ShownAsync(
        Task<HttpResponseMessage> sending,
        CancellationToken caller
    )
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

            return ($"{(int)response.StatusCode}", response.GetAttempts()[0].Outcome.Failure);
        }
        catch (Exception exception)
            when (exception is HttpRequestException or OperationCanceledException or IOException)
        {
            var result = exception switch
            {
                HttpRequestException { HttpRequestError: var error } => $"{error}",
                TaskCanceledException { InnerException: TimeoutException } => TimeIsUp,
                OperationCanceledException { CancellationToken: var token } when token == caller =>
                    "caller's cancellation",
                _ => exception.GetType().Name,
            };
            return (result, exception.GetAttempts()[0].Outcome.Failure);
        }
    }

    private static Kind Failing(FailureKind shown, HttpRequestError error, bool neverSent = false) =>
        new(
            shown,
            $"{error}",
            Answers.Throw(() => new HttpRequestException(error, error.ToString())),
            NeverSent: neverSent
        );

    private static Kind Answering(int status, FailureKind shown, bool isRetryable = true) =>
        new(shown, $"{status}", Answers.Status(status), isRetryable);

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
    /// <param name="Shown">What stands in the record of the attempt.</param>
    /// <param name="Result">What the caller gets of it if it is the last.</param>
    /// <param name="Answer">What the backend does.</param>
    private sealed record Kind(
        FailureKind Shown,
        string Result,
        Func<HttpRig, CancellationTokenSource, Answer> Answer,
        bool IsRetryable = true,
        bool NeverSent = false
    )
    {
        public Kind(FailureKind shown, string result, Answer answer, bool IsRetryable = true, bool NeverSent = false)
            : this(shown, result, (_, _) => answer, IsRetryable, NeverSent) { }
    }
}
