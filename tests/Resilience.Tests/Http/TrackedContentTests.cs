using System.Net;
using System.Net.Http.Headers;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>A response's body holds its attempt's lease until its end, whichever way it is read.</summary>
public sealed class TrackedContentTests
{
    private static readonly AttemptOutcome Success = new(OutcomeKind.Success, StatusCode: 200);

    public static TheoryData<string> WaysToRead =>
        [
            "ReadAsStringAsync",
            "ReadAsByteArrayAsync",
            "LoadIntoBufferAsync",
            "CopyToAsync",
            "CopyTo",
            "ReadAsStream",
            "ReadAsStreamAsync",
        ];

    [Theory]
    [MemberData(nameof(WaysToRead))]
    public async Task Read_ByAnyWay_GivesTheWholeBodyAndEndsTheLease(string way)
    {
        var body = new ScriptedStream("a body in pieces"u8.ToArray());
        using var tracked = new Tracked(body);

        var bytes = await ReadAsync(tracked.Content, way);

        bytes.Should().Equal("a body in pieces"u8.ToArray());
        tracked.Outcomes.Should().Equal(Success);
        tracked.InFlight.Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(WaysToRead))]
    public async Task Read_ByAnyWayOfABodyThatBreaks_BlamesTheBackendOnce(string way)
    {
        var body = new ScriptedStream("abc"u8.ToArray(), new HttpIOException(HttpRequestError.ResponseEnded));
        using var tracked = new Tracked(body);

        var reading = () => ReadAsync(tracked.Content, way);

        await reading.Should().ThrowAsync<Exception>();
        tracked.Content.Dispose();
        tracked.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Body, 200));
        tracked.InFlight.Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(WaysToRead))]
    public async Task Read_ByAnyWayOfAContentThatIsNoStreamAndBreaks_BlamesTheBackend(string way)
    {
        using var tracked = new Tracked(new PushingContent(new IOException("reset")));

        var reading = () => ReadAsync(tracked.Content, way);

        await reading.Should().ThrowAsync<Exception>();
        tracked.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Body, 200));
        tracked.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData(HttpCompletionOption.ResponseContentRead, 0)]
    [InlineData(HttpCompletionOption.ResponseHeadersRead, 1)]
    public async Task HttpClient_BuffersOrNot_TheLeaseEndsWithTheBody(HttpCompletionOption option, int held)
    {
        using var rig = new HttpRig();
        rig.On("b1", Answers.Body(new StreamContent(new ScriptedStream("hello"u8.ToArray()))));
        using var client = new HttpClient(new ResilientHandler(rig.Pool, rig.Transport), disposeHandler: false);

        using var response = await client.GetAsync("http://catalog/", option);
        var heldAfterSend = rig.InFlight;
        var text = await response.Content.ReadAsStringAsync();

        heldAfterSend.Should().Be(held);
        text.Should().Be("hello");
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public void HttpClient_SynchronousSend_BuffersAndEndsTheLease()
    {
        using var rig = new HttpRig();
        rig.On("b1", Answers.Body(new StreamContent(new ScriptedStream("hello"u8.ToArray()))));
        using var client = new HttpClient(new ResilientHandler(rig.Pool, rig.Transport), disposeHandler: false);

        using var response = client.Send(new HttpRequestMessage(HttpMethod.Get, "http://catalog/"));

        rig.InFlight.Should().Be(0);
        new StreamReader(response.Content.ReadAsStream()).ReadToEnd().Should().Be("hello");
    }

    /// <summary>HttpClient disposes the body then, under the reader, and what comes late would go to the drain and to it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task HttpClient_SynchronousSendCancelledInItsBody_EndsTheReadFirst(bool isIdleLimited) // law 3
    {
        using var rig = new HttpRig();
        var body = new ScriptedStream("abc"u8.ToArray()) { IsHanging = true, Late = 1 };
        rig.On("b1", Answers.Body(new StreamContent(body)));
        var options = new ResilientHandlerOptions();
        options.Timeouts.IdleRead = isIdleLimited ? TimeSpan.FromSeconds(30) : Timeout.InfiniteTimeSpan;
        using var client = new HttpClient(
            new ResilientHandler(rig.Pool, rig.Transport, options),
            disposeHandler: false
        );
        using var caller = new CancellationTokenSource();

        var sending = Task.Run(() =>
            client.Send(new HttpRequestMessage(HttpMethod.Get, "http://catalog/"), caller.Token)
        );
        await body.WhenHanging;
        await caller.CancelAsync();

        var ending = () => sending.WaitAsync(TimeSpan.FromSeconds(15));
        var thrown = await ending.Should().ThrowAsync<OperationCanceledException>();
        thrown.Which.CancellationToken.Should().Be(caller.Token);
        body.HasGivenLate.Should().BeFalse();
        rig["b1"].Failures.Should().Be(0);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task HttpClient_BodyLargerThanItsBuffer_GivesTheBackendBackAndBlamesNobody()
    {
        using var rig = new HttpRig();
        rig.On("b1", Answers.Body(new StreamContent(new ScriptedStream(new byte[100]))));
        using var client = new HttpClient(new ResilientHandler(rig.Pool, rig.Transport), disposeHandler: false);
        client.MaxResponseContentBufferSize = 10;

        var getting = () => client.GetByteArrayAsync("http://catalog/");

        await getting.Should().ThrowAsync<HttpRequestException>();
        rig.InFlight.Should().Be(0);
        rig["b1"].Failures.Should().Be(0);
    }

    [Fact]
    public void Headers_AreTheResponsesOwnEvenInvalidOnes()
    {
        var inner = new StreamContent(new ScriptedStream(new byte[7]));
        inner.Headers.ContentLength = 7;
        inner.Headers.ContentType = new MediaTypeHeaderValue("text/event-stream");
        inner.Headers.TryAddWithoutValidation("Content-Encoding", ["gzip", "br"]);
        inner.Headers.TryAddWithoutValidation("Last-Modified", "yesterday, I think");
        using var tracked = new Tracked(inner);

        tracked.Content.Headers.ToString().Should().Be(inner.Headers.ToString());
        tracked.Content.Headers.ContentLength.Should().Be(7);
        tracked.Content.Headers.NonValidated["Last-Modified"].ToString().Should().Be("yesterday, I think");
    }

    [Fact]
    public void Length_Unknown_StaysUnknown()
    {
        using var tracked = new Tracked(new ScriptedStream(new byte[7]));

        tracked.Content.Headers.ContentLength.Should().BeNull();
    }

    [Fact]
    public void Dispose_Twice_ReturnsOnce()
    {
        using var tracked = new Tracked(new ScriptedStream(new byte[7]));

        tracked.Content.Dispose();
        tracked.Content.Dispose();

        tracked.Outcomes.Should().Equal(Success);
        tracked.InFlight.Should().Be(0);
    }

    [Fact]
    public void Dispose_BodyThrows_ReturnsTheLeaseAllTheSame()
    {
        using var tracked = new Tracked(new ScriptedStream([]) { DisposalFailure = new IOException("disposal") });

        tracked.Content.Invoking(content => content.Dispose()).Should().Throw<IOException>();

        tracked.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task DisposeStream_BodyThrows_ReturnsTheLeaseAllTheSame(bool isAsync)
    {
        using var tracked = new Tracked(new ScriptedStream([]) { DisposalFailure = new IOException("disposal") });
        var stream = await tracked.Content.ReadAsStreamAsync();

        var disposing = async () =>
        {
            if (isAsync)
            {
                await stream.DisposeAsync();
            }
            else
            {
                stream.Dispose();
            }
        };

        await disposing.Should().ThrowAsync<IOException>();
        tracked.InFlight.Should().Be(0);
    }

    /// <summary>
    /// The race: another thread disposes the response while a read is under way, whose connection then breaks. That is
    /// the reader's doing, not the backend's.
    /// </summary>
    [Theory]
    [InlineData("content")]
    [InlineData("stream")]
    [InlineData("stream async")]
    public async Task Dispose_UnderItsReader_BlamesNobody(string what)
    {
        using var tracked = new Tracked(new ScriptedStream([]) { IsHanging = true });
        var stream = await tracked.Content.ReadAsStreamAsync();
        var reading = stream.ReadAsync(new byte[1]).AsTask();

        // On a thread of its own, where the broken read goes on inside the disposal, before it comes back.
        await Task.Run(async () =>
        {
            switch (what)
            {
                case "content":
                    tracked.Content.Dispose();
                    break;
                case "stream":
                    stream.Dispose();
                    break;
                default:
                    await stream.DisposeAsync();
                    break;
            }
        });

        await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        tracked.Outcomes.Should().ContainSingle().Which.IsFailure.Should().BeFalse();
        tracked.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Read_AfterItsEnd_ReportsNothingMore()
    {
        using var tracked = new Tracked(new ScriptedStream("x"u8.ToArray()));
        var stream = await tracked.Content.ReadAsStreamAsync();
        await stream.CopyToAsync(Stream.Null);
        tracked.Lease.Backend.Circuit.Reset();

        (await stream.ReadAsync(new byte[1])).Should().Be(0);
        await stream.DisposeAsync();

        tracked.Outcomes.Should().HaveCount(1);
        tracked.InFlight.Should().Be(0);
    }

    [Fact]
    public void OnEndedAndOnBroken_FromManyThreadsAtOnce_ReturnTheLeaseOnce()
    {
        for (var round = 0; round < 500; round++)
        {
            using var tracked = new Tracked(new ScriptedStream([]));
            using var barrier = new Barrier(3);

            Parallel.Invoke(
                new ParallelOptions { MaxDegreeOfParallelism = 3 },
                () => At(barrier, tracked.Content.OnEnded),
                () => At(barrier, () => tracked.Content.OnBroken(new IOException(), CancellationToken.None)),
                () => At(barrier, tracked.Content.Dispose)
            );

            tracked.InFlight.Should().Be(0);
            tracked.Outcomes.Should().HaveCount(1);
        }
    }

    private static void At(Barrier barrier, Action act)
    {
        // Threads may be fewer than actions; who waits too long goes alone.
        barrier.SignalAndWait(TimeSpan.FromMilliseconds(1));
        act();
    }

    private static async Task<byte[]> ReadAsync(HttpContent content, string way)
    {
        using var copy = new MemoryStream();
        switch (way)
        {
            case "ReadAsStringAsync":
                return System.Text.Encoding.UTF8.GetBytes(await content.ReadAsStringAsync());
            case "ReadAsByteArrayAsync":
                return await content.ReadAsByteArrayAsync();
            case "LoadIntoBufferAsync":
                await content.LoadIntoBufferAsync();
                return await content.ReadAsByteArrayAsync();
            case "CopyToAsync":
                await content.CopyToAsync(copy);
                break;
            case "CopyTo":
                content.CopyTo(copy, null, CancellationToken.None);
                break;
            case "ReadAsStream":
                await using (var stream = content.ReadAsStream())
                {
                    stream.CopyTo(copy);
                }

                break;
            default:
                await using (var stream = await content.ReadAsStreamAsync())
                {
                    await stream.CopyToAsync(copy);
                }

                break;
        }

        return copy.ToArray();
    }

    /// <summary>A tracked content with the pool that its lease belongs to.</summary>
    private sealed class Tracked : IDisposable
    {
        private readonly HttpRig _rig = new();
        private readonly OutcomeCollector _observer = new();

        public Tracked(Stream body)
            : this(new StreamContent(body)) { }

        public Tracked(HttpContent body)
        {
            _rig.Pool.Observer = _observer;
            Lease = _rig.Lease("b1");
            Lease.Outcome = Success;
            Content = new TrackedContent(body, ContentHeaders.LengthOf(body), Lease, long.MaxValue);
        }

        public BackendLease Lease { get; }

        public TrackedContent Content { get; }

        public int InFlight => _rig.InFlight;

        public IReadOnlyList<AttemptOutcome> Outcomes => _observer.Outcomes;

        public void Dispose() => _rig.Dispose();
    }

    /// <summary>A content that writes itself, as one that a handler within has made.</summary>
    private sealed class PushingContent(Exception failure) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(new byte[1]);
            throw failure;
        }

        protected override void SerializeToStream(
            Stream stream,
            TransportContext? context,
            CancellationToken cancellationToken
        ) => throw failure;

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
