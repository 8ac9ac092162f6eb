using System.Net;
using Resilience.Backends;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.Http;

/// <summary>Law 4: every lease is returned exactly once.</summary>
public sealed class LeaseTests
{
    [Fact]
    public async Task Send_UntilTheBodysEnd_HoldsItsBackend()
    {
        using var rig = new HttpRig().On(
            "b1",
            Answers.Body(new StreamContent(new ScriptedStream("hello"u8.ToArray())))
        );

        using var response = await rig.SendAsync();
        var afterHeaders = rig.InFlight;
        await response.Content.ReadAsStringAsync();

        afterHeaders.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Read_TheLastByteOfContentLength_IsTheEnd()
    {
        var content = new StreamContent(new ScriptedStream("hello"u8.ToArray()));
        content.Headers.ContentLength = 5;
        using var rig = new HttpRig().On("b1", Answers.Body(content));
        using var response = await rig.SendAsync();
        using var stream = await response.Content.ReadAsStreamAsync();

        var held = new List<int>();
        for (var left = 5; left > 0; )
        {
            left -= await stream.ReadAsync(new byte[2]);
            held.Add(rig.InFlight);
        }

        held.Should().Equal(1, 1, 0);
    }

    /// <summary>As the platform frames it: a length says nothing beside chunks and on an upgraded connection.</summary>
    [Theory]
    [InlineData("chunked", 3)]
    [InlineData("chunked", 0)]
    [InlineData("upgraded", 3)]
    [InlineData("upgraded", 0)]
    public async Task Read_PastALengthThatDoesNotFrameTheBody_IsNotTheEnd(string framing, int length)
    {
        var content = new StreamContent(new ScriptedStream("hello"u8.ToArray()));
        content.Headers.ContentLength = length;
        var answer = new HttpResponseMessage(
            framing == "upgraded" ? HttpStatusCode.SwitchingProtocols : HttpStatusCode.OK
        )
        {
            Content = content,
        };
        answer.Headers.TransferEncodingChunked = framing == "chunked";
        using var rig = new HttpRig().On("b1", (_, _) => Task.FromResult(answer));
        using var response = await rig.SendAsync();
        using var stream = await response.Content.ReadAsStreamAsync();

        var held = new List<int>();
        int read;
        do
        {
            read = await stream.ReadAsync(new byte[3]);
            held.Add(rig.InFlight);
        } while (read > 0);

        held.Should().Equal(1, 1, 0);
    }

    [Theory]
    [InlineData("HEAD", HttpStatusCode.OK, 1)]
    [InlineData("HEAD", HttpStatusCode.OK, 2)]
    [InlineData("GET", HttpStatusCode.NoContent, 1)]
    [InlineData("GET", HttpStatusCode.NotModified, 2)]
    public async Task Send_AnswerWithoutABodyWhateverItsLengthSays_HoldsNothing(
        string method,
        HttpStatusCode status,
        int version
    )
    {
        var content = new StreamContent(new ScriptedStream());
        content.Headers.ContentLength = 5;
        var answer = new HttpResponseMessage(status) { Version = new Version(version, 0), Content = content };
        using var rig = new HttpRig(configure: options => options.BufferResponsesUpTo = 10);
        rig.On("b1", (_, _) => Task.FromResult(answer));
        using var request = new HttpRequestMessage(new HttpMethod(method), "http://catalog/");

        using var response = await rig.SendAsync(request);

        response.StatusCode.Should().Be(status);
        response.Content.Should().BeSameAs(content);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Dispose_OfTheResponseBeforeItsEnd_GivesTheBackendBack()
    {
        using var rig = new HttpRig().On(
            "b1",
            Answers.Body(new StreamContent(new ScriptedStream("hello"u8.ToArray())))
        );
        var response = await rig.SendAsync();

        response.Dispose();
        response.Dispose();

        rig.InFlight.Should().Be(0);
        rig["b1"].Attempts.Should().Be(1);
    }

    [Fact]
    public async Task Read_BodyBreaks_GivesTheBackendBackAndBlamesIt()
    {
        var body = new ScriptedStream("he"u8.ToArray(), new HttpIOException(HttpRequestError.ResponseEnded));
        using var rig = new HttpRig(configurePool: pool => pool.CircuitBreaker.ConsecutiveFailures = 1);
        rig.On("b1", Answers.Body(new StreamContent(body)));
        using var response = await rig.SendAsync();

        var reading = () => response.Content.ReadAsStringAsync();

        await reading.Should().ThrowAsync<HttpRequestException>();
        rig.InFlight.Should().Be(0);
        rig["b1"].Failures.Should().Be(1);
        rig["b1"].Circuit.State.Should().Be(CircuitState.Open);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_EveryAttemptFails_GivesAllBack(bool isAsync)
    {
        using var rig = new HttpRig(3).On("b1", Answers.Break).On("b2", Answers.Status(503)).On("b3", Answers.Break);

        var sending = () => rig.SendAsync(isAsync: isAsync);

        await sending.Should().ThrowAsync<HttpRequestException>();
        rig.Pool.Backends.Select(backend => backend.InFlight).Should().Equal(0, 0, 0);
        rig.Pool.Backends.Select(backend => backend.Attempts).Should().Equal(1, 1, 1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_InnerHandlerThrowsAtOnce_GivesTheBackendBackAndSurfacesIt(bool isAsync)
    {
        using var rig = new HttpRig().On("b1", (_, _) => throw new InvalidOperationException("at once"));

        var sending = () => rig.SendAsync(isAsync: isAsync);

        await sending.Should().ThrowAsync<InvalidOperationException>().WithMessage("at once");
        rig.InFlight.Should().Be(0);
        rig["b1"].Failures.Should().Be(0);
        rig.Time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task Send_ClassifierThrows_GivesTheBackendBackAndDisposesTheResponse()
    {
        var body = new ScriptedStream("hello"u8.ToArray());
        using var rig = new HttpRig(configure: options =>
            options.Classifier = (_, _) => throw new InvalidOperationException("classifier")
        ).On("b1", Answers.Body(new StreamContent(body)));

        var sending = () => rig.SendAsync();

        await sending.Should().ThrowAsync<InvalidOperationException>().WithMessage("classifier");
        rig.InFlight.Should().Be(0);
        body.IsDisposed.Should().BeTrue();
        rig.Time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task Send_FailedOverResponse_IsDisposed()
    {
        var body = new ScriptedStream("sorry"u8.ToArray());
        using var rig = new HttpRig(2);
        rig.On(
            "b1",
            (_, _) =>
                Task.FromResult(
                    new HttpResponseMessage(HttpStatusCode.BadGateway) { Content = new StreamContent(body) }
                )
        );

        using var response = await rig.SendAsync();

        body.IsDisposed.Should().BeTrue();
        rig["b1"].InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData("HEAD", 200)]
    [InlineData("GET", 204)]
    [InlineData("GET", 304)]
    public async Task Send_ResponseWithoutABody_EndsAtItsHeaders(string method, int status)
    {
        using var rig = new HttpRig();
        var content = new ByteArrayContent([]);
        content.Headers.ContentLength = 100; // what HEAD and 304 tell of the body that they do not have
        rig.On("b1", (_, _) => Task.FromResult(new HttpResponseMessage((HttpStatusCode)status) { Content = content }));

        using var response = await rig.SendAsync(new HttpRequestMessage(new HttpMethod(method), "http://catalog/"));

        response.Content.Should().BeSameAs(content);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_ContentLengthZero_EndsAtItsHeaders()
    {
        using var rig = new HttpRig().On("b1", Answers.Body(new ByteArrayContent([])));

        using var response = await rig.SendAsync();

        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_BodiesAreNotTracked_EndsAtTheHeaders()
    {
        using var rig = new HttpRig(configure: options => options.TrackResponseBodies = false);

        using var response = await rig.SendAsync();

        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_HalfOpenTrial_ReportsAtItsHeadersAndHoldsUntilItsEnd()
    {
        using var rig = new HttpRig(configurePool: pool => pool.CircuitBreaker.SuccessThreshold = 1);
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(5));

        using var response = await rig.SendAsync();
        var (stateAtHeaders, heldAtHeaders) = (rig["b1"].Circuit.State, rig.InFlight);
        response.Dispose();

        stateAtHeaders.Should().Be(CircuitState.Closed);
        heldAtHeaders.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Read_BodyThatOutlivesTheAttemptTimeout_HasReportedItsSuccess()
    {
        var observer = new OutcomeCollector();
        using var rig = new HttpRig().On("b1", Answers.Body(new StreamContent(new ScriptedStream(new byte[100]))));
        rig.Pool.Observer = observer;
        using var response = await rig.SendAsync();
        using var stream = await response.Content.ReadAsStreamAsync();

        rig.Time.Advance(TimeSpan.FromMilliseconds(9_999));
        await stream.ReadAsync(new byte[1]);
        var before = observer.Outcomes.Count;
        rig.Time.Advance(TimeSpan.FromMilliseconds(1));
        await stream.ReadAsync(new byte[1]);

        before.Should().Be(0);
        observer.Outcomes.Should().ContainSingle().Which.Kind.Should().Be(OutcomeKind.Success);
        rig.InFlight.Should().Be(1);
    }

    [Fact]
    public async Task Read_BodyBreaksAfterItsLeaseReported_IsRecordedWithoutAPermit()
    {
        var body = new ScriptedStream(new byte[1], new IOException("reset")) { Piece = 1 };
        var observer = new OutcomeCollector();
        using var rig = new HttpRig(configurePool: pool => pool.CircuitBreaker.ConsecutiveFailures = 1);
        rig.On("b1", Answers.Body(new StreamContent(body)));
        rig.Pool.Observer = observer;
        using var response = await rig.SendAsync();
        using var stream = await response.Content.ReadAsStreamAsync();
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await stream.ReadAsync(new byte[1]);

        var reading = () => stream.ReadAsync(new byte[1]).AsTask();

        await reading.Should().ThrowAsync<IOException>();
        observer.Outcomes.Select(each => each.Kind).Should().Equal(OutcomeKind.Success, OutcomeKind.Failure);
        rig["b1"].Circuit.State.Should().Be(CircuitState.Open);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Read_BodyBreaksAfterItsCircuitMovedOn_ChangesNothing() // law 7
    {
        var body = new ScriptedStream(new byte[1], new IOException("reset")) { Piece = 1 };
        using var rig = new HttpRig(configurePool: pool => pool.CircuitBreaker.ConsecutiveFailures = 1);
        rig.On("b1", Answers.Body(new StreamContent(body)));
        using var response = await rig.SendAsync();
        rig["b1"].Circuit.Reset();

        var reading = () => response.Content.ReadAsStringAsync();

        await reading.Should().ThrowAsync<HttpRequestException>();
        rig["b1"].Circuit.State.Should().Be(CircuitState.Closed);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_FailedOverResponseThrowsWhenDisposed_GivesBothBackendsBack()
    {
        var body = new ScriptedStream([]) { DisposalFailure = new IOException("disposal") };
        using var rig = new HttpRig(2);
        rig.On(
            "b1",
            (_, _) =>
                Task.FromResult(
                    new HttpResponseMessage(HttpStatusCode.BadGateway) { Content = new StreamContent(body) }
                )
        );

        var sending = () => rig.SendAsync();

        await sending.Should().ThrowAsync<IOException>().WithMessage("disposal");
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_MessageDisposedInFlight_TheResponseIsDeliveredAndNothingLost()
    {
        using var rig = new HttpRig();
        var request = HttpRig.Post(new StringContent("x"));
        rig.On(
            "b1",
            (sent, token) =>
            {
                sent.Dispose();
                return Answers.Ok(sent, token);
            }
        );

        using var response = await rig.SendAsync(request);
        var held = rig.InFlight;
        await response.Content.ReadAsStringAsync();

        held.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_MessageDisposedInFlightAndTheAttemptFails_GivesTheBackendBack()
    {
        using var rig = new HttpRig(2);
        rig.On(
            "b1",
            (sent, token) =>
            {
                sent.Dispose();
                return Answers.Break(sent, token);
            }
        );

        var sending = () => rig.SendAsync();

        await sending.Should().ThrowAsync<ObjectDisposedException>();
        rig.InFlight.Should().Be(0);
    }
}
