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

    [Fact]
    public async Task Response_InChunksBesideALength_StreamsAsEver()
    {
        using var rig = new HttpRig(2, options => options.BufferResponsesUpTo = 5);
        var answer = new HttpResponseMessage { Content = Body("hello"u8.ToArray(), null, 3) };
        answer.Headers.TransferEncodingChunked = true;
        rig.On("b1", (_, _) => Task.FromResult(answer));

        using var response = await rig.SendAsync();

        rig.InFlight.Should().Be(1);
        (await response.Content.ReadAsStringAsync()).Should().Be("hello");
        rig.Sent.Should().Equal("b1");
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
    [InlineData(100, null)]
    public async Task Response_BeyondTheLimitOrOfUnknownLength_StreamsAsEver(int limit, long? length)
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
}
