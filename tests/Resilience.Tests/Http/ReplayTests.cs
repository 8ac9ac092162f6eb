using System.Net;
using System.Net.Http.Json;
using System.Text;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>Law 2: never twice by accident.</summary>
public sealed class ReplayTests
{
    [Theory]
    [InlineData("GET", true)]
    [InlineData("HEAD", true)]
    [InlineData("PUT", true)]
    [InlineData("DELETE", true)]
    [InlineData("OPTIONS", true)]
    [InlineData("TRACE", true)]
    [InlineData("get", true)]
    [InlineData("POST", false)]
    [InlineData("PATCH", false)]
    [InlineData("CONNECT", false)]
    [InlineData("PURGE", false)]
    public async Task Send_MayHaveReachedTheBackend_OnlyIdempotentMethodsGoOut(string method, bool isSentAgain)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503));
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/");

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().HaveCount(isSentAgain ? 2 : 1);
    }

    [Theory]
    [InlineData("POST")]
    [InlineData("PATCH")]
    public async Task Send_NotIdempotentButNeverReached_GoesElsewhere(string method)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Refuse);
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/");

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().Equal("b1", "b2");
    }

    /// <summary>
    /// As after a redirect, or on a kept connection that turned out closed: the message has gone out before the sending
    /// that was refused.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_PostRefusedAfterItsContentWasBegun_IsNeverSentTwice(bool hasContent)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Refuse));

        var sending = () => rig.SendAsync(HttpRig.Post(hasContent ? new StringContent("x") : null));

        var thrown = await sending.Should().ThrowAsync<HttpRequestException>().WithMessage("refused");
        thrown
            .Which.GetAttempts()
            .Should()
            .ContainSingle()
            .Which.Outcome.Should()
            .Be(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect, IsRetryable: true));
    }

    /// <summary>A CONNECT has no content to tell by; over HTTP/2 the platform does not send it again by itself.</summary>
    [Theory]
    [InlineData(null, 1)]
    [InlineData("websocket", 2)]
    public async Task Send_ConnectRefused_GoesElsewhereOnlyAsAnExtendedOne(string? protocol, int sendings)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Refuse);
        using var request = new HttpRequestMessage(HttpMethod.Connect, "http://catalog/");
        request.Headers.Protocol = protocol;

        await Task.WhenAny(rig.SendAsync(request));

        rig.Sent.Should().HaveCount(sendings);
    }

    [Fact]
    public async Task Send_PutRefusedAfterItsContentWasBegun_IsAnAttemptLikeAnyOther()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Refuse));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new StringContent("x");

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().Equal("b1", "b2");
        rig.Pool.Budget.Balance.Should().Be(99);
    }

    /// <summary>Over HTTP/2 the content goes out beside the headers, of a stream that is then refused.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Send_PostOnARefusedStream_GoesElsewhereUnlessItWasRedirected(bool isRedirected)
    {
        using var rig = new HttpRig(2);
        rig.On(
            "b1",
            (request, token) =>
            {
                request.RequestUri = isRedirected ? new Uri("http://elsewhere/") : request.RequestUri;
                return Answers.Reading(RefuseStream)(request, token);
            }
        );

        await Task.WhenAny(rig.SendAsync(HttpRig.Post(new StringContent("x"))));

        rig.Sent.Should().HaveCount(isRedirected ? 1 : 2);

        static Task<HttpResponseMessage> RefuseStream(HttpRequestMessage request, CancellationToken token) =>
            Task.FromException<HttpResponseMessage>(
                new HttpRequestException(
                    HttpRequestError.HttpProtocolError,
                    "refused",
                    new HttpProtocolException(7, "refused", null)
                )
            );
    }

    [Fact]
    public async Task Send_NeverSentByTheUsersOwnClassification_IsBelieved()
    {
        using var rig = new HttpRig(
            2,
            options =>
                options.Classifier = (response, exception) =>
                    response is { StatusCode: HttpStatusCode.MisdirectedRequest }
                        ? new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Connect, 421, true, NeverSent: true)
                        : OutcomeClassifier.Classify(response, exception)
        ).On("b1", Answers.Reading(Answers.Status(421)));

        using var response = await rig.SendAsync(HttpRig.Post(new StringContent("x")));

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Theory]
    [InlineData("attempt timeout")]
    [InlineData("ended")]
    [InlineData("500")]
    [InlineData("429")]
    public async Task Send_PostThatMayHaveBeenProcessed_IsNeverSentTwice(string failure)
    {
        using var rig = new HttpRig(2);
        rig.On(
            "b1",
            failure switch
            {
                "attempt timeout" => Answers.Hang,
                "ended" => Answers.Break,
                _ => Answers.Status(int.Parse(failure)),
            }
        );

        var sending = rig.DriveAsync(rig.SendAsync(HttpRig.Post(new StringContent("x"))));
        await Task.WhenAny(sending);

        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Send_PostMarkedIdempotent_IsSentAgain()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503));
        using var request = HttpRig.Post().ConfigureResilience(options => options.IsIdempotent = true);

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_PostWithIdempotencyKey_IsSentAgain()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503));
        using var request = HttpRig.Post();
        request.Headers.Add("idempotency-key", "1");

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_GetMarkedNotIdempotent_IsSentOnce()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Status(503));
        using var request = HttpRig.Get().ConfigureResilience(options => options.IsIdempotent = false);

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().Equal("b1");
    }

    [Theory]
    [InlineData("POST", true)]
    [InlineData("PATCH", true)]
    [InlineData("GET", false)]
    [InlineData("DELETE", false)]
    public async Task Send_NoContent_GoesOutWithAnEmptyOneWhereThePlatformMustNotResend(string method, bool isEmpty)
    {
        var contents = new List<HttpContent?>();
        using var rig = new HttpRig(2).On("b1", Answers.Refuse);
        rig.On(
            "b2",
            (request, token) =>
            {
                contents.Add(request.Content);
                return Answers.Ok(request, token);
            }
        );
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/");

        using var response = await rig.SendAsync(request);

        var sent = contents.Should().ContainSingle().Subject;
        (sent is not null).Should().Be(isEmpty);
        (sent?.Headers.ContentLength ?? 0).Should().Be(0);
        request.Content.Should().BeNull();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_ReplayableContent_ReachesEveryBackendWhole(bool isAsync)
    {
        var wire = new List<string>();
        var read = Reader(wire);
        using var rig = new HttpRig(3).On("b1", read(503)).On("b2", read(502)).On("b3", read(200));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new StringContent("all of it");

        using var response = await rig.SendAsync(request, isAsync);

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        wire.Should().Equal("all of it", "all of it", "all of it");
    }

    [Fact]
    public async Task Send_ReplayableContent_IsNeitherReadAheadNorCopied()
    {
        var messages = new List<HttpRequestMessage>();
        using var rig = new HttpRig(3).On("b1", Seen(503)).On("b2", Seen(502)).On("b3", Seen(200));
        var content = new CountedContent();
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content };

        using var response = await rig.SendAsync(request);

        content.Writes.Should().Be(3, "each attempt writes the caller's own content");
        messages.Should().HaveCount(3).And.OnlyContain(message => ReferenceEquals(message, request));

        Answer Seen(int status) =>
            Answers.Reading(
                (message, token) =>
                {
                    messages.Add(message);
                    return Answers.Status(status)(message, token);
                }
            );
    }

    /// <summary>As the platform refuses what cannot be written; it has no word of its own for it.</summary>
    [Theory]
    [InlineData("header", true)]
    [InlineData("content header", true)]
    [InlineData("chunks of nothing", true)]
    [InlineData("nothing of that kind", false)]
    public async Task Send_MessageThatCannotBeWritten_BlamesNobodyAndIsNotRetried(string fault, bool isRequests)
    {
        var refusal = new HttpRequestException(
            "refused by the platform",
            fault == "chunks of nothing" ? new InvalidOperationException("chunks of nothing") : null
        );
        using var rig = new HttpRig(2, options => options.Retry.MaxAttempts = 2);
        rig.On("b1", Answers.Throw(() => refusal)).On("b2", Answers.Throw(() => refusal));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Headers.TryAddWithoutValidation("X-Name", fault == "header" ? "é" : "e");
        request.Headers.TransferEncodingChunked = fault == "chunks of nothing" ? true : null;
        request.Content = fault == "chunks of nothing" ? null : new StringContent("x");
        request.Content?.Headers.TryAddWithoutValidation("X-Name", fault == "content header" ? "é" : "e");

        var sending = () => rig.SendAsync(request);

        var thrown = (await sending.Should().ThrowAsync<HttpRequestException>()).Which;
        thrown.Should().BeSameAs(refusal);
        thrown.GetAttempts()[0].Outcome.Failure.Should().Be(isRequests ? FailureKind.Request : FailureKind.Other);
        rig["b1"].Failures.Should().Be(isRequests ? 0 : 1);
        rig.Sent.Should().HaveCount(isRequests ? 1 : 2);
    }

    [Fact]
    public async Task Send_OneShotContentThatWasBegun_IsSentOnce()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Status(503)));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new StreamContent(new MemoryStream("once"u8.ToArray()));

        using var response = await rig.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Send_OneShotContentOfWhichNotAByteWasAsked_GoesElsewhereWhole()
    {
        var wire = new List<string>();
        using var rig = new HttpRig(2).On("b1", Answers.Status(503)).On("b2", Reader(wire)(200));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new StreamContent(new MemoryStream("once"u8.ToArray()));

        using var response = await rig.SendAsync(request);

        wire.Should().Equal("once");
        rig.Sent.Should().Equal("b1", "b2");
    }

    [Fact]
    public async Task Send_OneShotContentAskedForTooLate_IsRefusedToTheAttemptThatHasEnded()
    {
        var late = new TaskCompletionSource();
        Task? lateRead = null;
        using var rig = new HttpRig(2);
        rig.On(
            "b1",
            (request, _) =>
            {
                // As over HTTP/2: the response comes before the transport has begun with the content.
                var content = request.Content!;
                lateRead = ReadLateAsync(content);
                return Task.FromResult(new HttpResponseMessage(HttpStatusCode.ServiceUnavailable));
            }
        );
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new StreamContent(new MemoryStream("once"u8.ToArray()));

        using var response = await rig.SendAsync(request);
        late.SetResult();

        var thrown = await lateRead!.Invoking(read => read).Should().ThrowAsync<HttpRequestException>();
        thrown.WithInnerException<IOException>().WithMessage("*another*");

        async Task ReadLateAsync(HttpContent content)
        {
            await late.Task;
            await content.CopyToAsync(Stream.Null);
        }
    }

    [Fact]
    public async Task Send_StreamMarkedReplayable_IsSentAgain()
    {
        var wire = new List<string>();
        using var rig = new HttpRig(2).On("b1", Reader(wire)(503)).On("b2", Reader(wire)(200));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new StreamContent(new MemoryStream("seekable"u8.ToArray()));
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        using var response = await rig.SendAsync(request);

        wire.Should().Equal("seekable", "seekable");
    }

    [Fact]
    public async Task Send_ContentThatFailsItself_BlamesNobodyAndIsNotRetried()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Ok));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new FailingContent(new InvalidDataException("the content's own"));

        var sending = () => rig.SendAsync(request);

        var thrown = await sending.Should().ThrowAsync<InvalidDataException>();
        thrown.Which.GetAttempts().Should().ContainSingle().Which.Outcome.Kind.Should().Be(OutcomeKind.Neutral);
        rig.Sent.Should().Equal("b1");
        rig["b1"].Failures.Should().Be(0);
        rig.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(6, true)]
    [InlineData(4, false)]
    [InlineData(6, false)]
    public async Task Send_ContentOfAnotherLengthThanItsOwn_BlamesNobodyAndIsNotRetried(int promised, bool isAsync)
    {
        using var rig = new HttpRig(2).On("b1", Answers.Transmitting(Answers.Ok));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        request.Content = new ByteArrayContent("hello"u8.ToArray());
        request.Content.Headers.ContentLength = promised;

        var sending = () => rig.SendAsync(request, isAsync);

        var thrown = await sending.Should().ThrowAsync<HttpRequestException>().WithMessage("*promised*");
        thrown
            .Which.GetAttempts()
            .Should()
            .ContainSingle()
            .Which.Outcome.Should()
            .Be(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Request));
        rig.Sent.Should().Equal("b1");
        rig["b1"].Failures.Should().Be(0);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_RequestContent_IsNeverDisposed()
    {
        using var rig = new HttpRig(2).On("b1", Answers.Reading(Answers.Status(503)));
        using var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/");
        var content = new StringContent("mine");
        request.Content = content;

        using var response = await rig.SendAsync(request);

        request.Content.Should().BeSameAs(content);
        (await content.ReadAsStringAsync()).Should().Be("mine");
    }

    public static TheoryData<HttpContent?, bool> Contents =>
        new()
        {
            { null, true },
            { new ByteArrayContent([1]), true },
            { new StringContent("x"), true },
            { new FormUrlEncodedContent([]), true },
            { new ReadOnlyMemoryContent(new byte[1]), true },
            { JsonContent.Create(new { A = 1 }), true },
            { JsonContent.Create(new List<int> { 1 }), true },
            { JsonContent.Create(Texts()), false },
            { JsonContent.Create<IAsyncEnumerable<int>>(Numbers()), false },
            { JsonContent.Create<object>(Numbers()), false },
            { JsonContent.Create<object?>(null), true },
            {
                new MultipartContent { new StringContent("x"), new ByteArrayContent([1]) },
                true
            },
            {
                new MultipartFormDataContent { new StringContent("x"), new StreamContent(Stream.Null) },
                false
            },
            { new StreamContent(Stream.Null), false },
            { new FailingContent(new InvalidDataException()), false },
        };

    [Theory]
    [MemberData(nameof(Contents), DisableDiscoveryEnumeration = true)]
    public void IsReplayable_ByTheTypeOfContent(HttpContent? content, bool expected)
    {
        Replay.IsReplayable(content).Should().Be(expected);
    }

    private static Func<int, Answer> Reader(List<string> wire) =>
        status => Answers.Reading(Answers.Status(status), bytes => wire.Add(Encoding.UTF8.GetString(bytes)));

    private static async IAsyncEnumerable<string> Texts()
    {
        await Task.Yield();
        yield return "x";
    }

    private static async IAsyncEnumerable<int> Numbers()
    {
        await Task.Yield();
        yield return 1;
    }

    private sealed class FailingContent(Exception exception) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            Task.FromException(exception);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>A content that can be repeated, and counts how often it was.</summary>
    private sealed class CountedContent() : ByteArrayContent([1, 2, 3])
    {
        public int Writes { get; private set; }

        protected override Task SerializeToStreamAsync(
            Stream stream,
            TransportContext? context,
            CancellationToken cancellationToken
        )
        {
            Writes++;
            return base.SerializeToStreamAsync(stream, context, cancellationToken);
        }
    }
}
