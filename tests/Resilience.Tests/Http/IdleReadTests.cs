using System.IO.Pipelines;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.InteropServices;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>A response's body that stops coming is its backend's failure (R97, R99, R124): no reader hangs.</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class IdleReadTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan AlmostLimit = Limit - TimeSpan.FromMilliseconds(1);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_NothingComes_EndsWithTheTimeoutsNameAndBlamesTheBackend(bool isAsync)
    {
        using var scene = new Scene();
        var body = new ScriptedStream { IsHanging = true };
        var stream = await scene.OpenAsync(new StreamContent(body));
        var buffer = new byte[10];

        var reading = isAsync ? Read(stream, buffer) : Task.Run(() => stream.Read(buffer)).WaitAsync(Patience);
        await scene.Rig.Time.WhenTimersArmedAsync(1);
        scene.Rig.Time.Advance(AlmostLimit);
        var wasReading = !reading.IsCompleted;
        scene.Rig.Time.Advance(TimeSpan.FromMilliseconds(1));

        var thrown = await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        wasReading.Should().BeTrue();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown
            .Which.Message.Should()
            .Be(
                "The response's body from backend 'b1' of pool 'catalog' stalled: not a byte came within the idle read "
                    + "timeout (Timeouts:IdleRead) of 30.0 s."
            );
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Failure, FailureKind.BodyStalled, 200));
        scene.Rig.InFlight.Should().Be(0);
        body.IsDisposed.Should().BeFalse("that is the reader's to do");
    }

    /// <summary>The platform drains what is disposed early, beside a read that still blocks: each gets some of the bytes.</summary>
    [Theory]
    [InlineData("array")]
    [InlineData("span")]
    [InlineData("byte")]
    public async Task Read_BlockingOfABodyThatStallsAndGoesOn_GivesNoneOfItOut(string overload)
    {
        using var scene = new Scene();
        var body = new ScriptedStream { IsHanging = true, Late = 1 };
        var stream = await scene.OpenAsync(new StreamContent(body) { Headers = { ContentLength = 10 } });

        var reading = Task.Run(() => Block(stream, overload)).WaitAsync(Patience);
        await scene.Rig.Time.WhenTimersArmedAsync(1);
        scene.Rig.Time.Advance(Limit);

        var thrown = await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        body.HasGivenLate.Should().BeFalse();
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Failure, FailureKind.BodyStalled, 200));
        scene.Rig.InFlight.Should().Be(0);
    }

    /// <summary>The token may have closed the connection by then, and the next read would only find it so.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_BytesComeJustAfterTheTime_IsAStallAllTheSame(bool isAsync)
    {
        using var scene = new Scene();
        var coming = new TaskCompletionSource();
        var body = new ScriptedStream("hello"u8.ToArray()) { FirstRead = coming.Task };
        var stream = await scene.OpenAsync(new StreamContent(body));
        var buffer = new byte[5];

        var reading = isAsync ? Read(stream, buffer) : Task.Run(() => stream.Read(buffer)).WaitAsync(Patience);
        await scene.Rig.Time.WhenTimersArmedAsync(1);
        scene.Rig.Time.Advance(Limit);
        coming.SetResult();

        var thrown = await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Failure, FailureKind.BodyStalled, 200));
        scene.Rig.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData("array")]
    [InlineData("span")]
    [InlineData("byte")]
    public async Task Read_BlockingAndGivenWhatItWaitsFor_GivesItOut(string overload)
    {
        using var scene = new Scene();
        var coming = new TaskCompletionSource();
        var body = new ScriptedStream("hello"u8.ToArray()) { FirstRead = coming.Task, Piece = 1 };
        var stream = await scene.OpenAsync(new StreamContent(body) { Headers = { ContentLength = 5 } });

        var reading = Task.Run(() => Enumerable.Range(0, 6).Select(_ => Block(stream, overload)).ToArray());
        await scene.Rig.Time.WhenTimersArmedAsync(1);
        scene.Rig.Time.Advance(AlmostLimit);
        coming.SetResult();

        var bytes = await reading.WaitAsync(Patience);
        bytes.Should().Equal('h', 'e', 'l', 'l', 'o', -1);
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
    }

    /// <summary>A user interface's context runs nothing while its thread blocks in a read.</summary>
    [Fact]
    public async Task Read_BlockingInAContextThatAHandlersStreamWantsBack_IsNotHeldByIt()
    {
        using var scene = new Scene();
        var coming = new TaskCompletionSource();
        var stream = await scene.OpenAsync(new StreamContent(new AttachedStream(coming.Task)));
        var context = new IdleContext();

        var reading = Task.Run(() =>
        {
            SynchronizationContext.SetSynchronizationContext(context);
            return (Block(stream, "span"), SynchronizationContext.Current);
        });
        await scene.Rig.Time.WhenTimersArmedAsync(1);
        coming.SetResult();

        (await reading.WaitAsync(Patience)).Should().Be(('x', context));
    }

    /// <summary>What cancels may leave a write behind, which must not reach another's buffer.</summary>
    [Fact]
    public async Task Read_BlockingAndBroken_KeepsItsBufferFromOthers()
    {
        using var scene = new Scene();
        var body = new KeepingStream();
        var stream = await scene.OpenAsync(new StreamContent(body));

        for (var i = 0; i < 2; i++)
        {
            var reading = () => Block(stream, "span");
            reading.Should().Throw<IOException>();
        }

        body.Buffers.Should().HaveCount(2).And.OnlyHaveUniqueItems();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_BodyEndsBeforeItsLength_BlamesTheBackend(bool isAsync)
    {
        using var scene = new Scene();
        var body = new ScriptedStream("hello"u8.ToArray()) { Piece = 5 };
        var stream = await scene.OpenAsync(new StreamContent(body) { Headers = { ContentLength = 6 } });
        var buffer = new byte[10];

        var first = isAsync ? await Read(stream, buffer) : stream.Read(buffer);
        var reading = async () => isAsync ? await Read(stream, buffer) : stream.Read(buffer);

        var thrown = await reading.Should().ThrowAsync<HttpIOException>();
        first.Should().Be(5);
        thrown.Which.HttpRequestError.Should().Be(HttpRequestError.ResponseEnded);
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Body, 200));
        scene.Rig.InFlight.Should().Be(0);
        scene.Rig.Time.ArmedTimers.Should().Be(0);
    }

    /// <summary>Over HTTP/2 the end of the stream is the end, whatever length stands beside it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Read_OverHttp2BodyEndsBeforeItsLength_IsTheReadersAsItCame(bool isAsync)
    {
        using var scene = new Scene();
        var body = new ScriptedStream("hello"u8.ToArray()) { Piece = 5 };
        var content = new StreamContent(body) { Headers = { ContentLength = 6 } };
        var (_, stream) = await scene.AnswerAsync(content, version: HttpVersion.Version20);
        var buffer = new byte[10];

        var first = isAsync ? await Read(stream, buffer) : stream.Read(buffer);
        var second = isAsync ? await Read(stream, buffer) : stream.Read(buffer);

        (first, second).Should().Be((5, 0));
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
    }

    /// <summary>Read in part as a stream, then copied: both count.</summary>
    [Fact]
    public async Task Read_InTwoWays_EndsWhereItsLengthDoes()
    {
        using var scene = new Scene();
        var content = new StreamContent(new ScriptedStream("hello!"u8.ToArray())) { Headers = { ContentLength = 6 } };
        var (response, stream) = await scene.AnswerAsync(content);
        using var rest = new MemoryStream();

        var first = await Read(stream, new byte[3]);
        await response.Content.CopyToAsync(rest);

        (first, rest.Length).Should().Be((3, 3));
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
    }

    [Fact]
    public async Task Read_NothingComes_IsCounted()
    {
        using var scene = new Scene("stalls");
        using var metrics = new MetricRecord("stalls");
        var body = new ScriptedStream { IsHanging = true };
        var stream = await scene.OpenAsync(new StreamContent(body));

        var reading = Read(stream, new byte[1]);
        scene.Rig.Time.Advance(Limit);

        await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        (await metrics.WhenHeardAsync(3))
            .Should()
            .Contain(line => line.Contains("resilience.timeouts") && line.Contains("idle_read"));
    }

    [Fact]
    public async Task HttpClient_BuffersABodyThatStalls_FailsInsteadOfHanging()
    {
        using var scene = new Scene();
        var body = new ScriptedStream("abc"u8.ToArray()) { IsHanging = true };
        scene.Rig.On("b1", Answers.Body(new StreamContent(body)));
        using var client = new HttpClient(
            new ResilientHandler(scene.Rig.Pool, scene.Rig.Transport),
            disposeHandler: false
        );
        client.Timeout = Timeout.InfiniteTimeSpan;

        var getting = client.GetStringAsync("http://catalog/");
        var driving = () => scene.Rig.DriveAsync(getting);

        var thrown = await driving.Should().ThrowAsync<HttpRequestException>();
        thrown.Which.InnerException!.InnerException.Should().BeOfType<TimeoutException>();
        scene.Rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Read_ByteAfterByteEachJustInTime_IsNoStall()
    {
        using var scene = new Scene();
        var pipe = new Pipe();
        var stream = await scene.OpenAsync(new StreamContent(pipe.Reader.AsStream()));

        for (var i = 0; i < 5; i++)
        {
            var reading = Read(stream, new byte[1]);
            scene.Rig.Time.Advance(AlmostLimit);
            await pipe.Writer.WriteAsync(new byte[1]);
            (await reading).Should().Be(1);
        }

        await pipe.Writer.CompleteAsync();
        (await Read(stream, new byte[1])).Should().Be(0);
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
    }

    [Fact]
    public async Task Read_ReaderTakesItsTime_IsNoStall()
    {
        using var scene = new Scene();
        var pipe = new Pipe();
        var stream = await scene.OpenAsync(new StreamContent(pipe.Reader.AsStream()));
        var first = Read(stream, new byte[1]);
        await pipe.Writer.WriteAsync(new byte[1]);
        await first;

        scene.Rig.Time.Advance(2 * Limit);
        var second = Read(stream, new byte[1]);
        scene.Rig.Time.Advance(AlmostLimit);
        await pipe.Writer.WriteAsync(new byte[1]);

        (await second).Should().Be(1);
        scene.Rig.InFlight.Should().Be(1);
    }

    [Fact]
    public async Task Read_AfterAPauseOfTheReader_IsStillLimited()
    {
        using var scene = new Scene();
        var pipe = new Pipe();
        var stream = await scene.OpenAsync(new StreamContent(pipe.Reader.AsStream()));
        var first = Read(stream, new byte[1]);
        await pipe.Writer.WriteAsync(new byte[1]);
        await first;
        // The timer finds nobody waiting and rests.
        scene.Rig.Time.Advance(2 * Limit);
        var armedInThePause = scene.Rig.Time.ArmedTimers;

        var second = Read(stream, new byte[1]);
        scene.Rig.Time.Advance(Limit);

        await second.Invoking(task => task).Should().ThrowAsync<IOException>();
        armedInThePause.Should().Be(0);
    }

    [Theory]
    [InlineData("text/event-stream; charset=utf-8", 200)]
    [InlineData("text/plain", 101)]
    public async Task Read_OfWhatMayBeSilent_WaitsForEver(string type, int status)
    {
        using var scene = new Scene();
        var pipe = new Pipe();
        var content = new StreamContent(pipe.Reader.AsStream());
        content.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        var stream = await scene.OpenAsync(content, (HttpStatusCode)status);

        var reading = Read(stream, new byte[1]);
        scene.Rig.Time.Advance(100 * Limit);
        var wasReading = !reading.IsCompleted;
        await pipe.Writer.WriteAsync(new byte[1]);

        (await reading).Should().Be(1);
        wasReading.Should().BeTrue();
    }

    [Fact]
    public async Task Read_SwitchedOff_ArmsNoTimer()
    {
        using var scene = new Scene(configure: options => options.Timeouts.IdleRead = Timeout.InfiniteTimeSpan);
        var pipe = new Pipe();
        var stream = await scene.OpenAsync(new StreamContent(pipe.Reader.AsStream()));

        var reading = Read(stream, new byte[1]);

        scene.Rig.Time.ArmedTimers.Should().Be(0);
        await pipe.Writer.CompleteAsync();
        (await reading).Should().Be(0);
    }

    [Fact]
    public async Task Read_CallerHadCancelledBefore_EndsWithTheCallersTokenAndBlamesNobody() // law 3
    {
        using var scene = new Scene();
        var stream = await scene.OpenAsync(new StreamContent(new ScriptedStream { IsHanging = true }));
        var cancelled = new CancellationToken(canceled: true);

        var reading = stream.ReadAsync(new byte[1], cancelled).AsTask();

        var thrown = await reading.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        thrown.Which.CancellationToken.Should().Be(cancelled);
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled));
        scene.Rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Read_CallerCancels_EndsWithTheCallersTokenAndBlamesNobody() // law 3
    {
        using var scene = new Scene();
        var body = new ScriptedStream { IsHanging = true };
        var stream = await scene.OpenAsync(new StreamContent(body));
        using var caller = new CancellationTokenSource();

        var reading = Read(stream, new byte[1], caller.Token);
        await body.WhenHanging;
        await caller.CancelAsync();

        var thrown = await reading.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        thrown.Which.CancellationToken.Should().Be(caller.Token);
        scene.Observer.Outcomes.Should().Equal(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled));
        scene.Rig.InFlight.Should().Be(0);
    }

    /// <summary>Over HTTP/2 what has come may be on its way to the reader when the reader's token ends.</summary>
    [Fact]
    public async Task Read_TokenEndsAsBytesCome_LeavesTheNextReadAlone()
    {
        using var scene = new Scene();
        var coming = new TaskCompletionSource();
        var body = new ScriptedStream("hello"u8.ToArray()) { FirstRead = coming.Task };
        var stream = await scene.OpenAsync(new StreamContent(body));
        using var impatient = new CancellationTokenSource();

        var reading = Read(stream, new byte[1], impatient.Token);
        await impatient.CancelAsync();
        coming.SetResult();
        var first = await reading;
        var second = await Read(stream, new byte[1]);

        (first, second).Should().Be((1, 1));
        scene.Rig.InFlight.Should().Be(1, "the body has not ended");
        scene.Observer.Outcomes.Should().NotContain(outcome => outcome.Failure != FailureKind.None);
    }

    [Fact]
    public async Task Dispose_UnderAPendingRead_LeavesNothingArmed()
    {
        using var scene = new Scene();
        var body = new ScriptedStream { IsHanging = true };
        var stream = await scene.OpenAsync(new StreamContent(body));
        var reading = Read(stream, new byte[1]);

        await stream.DisposeAsync();

        await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        scene.Rig.Time.ArmedTimers.Should().Be(0);
        scene.Observer.Outcomes.Should().NotContain(outcome => outcome.IsFailure);
    }

    /// <summary>A read that is not ended fails its test, instead of keeping the whole run from ending.</summary>
    private static Task<int> Read(Stream stream, byte[] buffer, CancellationToken token = default) =>
        stream.ReadAsync(buffer, token).AsTask().WaitAsync(Patience, CancellationToken.None);

    /// <returns>The byte; -1 for the end.</returns>
    private static int Block(Stream stream, string overload)
    {
        if (overload == "byte")
        {
            return stream.ReadByte();
        }

        var buffer = new byte[] { 0, 0, 0 };
        var read = overload == "array" ? stream.Read(buffer, 1, 1) : stream.Read(buffer.AsSpan(1, 1));
        (buffer[0], buffer[2]).Should().Be((0, 0));
        return read == 0 ? -1 : buffer[1];
    }

    private sealed class Scene : IDisposable
    {
        public Scene(string pool = "catalog", Action<ResilientHandlerOptions>? configure = null)
        {
            Rig = new HttpRig(configure: configure, name: pool);
            Rig.Pool.Observer = Observer;
        }

        public HttpRig Rig { get; }

        public OutcomeCollector Observer { get; } = new();

        public async Task<Stream> OpenAsync(HttpContent body, HttpStatusCode status = HttpStatusCode.OK) =>
            (await AnswerAsync(body, status)).Body;

        public async Task<(HttpResponseMessage Response, Stream Body)> AnswerAsync(
            HttpContent body,
            HttpStatusCode status = HttpStatusCode.OK,
            Version? version = null
        )
        {
            var answer = new HttpResponseMessage(status) { Content = body, Version = version ?? HttpVersion.Version11 };
            Rig.On("b1", (_, _) => Task.FromResult(answer));
            var response = await Rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"http://{Rig.Pool.Name}/"));
            return (response, await response.Content.ReadAsStreamAsync());
        }

        public void Dispose() => Rig.Dispose();
    }

    /// <summary>Goes on where it was called, as a handler's own stream may.</summary>
    private sealed class AttachedStream(Task coming) : MemoryStream
    {
        public override bool CanSeek => false;

        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            await coming;
            buffer.Span[0] = (byte)'x';
            return 1;
        }
    }

    private sealed class KeepingStream : MemoryStream
    {
        public List<byte[]> Buffers { get; } = [];

        public override bool CanSeek => false;

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            MemoryMarshal.TryGetArray<byte>(buffer, out var segment).Should().BeTrue();
            Buffers.Add(segment.Array!);
            throw new IOException("broken");
        }
    }

    /// <summary>Runs nothing, as one whose only thread is blocked.</summary>
    private sealed class IdleContext : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state) { }
    }
}
