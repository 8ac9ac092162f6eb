using System.Net;
using System.Text;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Http;

/// <summary>What is read into memory on demand can be sent again, or asked for again (R27, laws 1 and 2).</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class BufferingTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Request_OneShotWithinTheLimit_IsSentAgainWhole(bool isAsync)
    {
        using var rig = new HttpRig(2, options => options.BufferRequestsUpTo = 5);
        var seen = new List<byte[]>();
        rig.On("b1", Answers.Reading(Answers.Status(503), seen.Add))
            .On("b2", Answers.Reading(Answers.Status(404), seen.Add));
        var content = OneShot("hello"u8.ToArray());
        var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content };

        using var response = await rig.SendAsync(request, isAsync);

        response.StatusCode.Should().Be(HttpStatusCode.NotFound);
        seen.Select(Encoding.UTF8.GetString).Should().Equal("hello", "hello");
        rig.Transport.Requests[1].Headers["Content-Language"].Should().Be("eo");
        request.Content.Should().BeSameAs(content, "the caller's message leaves as it came");
    }

    [Theory]
    [InlineData(4, true)]
    [InlineData(0, true)]
    [InlineData(100, false)]
    public async Task Request_BeyondTheLimitOrOfUnknownLength_IsSentOnce(int limit, bool isLengthKnown)
    {
        using var rig = new HttpRig(2, options => options.BufferRequestsUpTo = limit);
        rig.On("b1", Answers.Reading(Answers.Status(503)));
        var content = isLengthKnown ? OneShot("hello"u8.ToArray()) : new StreamContent(new ScriptedStream(new byte[5]));

        using var response = await rig.SendAsync(
            new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content }
        );

        rig.Sent.Should().Equal("b1");
    }

    /// <summary>Law 10: what could not be answered in time is not sent. R99: it is counted by what ended it.</summary>
    [Theory]
    [InlineData(true, "ambient deadline (Deadline.Current)", "deadline")]
    [InlineData(false, "total timeout (Timeouts:Total)", "total")]
    public async Task Request_ReadByTheLastOfItsTime_IsNotSent(bool isAmbient, string limit, string kind)
    {
        using var metrics = new MetricRecord("read-late");
        using var rig = new HttpRig(1, options => options.BufferRequestsUpTo = 100, name: "read-late");
        var time = TimeSpan.FromSeconds(1);
        using var deadline = isAmbient ? Deadline.Begin(time, rig.Time) : null;
        var slow = new ScriptedStream("hello"u8.ToArray())
        {
            OnFirstRead = () => rig.Time.Advance(time - TimeSpan.FromMilliseconds(9)),
        };
        var content = new StreamContent(slow) { Headers = { ContentLength = 5 } };

        var sending = () => rig.SendAsync(Put("read-late", content).Within(isAmbient ? 2 * time : time));

        var thrown = await sending.Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.Message.Should().Contain(limit);
        rig.Sent.Should().BeEmpty();
        (await metrics.WhenHeardAsync(2))
            .Should()
            .Equal(
                $"resilience.timeouts 1 [resilience.timeout={kind}]",
                "resilience.request.duration 0.991 [resilience.result=deadline]"
            );
    }

    [Theory]
    [InlineData(4)]
    [InlineData(6)]
    public async Task Request_ContentBreaksItsLength_FailsBeforeAnythingIsSent(int given)
    {
        using var rig = new HttpRig(2, options => options.BufferRequestsUpTo = 100);
        var content = new StreamContent(new ScriptedStream(new byte[given]));
        content.Headers.ContentLength = 5;

        var sending = () =>
            rig.SendAsync(new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content });

        (await sending.Should().ThrowAsync<HttpRequestException>())
            .Which.Message.Should()
            .Contain($"gave {given} bytes");
        rig.Sent.Should().BeEmpty();
        rig.Pool.Backends.Should().OnlyContain(backend => backend.Failures == 0 && backend.InFlight == 0);
    }

    [Theory]
    [InlineData(true, "Deadline.Current", "deadline")]
    [InlineData(false, "Timeouts:Total", "total")]
    public async Task Request_ContentNeverEnds_EndsWithItsTime(bool isAmbient, string limit, string kind) // R99
    {
        using var metrics = new MetricRecord("read-on");
        using var rig = new HttpRig(1, options => options.BufferRequestsUpTo = 100, name: "read-on");
        var time = TimeSpan.FromSeconds(isAmbient ? 20 : 30);
        using var deadline = isAmbient ? Deadline.Begin(time, rig.Time) : null;
        var body = new ScriptedStream { IsHanging = true };
        var content = new StreamContent(body);
        content.Headers.ContentLength = 5;

        var sending = rig.SendAsync(Put("read-on", content));
        await body.WhenHanging;
        rig.Time.Advance(time);

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.Message.Should().Contain(limit);
        rig.Sent.Should().BeEmpty();
        (await metrics.WhenHeardAsync(2))
            .Should()
            .Equal(
                $"resilience.timeouts 1 [resilience.timeout={kind}]",
                $"resilience.request.duration {time.TotalSeconds} [resilience.result=deadline]"
            );
    }

    [Fact]
    public async Task Request_CallerLeavesWhileItsContentIsRead_IsNoTimeout() // law 3
    {
        using var metrics = new MetricRecord("read-left");
        using var rig = new HttpRig(1, options => options.BufferRequestsUpTo = 100, name: "read-left");
        using var source = new CancellationTokenSource();
        var body = new ScriptedStream { IsHanging = true };
        var content = new StreamContent(body);
        content.Headers.ContentLength = 5;

        var sending = rig.SendAsync(Put("read-left", content), token: source.Token);
        await body.WhenHanging;
        await source.CancelAsync();

        await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        (await metrics.WhenHeardAsync(1)).Should().Equal("resilience.request.duration 0 [resilience.result=cancelled]");
    }

    [Fact]
    public async Task Request_ContentIgnoresItsToken_EndsWithTheTotalTimeoutAllTheSame() // law 10
    {
        using var rig = new HttpRig(1, options => options.BufferRequestsUpTo = 100);
        var content = new GatedContent();
        content.Headers.ContentLength = 9;

        var sending = rig.SendAsync(new HttpRequestMessage(HttpMethod.Put, "http://catalog/") { Content = content });
        rig.Time.Advance(TimeSpan.FromSeconds(30));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.Message.Should().Contain("Timeouts:Total");
        rig.Sent.Should().BeEmpty();
        content.Open();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Response_BodyBreaksWithinTheLimit_ComesFromAnotherBackend(bool isAsync) // law 1
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        rig.On("b1", Answers.Body(Body("hel"u8.ToArray(), new IOException("reset"), 5)));
        rig.On("b2", Answers.Body(Body("hello"u8.ToArray(), null, 5)));

        using var response = await rig.SendAsync(isAsync: isAsync);

        rig.InFlight.Should().Be(0, "the whole body is here");
        (await response.Content.ReadAsStringAsync()).Should().Be("hello");
        response.Content.Headers.ContentLanguage.Should().Equal("eo");
        response
            .GetAttempts()
            .Select(each => each.Outcome.Kind)
            .Should()
            .Equal(OutcomeKind.Failure, OutcomeKind.Success);
        rig["b1"].Failures.Should().Be(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Response_BodyBreaksEverywhere_FailsAsItDoesWhenHttpClientReadsIt(bool isAsync)
    {
        using var rig = new HttpRig(1, options => (options.BufferResponsesUpTo, options.Retry.MaxAttempts) = (5, 1));
        var reset = new IOException("reset");
        rig.On("b1", Answers.Body(Body("hel"u8.ToArray(), reset, 5)));

        var sending = () => rig.SendAsync(isAsync: isAsync);

        var thrown = (await sending.Should().ThrowAsync<HttpRequestException>()).Which;
        thrown.InnerException.Should().BeSameAs(reset);
        thrown
            .GetAttempts()
            .Should()
            .ContainSingle()
            .Which.Outcome.Should()
            .Be(new AttemptOutcome(OutcomeKind.Failure, FailureKind.ConnectionLost, IsRetryable: true));
    }

    [Fact]
    public async Task Response_BodyEndsEarly_ComesFromAnotherBackend()
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        rig.On("b1", Answers.Body(Body("hel"u8.ToArray(), null, 5)));

        using var response = await rig.SendAsync();

        rig.Sent.Should().Equal("b1", "b2");
        (await response.Content.ReadAsStringAsync()).Should().Be("hello");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Response_BodyGoesOnPastItsLength_ComesFromAnotherBackend(bool isAsync)
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        rig.On("b1", Answers.Body(Body("hello!"u8.ToArray(), null, 5)));

        using var response = await rig.SendAsync(isAsync: isAsync);

        (await response.Content.ReadAsByteArrayAsync()).Should().Equal("hello"u8.ToArray());
        response
            .GetAttempts()
            .Select(each => each.Outcome.Failure)
            .Should()
            .Equal(FailureKind.MalformedResponse, FailureKind.None);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(1_000)]
    public async Task Response_InChunksBesideALength_IsReadToTheEndOfTheChunks(int length)
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        var answer = new HttpResponseMessage { Content = Body("hello"u8.ToArray(), null, length) };
        answer.Headers.TransferEncodingChunked = true;
        rig.On("b1", (_, _) => Task.FromResult(answer));

        using var response = await rig.SendAsync();

        rig.InFlight.Should().Be(0);
        (await response.Content.ReadAsStringAsync()).Should().Be("hello");
        rig.Sent.Should().Equal("b1");
    }

    /// <summary>As most JSON comes: in chunks, or over HTTP/2 without a length.</summary>
    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 5)]
    [InlineData(false, 0)]
    [InlineData(false, 5)]
    public async Task Response_OfUnknownLengthBreaksWithinTheLimit_ComesFromAnotherBackend(bool isAsync, int given) // law 1
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        rig.On("b1", Answers.Body(Body("hello"u8[..given].ToArray(), new IOException("reset"), null)));
        rig.On("b2", Answers.Body(Body("hello"u8.ToArray(), null, null)));

        using var response = await rig.SendAsync(isAsync: isAsync);

        (await response.Content.ReadAsStringAsync()).Should().Be("hello");
        rig.Sent.Should().Equal("b1", "b2");
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 5)]
    [InlineData(true, 100_000)]
    [InlineData(false, 0)]
    [InlineData(false, 5)]
    [InlineData(false, 100_000)]
    public async Task Response_OfUnknownLengthEndsWithinTheLimit_IsHereWhole(bool isAsync, int length)
    {
        using var rig = new HttpRig(1, options => options.BufferResponsesUpTo = Math.Max(length, 1));
        var bytes = Numbered(length);
        var body = new ScriptedStream(bytes) { Piece = 7_000 };
        var content = new StreamContent(body);
        content.Headers.ContentLanguage.Add("eo");
        content.Headers.ContentEncoding.Add("br");
        rig.On("b1", Answers.Body(content));

        using var response = await rig.SendAsync(isAsync: isAsync);

        rig.InFlight.Should().Be(0, "the whole body is here");
        body.IsDisposed.Should().BeTrue();
        (await response.Content.ReadAsByteArrayAsync()).Should().Equal(bytes);
        response.Content.Headers.ContentLanguage.Should().Equal("eo");
        response.Content.Headers.ContentEncoding.Should().Equal("br");
        rig["b1"].Failures.Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Response_OfUnknownLengthStallsWithinTheLimit_IsEndedByTheAttemptTimeout(bool isAsync)
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        var body = new ScriptedStream("hel"u8.ToArray()) { IsHanging = true };
        rig.On("b1", Answers.Body(new StreamContent(body)));

        var sending = rig.SendAsync(isAsync: isAsync);
        await body.WhenHanging;
        using var response = await rig.DriveAsync(sending);

        rig.Sent.Should().Equal("b1", "b2");
        rig["b1"].Failures.Should().Be(1);
        body.IsDisposed.Should().BeTrue();
    }

    [Theory]
    [InlineData(true, 6)]
    [InlineData(true, 100_000)]
    [InlineData(false, 6)]
    [InlineData(false, 100_000)]
    public async Task Response_OfUnknownLengthGoesOnPastTheLimit_IsReadOnAsAStream(bool isAsync, int length)
    {
        using var rig = new HttpRig(1, options => options.BufferResponsesUpTo = 5);
        var bytes = Numbered(length);
        var content = Body(bytes, null, null);
        rig.On("b1", Answers.Body(content));

        using var response = await rig.SendAsync(isAsync: isAsync);

        rig.InFlight.Should().Be(1, "the rest of the body is still to come");
        response.Content.Headers.ContentLanguage.Should().Equal("eo");
        response.Content.Headers.ContentLength.Should().BeNull();
        using var copy = new MemoryStream();
        if (isAsync)
        {
            await response.Content.CopyToAsync(copy);
        }
        else
        {
            using var body = response.Content.ReadAsStream();
            body.CopyTo(copy, 4);
        }

        copy.ToArray().Should().Equal(bytes);
        rig.InFlight.Should().Be(0);
        rig["b1"].Failures.Should().Be(0);
        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Response_OfUnknownLengthBreaksPastTheLimit_IsItsReaders()
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        rig.On("b1", Answers.Body(Body("hello!"u8.ToArray(), new IOException("reset"), null)));

        using var response = await rig.SendAsync();
        var reading = () => response.Content.ReadAsStringAsync();

        await reading.Should().ThrowAsync<HttpRequestException>();
        rig.Sent.Should().Equal("b1");
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Response_OfUnknownLengthPastTheLimitIsDisposedUnread_LetsGoOfTheConnection() // law 4
    {
        using var rig = new HttpRig(1, options => options.BufferResponsesUpTo = 5);
        var body = new ScriptedStream("hello, and more"u8.ToArray());
        rig.On("b1", Answers.Body(new StreamContent(body)));
        var response = await rig.SendAsync();
        var before = body.IsDisposed;

        response.Dispose();

        before.Should().BeFalse();
        body.IsDisposed.Should().BeTrue();
        rig.InFlight.Should().Be(0);
        rig["b1"].Failures.Should().Be(0);
    }

    [Fact]
    public async Task Response_OfUnknownLengthPastTheLimitWithBodiesUntracked_IsAllThere()
    {
        using var rig = new HttpRig(
            1,
            options => (options.BufferResponsesUpTo, options.TrackResponseBodies) = (5, false)
        );
        rig.On("b1", Answers.Body(Body("hello, and more"u8.ToArray(), null, null)));

        using var response = await rig.SendAsync();

        (await response.Content.ReadAsStringAsync()).Should().Be("hello, and more");
    }

    /// <summary>What nobody can wait for is not waited for: events come when there are any, an upgraded connection is the caller's.</summary>
    [Theory]
    [InlineData("GET", 200, "text/event-stream")]
    [InlineData("GET", 101, null)]
    [InlineData("CONNECT", 200, null)]
    public async Task Response_WithoutAnEndByItsNature_IsNotRead(string method, int status, string? type)
    {
        using var rig = new HttpRig(1, options => options.BufferResponsesUpTo = 5);
        var body = new ScriptedStream { IsHanging = true };
        var answer = new HttpResponseMessage((HttpStatusCode)status) { Content = new StreamContent(body) };
        answer.Content.Headers.TryAddWithoutValidation("Content-Type", type);
        rig.On("b1", (_, _) => Task.FromResult(answer));

        using var response = await rig.SendAsync(new HttpRequestMessage(new HttpMethod(method), "http://catalog/"));

        rig.InFlight.Should().Be(1);
        response.Dispose();
        rig.InFlight.Should().Be(0);
    }

    /// <summary>They have no body, whatever their content looks like.</summary>
    [Theory]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 204)]
    [InlineData("GET", 304)]
    public async Task Response_WithoutABody_IsNotRead(string method, int status)
    {
        using var rig = new HttpRig(1, options => options.BufferResponsesUpTo = 5);
        var body = new ScriptedStream { IsHanging = true };
        var answer = new HttpResponseMessage((HttpStatusCode)status) { Content = new StreamContent(body) };
        rig.On("b1", (_, _) => Task.FromResult(answer));

        using var response = await rig.SendAsync(new HttpRequestMessage(new HttpMethod(method), "http://catalog/"));

        response.Content.Should().BeSameAs(answer.Content);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Response_OfUnknownLengthCannotBeDecompressed_ComesFromAnotherBackend()
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        rig.On("b1", Answers.Body(Body("hel"u8.ToArray(), new InvalidDataException("no gzip"), null)));

        using var response = await rig.SendAsync();

        response
            .GetAttempts()
            .Select(each => each.Outcome.Failure)
            .Should()
            .Equal(FailureKind.MalformedResponse, FailureKind.None);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Response_BodyStalls_IsEndedByTheAttemptTimeout(bool isAsync)
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        var body = new ScriptedStream { IsHanging = true, Late = 5 };
        var content = new StreamContent(body);
        content.Headers.ContentLength = 5;
        rig.On("b1", Answers.Body(content));

        var sending = rig.SendAsync(isAsync: isAsync);
        await body.WhenHanging;
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        using var response = await sending;

        rig.Sent.Should().Equal("b1", "b2");
        rig["b1"].Failures.Should().Be(1);
        response.GetAttempts()[0].Outcome.Failure.Should().Be(FailureKind.AttemptTimeout);
        body.HasGivenLate.Should().BeFalse("the platform would then drain it for up to two seconds");
    }

    [Theory]
    [InlineData(4, 5L)]
    [InlineData(0, 5L)]
    [InlineData(0, null)]
    public async Task Response_BeyondTheLimit_StreamsAsEver(int limit, long? length)
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = limit);
        rig.On("b1", Answers.Body(Body("hel"u8.ToArray(), new IOException("reset"), length)));

        using var response = await rig.SendAsync();

        rig.InFlight.Should().Be(1);
        var reading = () => response.Content.ReadAsStringAsync();
        await reading.Should().ThrowAsync<HttpRequestException>();
        rig.Sent.Should().Equal("b1");
    }

    [Fact]
    public async Task Options_OfTheRequest_BeatThePools()
    {
        using var rig = new HttpRig(2);
        rig.On("b1", Answers.Reading(Answers.Body(Body([], new IOException("reset"), 5))));
        var request = new HttpRequestMessage(HttpMethod.Put, "http://catalog/")
        {
            Content = OneShot("hello"u8.ToArray()),
        };
        request.ConfigureResilience(options =>
        {
            options.BufferRequestUpTo = 5;
            options.BufferResponseUpTo = 5;
        });

        using var response = await rig.SendAsync(request);

        rig.Sent.Should().Equal("b1", "b2");
    }

    [Theory]
    [InlineData(-1)]
    [InlineData((1 << 30) + 1)]
    public void Options_OutOfRange_AreRefused(int limit)
    {
        var options = new ResilientRequestOptions();
        var setRequest = () => options.BufferRequestUpTo = limit;
        var setResponse = () => options.BufferResponseUpTo = limit;
        var creating = () => new HttpRig(configure: handler => handler.BufferRequestsUpTo = limit);

        setRequest.Should().Throw<ArgumentOutOfRangeException>();
        setResponse.Should().Throw<ArgumentOutOfRangeException>();
        creating.Should().Throw<ArgumentException>().WithMessage("*BufferRequestsUpTo*");
    }

    private static HttpRequestMessage Put(string pool, HttpContent content) =>
        new(HttpMethod.Put, $"http://{pool}/") { Content = content };

    private static StreamContent OneShot(byte[] bytes)
    {
        var content = new StreamContent(new ScriptedStream(bytes));
        content.Headers.ContentLength = bytes.Length;
        content.Headers.ContentLanguage.Add("eo");
        return content;
    }

    private static StreamContent Body(byte[] bytes, Exception? failure, long? length)
    {
        var content = new StreamContent(new ScriptedStream(bytes, failure));
        content.Headers.ContentLength = length;
        content.Headers.ContentLanguage.Add("eo");
        return content;
    }

    private static byte[] Numbered(int length) => [.. Enumerable.Range(0, length).Select(each => (byte)(each % 251))];
}
