using System.Net;
using Resilience.Backends;

namespace Resilience.Tests.Http;

/// <summary>
/// Every failure × method × content × attempts left: what is sent where (laws 1 and 2; R24-R27, R139). The expectation is
/// worked out here from the law's words, not from the code.
/// </summary>
public sealed class RetryTableTests
{
    private static readonly Dictionary<string, (Answer Answer, bool IsRetryable, bool NeverSent)> Kinds = new()
    {
        ["refused"] = (Answers.Refuse, true, true),
        ["name"] = (Fail(HttpRequestError.NameResolutionError), true, true),
        ["tls"] = (Fail(HttpRequestError.SecureConnectionError), true, true),
        ["reset"] = (Answers.Break, true, false),
        ["malformed"] = (Fail(HttpRequestError.InvalidResponse), true, false),
        ["version"] = (Fail(HttpRequestError.VersionNegotiationError), false, false),
        ["500"] = (Answers.Status(500), true, false),
        ["501"] = (Answers.Status(501), false, false),
        ["502"] = (Answers.Status(502), true, false),
        ["503"] = (Answers.Status(503), true, false),
        ["504"] = (Answers.Status(504), true, false),
        ["408"] = (Answers.Status(408), true, false),
        ["425"] = (Answers.Status(425), true, false),
        ["429"] = (Answers.Status(429), true, false),
        ["404"] = (Answers.Status(404), false, false),
        ["200"] = (Answers.Ok, false, false),
    };

    public static TheoryData<string> Failures => [.. Kinds.Keys];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task Send_OfEveryKindOfRequest_GoesWhereTheLawsSay(string failure)
    {
        var (answer, isRetryable, neverSent) = Kinds[failure];
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
                        // without content that must not be repeated goes out with an empty one.
                        var hasContent = content != "none" || !isIdempotent;
                        var hasArrived = !neverSent || (isRead && hasContent);
                        var isGone = isRead && content == "stream";
                        var goesOn = isRetryable && (!hasArrived || isIdempotent) && !isGone;
                        var expected =
                            !goesOn ? 1
                            : hasArrived ? attempts
                            : 4;

                        var sent = await SendAsync(answer, method, content, isRead, attempts);

                        // Every other one once, in order; what never arrived counts for nothing.
                        sent.Should()
                            .Equal(
                                Enumerable.Range(1, expected).Select(i => $"b{i}"),
                                $"{failure}, {method}, {content}, read {isRead}, {attempts} attempts"
                            );
                    }
                }
            }
        }
    }

    private static async Task<IReadOnlyList<string>> SendAsync(
        Answer answer,
        string method,
        string content,
        bool isRead,
        int attempts
    )
    {
        using var rig = new HttpRig(4, options => options.Retry.MaxAttempts = attempts);
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
        var sending = rig.SendAsync(request);
        await Task.WhenAny(sending);
        if (sending.IsCompletedSuccessfully)
        {
            sending.Result.Dispose();
        }

        rig.InFlight.Should().Be(0);
        return rig.Sent;
    }

    private static Answer Fail(HttpRequestError error) =>
        Answers.Throw(() => new HttpRequestException(error, error.ToString()));
}
