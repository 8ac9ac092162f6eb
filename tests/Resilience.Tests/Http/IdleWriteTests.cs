using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// A backend that stops taking a request's content fails (R97, R99): no upload hangs, and what may not be sent twice does
/// not go on (law 2).
/// </summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class IdleWriteTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly AttemptOutcome Stalled = new(
        OutcomeKind.Failure,
        FailureKind.ContentStalled,
        IsRetryable: true
    );
    private static readonly byte[] Bytes = [.. Enumerable.Range(0, 100).Select(i => (byte)i)];

    [Fact]
    public async Task Send_BackendTakesNothing_EndsWithTheTimeoutsName()
    {
        using var metrics = new MetricRecord("uploads");
        using var rig = Rig(1);
        var wire = new ClosableWire { IsStuck = true };
        rig.On("b1", Transport(wire));

        var sending = rig.SendAsync(Put(HttpMethod.Post));
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(Limit);

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.Message.Should().Contain("idle write timeout (Timeouts:IdleWrite)");
        thrown.Which.GetAttempts()[0].Outcome.Failure.Should().Be(FailureKind.ContentStalled);
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
        (await metrics.WhenHeardAsync(3))
            .Should()
            .Contain(line => line.Contains("resilience.timeouts") && line.Contains("idle_write"));
    }

    [Fact]
    public async Task Send_BackendTakesNothingOfWhatCanBeRepeated_GoesElsewhereOnceTheFirstHasLetGo()
    {
        using var rig = Rig(2);
        var wire = new ClosableWire { IsStuck = true };
        rig.On("b1", Transport(wire)).On("b2", Answers.Reading(Answers.Status(201)));

        var sending = rig.SendAsync(Put(HttpMethod.Put));
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(Limit);
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.Created);
        rig.Sent.Should().Equal("b1", "b2");
        wire.IsClosed.Should().BeTrue("its buffers may be read until then");
    }

    /// <summary>
    /// As over HTTP/2, where a write waits for the stream's window: only its token ends it, and once nothing did; where a
    /// content gives each write a token of its own, as calls that stream do, for longer.
    /// </summary>
    [Theory]
    [InlineData("write")]
    [InlineData("write with a token of its own")]
    [InlineData("flush with a token of its own")]
    public async Task Send_WriteThatOnlyItsTokenEnds_GoesElsewhere(string work)
    {
        using var rig = Rig(2);
        rig.On("b1", Window()).On("b2", Answers.Reading(Answers.Status(201)));
        using var own = new CancellationTokenSource();
        using var request = Put(HttpMethod.Put);
        request.Content = new CallContent(
            async (stream, token) =>
            {
                var ending = work == "write" ? token : own.Token;
                await (
                    work.StartsWith("flush", StringComparison.Ordinal)
                        ? stream.FlushAsync(ending)
                        : stream.WriteAsync(Bytes, ending).AsTask()
                );
            }
        );
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        using var response = await rig.DriveAsync(rig.SendAsync(request));

        response.GetAttempts().Select(each => each.Outcome.Failure).Should().Equal(FailureKind.ContentStalled, 0);
        rig.Sent.Should().Equal("b1", "b2");
    }

    /// <summary>
    /// The write ended by the watch; a content that kept that to itself was once taken for sent whole, and one that waits
    /// on its thread for a cancellation that nobody had asked for.
    /// </summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Send_ContentWaitsOnItsThreadOrSwallowsWhatItsWriteEndedBy_IsAStallAllTheSame(
        bool blocks,
        bool swallows
    )
    {
        using var rig = Rig(2);
        rig.On("b1", Window());
        using var request = Put(HttpMethod.Post);
        request.Content = new CallContent(
            async (stream, token) =>
            {
                try
                {
                    var writing = stream.WriteAsync(Bytes, token).AsTask();
                    if (blocks)
                    {
                        writing.GetAwaiter().GetResult();
                    }

                    await writing;
                }
                catch (OperationCanceledException) when (swallows)
                {
                    // As some sources do.
                }
            }
        );

        var sending = Task.Run(() => rig.SendAsync(request));
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(Limit);

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.GetAttempts().Select(each => each.Outcome).Should().Equal(Stalled);
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    /// <summary>What a content looks for in the end of its own write is its own token.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_ContentEndsAWriteByATokenOfItsOwn_HearsOfThatToken(bool flushes)
    {
        using var rig = Rig(1);
        rig.On("b1", Window());
        using var own = new CancellationTokenSource();
        CancellationToken heard = default;
        using var request = Put(HttpMethod.Put);
        request.Content = new CallContent(
            async (stream, _) =>
            {
                var writing = flushes ? stream.FlushAsync(own.Token) : stream.WriteAsync(Bytes, own.Token).AsTask();
                await own.CancelAsync();
                try
                {
                    await writing;
                }
                catch (OperationCanceledException exception)
                {
                    heard = exception.CancellationToken;
                }
            }
        );

        using var response = await rig.SendAsync(request);

        heard.Should().Be(own.Token);
    }

    /// <summary>As over HTTP/2, where a reset ends the content's token first, and then the write says what it was.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_TransportEndsTheContent_CountsAsWhatItsStreamSays(bool hasLimit)
    {
        using var rig = Rig(2, hasLimit ? Limit : Timeout.InfiniteTimeSpan);
        rig.On(
                "b1",
                async (request, token) =>
                {
                    using var stream = CancellationTokenSource.CreateLinkedTokenSource(token);
                    var wire = new ResetWire();
                    var copying = request.Content!.CopyToAsync(wire, stream.Token);
                    await stream.CancelAsync();
                    wire.Reset();
                    await copying;
                    return new HttpResponseMessage();
                }
            )
            .On("b2", Answers.Reading(Answers.Status(201)));

        using var response = await rig.SendAsync(Put(HttpMethod.Put));

        response.GetAttempts().Select(each => each.Outcome.Failure).Should().Equal(FailureKind.ConnectionLost, 0);
        rig["b1"].Failures.Should().Be(1);
    }

    /// <summary>
    /// Over HTTP/2 the token of a write ends the content's too, so that it once looked as if the connection had ended it:
    /// three attempts, and three failures of healthy backends.
    /// </summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Send_ContentEndsByATokenOfItsOwn_HasFailedItself(bool isEndedBefore, bool hasLimit)
    {
        using var rig = Rig(3, hasLimit ? Limit : Timeout.InfiniteTimeSpan);
        foreach (var backend in rig.Pool.Backends)
        {
            rig.On(backend.Name, Window());
        }

        using var own = new CancellationTokenSource();
        var writes = new TaskCompletionSource();
        using var request = Put(HttpMethod.Put);
        request.Content = new CallContent(
            async (stream, _) =>
            {
                var writing = stream.WriteAsync(Bytes, own.Token);
                writes.TrySetResult();
                await writing;
            }
        );
        request.ConfigureResilience(options => options.IsContentReplayable = true);
        if (isEndedBefore)
        {
            await own.CancelAsync();
        }

        var sending = rig.SendAsync(request);
        await writes.Task;
        await own.CancelAsync();

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        thrown.Which.CancellationToken.Should().Be(own.Token);
        thrown.Which.GetAttempts().Select(each => each.Outcome.Failure).Should().Equal(FailureKind.Request);
        rig.Pool.Backends.Sum(backend => backend.Failures).Should().Be(0);
    }

    /// <summary>When its write throws, both tokens have ended: the connection's was the first.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_TransportEndsAContentWhoseOwnTokenIsLinked_IsALostConnection(bool hasLimit)
    {
        using var rig = Rig(2, hasLimit ? Limit : Timeout.InfiniteTimeSpan);
        rig.On(
                "b1",
                async (request, token) =>
                {
                    var stream = CancellationTokenSource.CreateLinkedTokenSource(token);
                    var copying = request.Content!.CopyToAsync(new WindowWire(stream), stream.Token);
                    await stream.CancelAsync();
                    await copying;
                    return new HttpResponseMessage();
                }
            )
            .On("b2", Answers.Reading(Answers.Status(201)));
        using var request = Put(HttpMethod.Put);
        request.Content = new CallContent(
            async (stream, token) =>
            {
                using var own = CancellationTokenSource.CreateLinkedTokenSource(token);
                await stream.WriteAsync(Bytes, own.Token);
            }
        );
        request.ConfigureResilience(options => options.IsContentReplayable = true);

        using var response = await rig.SendAsync(request);

        response.GetAttempts().Select(each => each.Outcome.Failure).Should().Equal(FailureKind.ConnectionLost, 0);
        rig["b1"].Failures.Should().Be(1);
    }

    public static TheoryData<string, string, int, bool> Uploads()
    {
        var data = new TheoryData<string, string, int, bool>();
        foreach (var backends in new[] { 2, 3 })
        {
            data.Add("POST", "bytes", backends, false);
            data.Add("POST", "a stream", backends, false);
            data.Add("PATCH", "bytes", backends, false);
            data.Add("PUT", "a stream", backends, false);
            data.Add("PUT", "bytes", backends, true);
            data.Add("DELETE", "bytes", backends, true);
            data.Add("POST", "bytes with a key", backends, true);
            data.Add("PUT", "a stream to repeat", backends, true);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Uploads))]
    public async Task Send_AllBackendsButTheLastTakeNothing_GoesOnOnlyWhereTheLawsAllowIt(
        string method,
        string content,
        int backends,
        bool mayGoOn
    )
    {
        using var rig = Rig(backends);
        for (var i = 1; i < backends; i++)
        {
            rig.On($"b{i}", Transport(new ClosableWire { IsStuck = true }));
        }

        var arrived = new List<byte[]>();
        rig.On($"b{backends}", Answers.Reading(Answers.Status(201), arrived.Add));
        using var request = Upload(method, content);
        var began = rig.Time.GetTimestamp();

        var (status, attempts, failure) = await EndOfAsync(rig.DriveAsync(rig.SendAsync(request)));

        var stalls = mayGoOn ? backends - 1 : 1;
        rig.Time.GetElapsedTime(began).Should().Be(stalls * Limit);
        rig.Sent.Should().Equal(rig.Pool.Backends.Take(mayGoOn ? backends : 1).Select(each => each.Name));
        rig.Pool.Backends.Select(each => each.Failures)
            .Should()
            .Equal(Enumerable.Range(0, backends).Select(i => i < stalls ? 1L : 0));
        attempts.Take(stalls).Should().HaveCount(stalls).And.OnlyContain(each => each.Outcome == Stalled);
        attempts.Take(stalls).Should().OnlyContain(each => each.Duration == Limit);
        rig.InFlight.Should().Be(0);
        if (mayGoOn)
        {
            status.Should().Be(HttpStatusCode.Created);
            arrived.Should().ContainSingle("the last one took it whole").Which.Should().Equal(Bytes);
            return;
        }

        arrived.Should().BeEmpty();
        failure.Should().BeOfType<TaskCanceledException>().Which.InnerException.Should().BeOfType<TimeoutException>();
        failure!.Message.Should().Contain("idle write timeout (Timeouts:IdleWrite) after 30.0 s").And.Contain("b1");
    }

    /// <summary>A content in one piece was once a single write, which the backend had to take as a whole in that time.</summary>
    [Theory]
    [InlineData("bytes")]
    [InlineData("a stream")]
    public async Task Send_BackendTakesALargeContentSlowly_IsNoStall(string kind)
    {
        using var rig = Rig(1);
        var wire = new SlowWire();
        rig.On("b1", Transport(wire));
        var bytes = new byte[4 * SlowWire.Lot];
        Random.Shared.NextBytes(bytes);
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://uploads/");
        request.Content = kind == "bytes" ? new ByteArrayContent(bytes) : new StreamContent(new MemoryStream(bytes));

        var sending = rig.SendAsync(request);
        for (var lots = 1; !sending.IsCompleted; lots++)
        {
            await HttpRig.UntilAsync(() => wire.Waits >= lots || sending.IsCompleted);
            rig.Time.Advance(Limit * 2 / 3);
            wire.Take();
        }

        using var response = await sending;
        response.StatusCode.Should().Be(HttpStatusCode.OK);
        wire.ToArray().AsSpan().SequenceEqual(bytes).Should().BeTrue();
        rig["b1"].Failures.Should().Be(0);
    }

    /// <summary>What the transport refuses as a whole must not arrive as far as it was promised, as if that were all.</summary>
    [Fact]
    public async Task Send_LargeContentLongerThanItsOwnLength_SendsNothingOfIt()
    {
        using var rig = Rig(1);
        var wire = new SlowWire(limit: SlowWire.Lot);
        rig.On("b1", Transport(wire));
        using var request = new HttpRequestMessage(HttpMethod.Post, "http://uploads/");
        request.Content = new ByteArrayContent(new byte[2 * SlowWire.Lot]);
        request.Content.Headers.ContentLength = SlowWire.Lot;

        var sending = () => rig.SendAsync(request);

        var thrown = await sending.Should().ThrowAsync<HttpRequestException>();
        thrown.Which.GetAttempts()[0].Outcome.Failure.Should().Be(FailureKind.Request);
        wire.ToArray().Should().BeEmpty();
    }

    [Fact]
    public async Task Send_ContentItselfTakesItsTime_IsNoStall()
    {
        using var rig = Rig(1);
        var content = new GatedContent();
        rig.On("b1", Answers.Reading(Answers.Status(201)));

        var sending = rig.SendAsync(new HttpRequestMessage(HttpMethod.Post, "http://uploads/") { Content = content });
        rig.Time.Advance(10 * Limit);
        content.Open();
        using var response = await sending;

        response.StatusCode.Should().Be(HttpStatusCode.Created);
        rig["b1"].Failures.Should().Be(0);
    }

    [Fact]
    public async Task Send_EveryWriteIsTaken_ArmsNoTimer()
    {
        using var rig = Rig(1);
        var armed = -1;
        rig.On(
            "b1",
            Answers.Reading(
                (_, _) =>
                {
                    armed = rig.Time.ArmedTimers;
                    return Task.FromResult(new HttpResponseMessage());
                }
            )
        );

        using var response = await rig.SendAsync(Put(HttpMethod.Put));

        armed.Should().Be(0);
    }

    private static HttpRig Rig(int backends, TimeSpan? idleWrite = null) =>
        new(
            backends,
            options =>
            {
                options.Timeouts.IdleWrite = idleWrite ?? Limit;
                options.Timeouts.Total = Timeout.InfiniteTimeSpan;
                options.Timeouts.Attempt = Timeout.InfiniteTimeSpan;
            },
            name: "uploads"
        );

    private static HttpRequestMessage Put(HttpMethod method) =>
        new(method, "http://uploads/") { Content = new ByteArrayContent(Bytes) };

    private static HttpRequestMessage Upload(string method, string content)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), "http://uploads/")
        {
            Content = content.StartsWith("bytes", StringComparison.Ordinal)
                ? new ByteArrayContent(Bytes)
                : new StreamContent(new MemoryStream(Bytes)),
        };
        if (content == "bytes with a key")
        {
            request.Headers.Add("Idempotency-Key", "1");
        }

        return content == "a stream to repeat"
            ? request.ConfigureResilience(options => options.IsContentReplayable = true)
            : request;
    }

    private static async Task<(
        HttpStatusCode? Status,
        IReadOnlyList<AttemptRecord> Attempts,
        Exception? Failure
    )> EndOfAsync(Task<HttpResponseMessage> sending)
    {
        try
        {
            using var response = await sending;
            return (response.StatusCode, response.GetAttempts(), null);
        }
        catch (TaskCanceledException exception)
        {
            return (null, exception.GetAttempts(), exception);
        }
    }

    /// <summary>As a transport does: what fails while it is written closes the connection.</summary>
    private static Answer Transport(MemoryStream wire) =>
        async (request, token) =>
        {
            try
            {
                await request.Content!.CopyToAsync(wire, token);
                return new HttpResponseMessage();
            }
            finally
            {
                wire.Close();
            }
        };

    /// <summary>As over HTTP/2: the content's token is the stream's, not the attempt's.</summary>
    private static Answer Window() =>
        async (request, token) =>
        {
            // Not disposed while anything may still end it, as by the platform.
            var stream = CancellationTokenSource.CreateLinkedTokenSource(token);
            await request.Content!.CopyToAsync(new WindowWire(stream), stream.Token);
            return new HttpResponseMessage();
        };

    /// <summary>Sends itself, by whatever tokens it likes.</summary>
    private sealed class CallContent(Func<Stream, CancellationToken, Task> send) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            send(stream, CancellationToken.None);

        protected override Task SerializeToStreamAsync(
            Stream stream,
            TransportContext? context,
            CancellationToken cancellationToken
        ) => send(stream, cancellationToken);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>A stream without a window, which never comes; the end of a write ends the content's token.</summary>
    private sealed class WindowWire(CancellationTokenSource stream) : MemoryStream
    {
        public override async Task FlushAsync(CancellationToken cancellationToken)
        {
            await using var _ = cancellationToken.Register(stream.Cancel);
            await Task.Delay(Timeout.Infinite, stream.Token);
        }

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        ) => await FlushAsync(cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <summary>A stream whose writes wait until it is reset.</summary>
    private sealed class ResetWire : MemoryStream
    {
        private readonly TaskCompletionSource _reset = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Reset() => _reset.SetResult();

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            await _reset.Task;
            throw new IOException("reset");
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    /// <summary>A connection that takes a lot when told so, as long as nothing is beyond what was promised.</summary>
    private sealed class SlowWire(long limit = long.MaxValue) : MemoryStream
    {
        public const int Lot = 64 * 1024;

        private readonly SemaphoreSlim _taken = new(0);
        private int _waits;

        /// <summary>How many lots have been waited for so far.</summary>
        public int Waits => Volatile.Read(ref _waits);

        public void Take() => _taken.Release();

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            if (Length + buffer.Length > limit)
            {
                throw new HttpRequestException("more bytes than promised");
            }

            for (var at = 0; at < buffer.Length; at += Lot)
            {
                Interlocked.Increment(ref _waits);
                await _taken.WaitAsync(CancellationToken.None);
                Write(buffer.Span.Slice(at, Math.Min(Lot, buffer.Length - at)));
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    private sealed class ClosableWire : MemoryStream
    {
        private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsStuck { get; init; }

        public bool IsClosed => _closed.Task.IsCompleted;

        public override async ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            // A real connection ignores this token.
            if (IsStuck)
            {
                await _closed.Task;
                throw new IOException("closed");
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        protected override void Dispose(bool disposing)
        {
            _closed.TrySetResult();
            base.Dispose(disposing);
        }
    }
}
