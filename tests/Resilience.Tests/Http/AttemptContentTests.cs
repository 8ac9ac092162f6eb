using System.Net;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using Resilience.Http;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Http;

public sealed class AttemptContentTests
{
    [Fact]
    public async Task CopyTo_GivesTheInnerContentWholeAndItsHeaders()
    {
        var inner = new StringContent("whole");
        inner.Headers.Add("X-Mine", "1");
        using var content = new AttemptContent(inner);

        var text = await content.ReadAsStringAsync();

        text.Should().Be("whole");
        content.Headers.ContentLength.Should().Be(5);
        content.Headers.ContentType.Should().Be(inner.Headers.ContentType);
        content.Headers.GetValues("X-Mine").Should().Equal("1");
    }

    [Fact]
    public void CopyTo_Synchronous_GivesTheInnerContentWhole()
    {
        using var content = new AttemptContent(new StringContent("whole"));
        using var wire = new MemoryStream();

        content.CopyTo(wire, null, CancellationToken.None);

        wire.ToArray().Should().Equal("whole"u8.ToArray());
        content.HasBegun.Should().BeTrue();
        content.IsReleased.Should().BeTrue();
    }

    [Fact]
    public void Length_InnerDoesNotKnowIt_IsNotKnown()
    {
        using var content = new AttemptContent(new GatedContent());

        content.Headers.ContentLength.Should().BeNull();
    }

    [Fact]
    public async Task Dispose_LeavesTheInnerContentAlone()
    {
        var inner = new StringContent("mine");

        new AttemptContent(inner).Dispose();

        (await inner.ReadAsStringAsync()).Should().Be("mine");
    }

    [Fact]
    public void HasBegun_BeforeAByteWasAsked_IsFalse()
    {
        using var content = new AttemptContent(new StringContent("x"));

        content.HasBegun.Should().BeFalse();
        content.IsReleased.Should().BeTrue();
        content.WhenReleased.IsCompleted.Should().BeTrue();
    }

    /// <summary>The token of an attempt that has ended may be another request's by then.</summary>
    [Fact]
    public async Task Detach_BeforeItHasBegun_TheAttemptsTokenEndsItNoMore()
    {
        var inner = new GatedContent();
        using var content = new AttemptContent(inner);
        content.EndWith(new CancellationToken(canceled: true));

        var isFree = content.Detach();
        var copying = content.CopyToAsync(Stream.Null);
        inner.Open();
        await copying;

        isFree.Should().BeTrue();
        inner.IsFinished.Should().BeTrue();
    }

    [Fact]
    public async Task Detach_WhileItIsRead_TheAttemptsTokenStillEndsIt()
    {
        using var attempt = new CancellationTokenSource();
        using var content = new AttemptContent(new GatedContent());
        content.EndWith(attempt.Token);
        var copying = content.CopyToAsync(Stream.Null);

        var isFree = content.Detach();
        await attempt.CancelAsync();

        isFree.Should().BeFalse("the token is in use");
        await copying.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Revoke_BeforeItHasBegun_KeepsTheAttemptFromReadingIt()
    {
        using var content = new AttemptContent(new StringContent("x"));

        content.Revoke();

        var copying = () => content.CopyToAsync(Stream.Null);
        await copying.Should().ThrowAsync<HttpRequestException>().WithInnerException(typeof(IOException));
        var copyingSynchronously = () => content.CopyTo(Stream.Null, null, CancellationToken.None);
        copyingSynchronously.Should().Throw<HttpRequestException>().WithInnerException<IOException>();
        content.HasBegun.Should().BeFalse();
    }

    [Fact]
    public async Task Revoke_AfterItHasBegun_LeavesTheReadingAloneButAllowsNoOther()
    {
        var inner = new GatedContent();
        using var content = new AttemptContent(inner);
        using var wire = new MemoryStream();
        var copying = content.CopyToAsync(wire);

        content.Revoke();
        inner.Open();
        await copying;

        wire.ToArray().Should().Equal("firstlast"u8.ToArray());
        content.HasBegun.Should().BeTrue();
        var again = () => content.CopyToAsync(Stream.Null);
        await again.Should().ThrowAsync<HttpRequestException>();
    }

    /// <summary>
    /// The race: the response comes on another thread while the content's own first lines, before its first await, run
    /// on the transport's. The content must count as read from the very first of them.
    /// </summary>
    [Fact]
    public async Task WhenReleased_WhileTheContentsFirstLinesRun_IsNotCompleted()
    {
        var inner = new ProbingContent();
        using var content = new AttemptContent(inner);
        Task? released = null;
        inner.Probe = () => released = content.IsReleased ? Task.CompletedTask : content.WhenReleased;

        var copying = content.CopyToAsync(Stream.Null);

        released!.IsCompleted.Should().BeFalse();
        inner.Gate.SetResult();
        await copying;
        await released.WaitAsync(TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task WhenReleased_ContentIgnoresItsToken_EndsWithTheContentNotWithTheToken()
    {
        var inner = new GatedContent();
        using var content = new AttemptContent(inner);
        using var source = new CancellationTokenSource();
        var copying = content.CopyToAsync(Stream.Null, source.Token);

        await source.CancelAsync();

        await copying.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        content.IsReleased.Should().BeFalse();
        content.HasFailed.Should().BeFalse();
        var released = content.WhenReleased;
        inner.Open();
        await released.WaitAsync(TimeSpan.FromSeconds(15));
        content.IsReleased.Should().BeTrue();
    }

    [Fact]
    public async Task WhenReleased_AskedWhileItEndsOnAnotherThread_AlwaysEnds()
    {
        for (var i = 0; i < 2_000; i++)
        {
            var inner = new GatedContent();
            using var content = new AttemptContent(inner);
            var copying = content.CopyToAsync(Stream.Null);

            var opening = Task.Run(inner.Open);
            var released = content.WhenReleased;

            await released.WaitAsync(TimeSpan.FromSeconds(15));
            await copying;
            await opening;
        }
    }

    /// <summary>
    /// Wrapped by the content's own copying, the end of a connection whose server has worked on the request would look like
    /// that of one whose server has not (law 2).
    /// </summary>
    [Fact]
    public async Task Serialize_TheProtocolFails_ThrowsWhatTheConnectionThrew()
    {
        var closing = new HttpProtocolException(0, "closing", null);
        using var content = new AttemptContent(new ByteArrayContent("hello"u8.ToArray()));

        var serializing = () => SerializeToStreamAsync(content, new BrokenWire("async", closing), null, default);

        (await serializing.Should().ThrowAsync<HttpProtocolException>()).Which.Should().BeSameAs(closing);
        content.HasFailed.Should().BeFalse();
    }

    /// <summary>Over HTTP/2 the transport ends a content whose stream was reset; its token is not the attempt's.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Serialize_TransportEndsAContentThatWaitsForItsSource_IsALostConnection(bool heedsItsToken)
    {
        using var transport = new CancellationTokenSource();
        using var attempt = new CancellationTokenSource();
        var inner = new SourceContent { HeedsItsToken = heedsItsToken };
        using var content = new AttemptContent(inner);
        content.EndWith(attempt.Token);
        var serializing = SerializeToStreamAsync(content, Stream.Null, null, transport.Token);

        await transport.CancelAsync();

        var ended = () => serializing.WaitAsync(TimeSpan.FromSeconds(15));
        await ended.Should().ThrowAsync<IOException>().WithMessage("The connection has ended the sending*");
        content.HasFailed.Should().BeFalse();
        inner.Source.SetResult();
        await content.WhenReleased.WaitAsync(TimeSpan.FromSeconds(15));
    }

    /// <summary>The transport sends by itself once more what its server has refused.</summary>
    [Fact]
    public async Task Serialize_WhileAnEarlierSendingStillReads_WaitsForItsEnd()
    {
        using var transport = new CancellationTokenSource();
        using var attempt = new CancellationTokenSource();
        var inner = new SourceContent();
        using var content = new AttemptContent(inner, isReplayable: true);
        content.EndWith(attempt.Token);
        var first = SerializeToStreamAsync(content, Stream.Null, null, transport.Token);
        await transport.CancelAsync();

        var second = SerializeToStreamAsync(content, Stream.Null, null, default);
        var readings = inner.Readings;
        inner.Source.SetResult();
        await second.WaitAsync(TimeSpan.FromSeconds(15));

        (readings, inner.Readings).Should().Be((1, 2));
        await first.Invoking(task => task).Should().ThrowAsync<IOException>();
        await content.WhenReleased.WaitAsync(TimeSpan.FromSeconds(15));
    }

    public static TheoryData<string, bool?, bool> Contents() =>
        new()
        {
            { "bytes", null, true },
            { "bytes", false, false },
            { "json", null, true },
            { "a stream", null, true },
            { "a stream of its own kind", null, false },
            { "parts of bytes and a stream", null, true },
            { "a form", null, true },
            { "a sequence", null, false },
            { "parts with a sequence", null, false },
            { "of its own kind", null, false },
            { "of its own kind", true, true },
        };

    /// <summary>
    /// What can be read only once was sent truncated, and answered as if it were whole, when the platform sent it a second
    /// time by itself.
    /// </summary>
    [Theory]
    [MemberData(nameof(Contents))]
    public async Task Serialize_ASecondTime_IsRefusedToWhatMayBeReadOnlyOnce(
        string kind,
        bool? isReplayable,
        bool mayBeReadAgain
    )
    {
        using var content = new AttemptContent(Content(kind), isReplayable: isReplayable);
        using var first = new MemoryStream();
        await SerializeToStreamAsync(content, first, null, default);

        using var second = new MemoryStream();
        var again = () => SerializeToStreamAsync(content, second, null, default);

        if (mayBeReadAgain)
        {
            await again();
            second.ToArray().Should().Equal(first.ToArray());
            content.HasFailed.Should().BeFalse();
        }
        else
        {
            await again.Should().ThrowAsync<IOException>().WithMessage("*IsContentReplayable*BufferRequestUpTo*");
            second.Length.Should().Be(0);
            content.HasFailed.Should().BeTrue("no backend is to blame");
        }

        content.IsReleased.Should().BeTrue();
    }

    private static HttpContent Content(string kind) =>
        kind switch
        {
            "bytes" => new ByteArrayContent("hello"u8.ToArray()),
            "json" => JsonContent.Create(new[] { 1, 2 }),
            "a stream" => new StreamContent(new MemoryStream("hello"u8.ToArray())),
            "parts of bytes and a stream" => new MultipartContent { Content("bytes"), Content("a stream") },
            "a stream of its own kind" => new OwnStreamContent(),
            "a form" => new MultipartFormDataContent { Content("bytes"), Content("a stream") },
            "a sequence" => JsonContent.Create(Sequence()),
            "parts with a sequence" => new MultipartContent { Content("bytes"), Content("a sequence") },
            _ => new GatedContent { IsOpen = true },
        };

    private static async IAsyncEnumerable<int> Sequence()
    {
        await Task.Yield();
        yield return 1;
    }

    /// <summary>
    /// A content that ends beside its own write gave its watch away, to another request perhaps, whose wait the rest of that
    /// write then ended unseen.
    /// </summary>
    [Fact]
    public async Task Serialize_ContentEndsBesideItsOwnWrite_KeepsTheWatchForThatWrite()
    {
        var time = new FakeTime();
        var limit = TimeSpan.FromSeconds(30);
        Task? serializing = null;
        var inner = new CarelessContent();
        using var wire = new GatedWire(onSecondPiece: () =>
        {
            // The second piece has begun, and before it waits the content has ended.
            inner.End.SetResult();
            ((IAsyncResult)serializing!).AsyncWaitHandle.WaitOne(TimeSpan.FromSeconds(15)).Should().BeTrue();
        });
        using var content = new AttemptContent(inner, new IdleLimit(new Clock(time), limit));
        serializing = SerializeToStreamAsync(content, wire, null, default);

        wire.FirstPiece.SetResult();
        await serializing.WaitAsync(TimeSpan.FromSeconds(15));

        // Until the second piece waits and its time is up.
        await HttpRig.UntilAsync(() =>
        {
            time.Advance(limit);
            return wire.Token.IsCancellationRequested;
        });
        wire.SecondPiece.SetResult();
        await inner
            .Writing!.Invoking(task => task)
            .Should()
            .ThrowAsync<IOException>()
            .WithMessage("*has ended already*");
    }

    [Theory]
    [InlineData("async")]
    [InlineData("at once")]
    public async Task HasFailed_TheConnectionFails_IsFalse(string how)
    {
        using var content = new AttemptContent(new StringContent("x"));

        var copying = () => content.CopyToAsync(new BrokenWire(how));

        await copying.Should().ThrowAsync<HttpRequestException>();
        content.HasFailed.Should().BeFalse();
        content.IsReleased.Should().BeTrue();
    }

    [Fact]
    public async Task HasFailed_TheContentFails_IsTrue()
    {
        var consumed = new StreamContent(new ScriptedStream("x"u8.ToArray(), new InvalidDataException()));
        using var content = new AttemptContent(consumed);

        var copying = () => content.CopyToAsync(Stream.Null);

        await copying.Should().ThrowAsync<InvalidDataException>();
        content.HasFailed.Should().BeTrue();
        content.IsReleased.Should().BeTrue();
    }

    [Fact]
    public void HasFailed_TheContentFailsSynchronously_IsTrue()
    {
        var consumed = new StreamContent(new ScriptedStream("x"u8.ToArray(), new InvalidDataException()));
        using var content = new AttemptContent(consumed);

        var copying = () => content.CopyTo(Stream.Null, null, CancellationToken.None);

        copying.Should().Throw<InvalidDataException>();
        content.HasFailed.Should().BeTrue();
        content.IsReleased.Should().BeTrue();
    }

    [Fact]
    public void HasFailed_TheConnectionFailsSynchronously_IsFalse()
    {
        using var content = new AttemptContent(new StringContent("x"));

        var copying = () => content.CopyTo(new BrokenWire("at once"), null, CancellationToken.None);

        copying.Should().Throw<HttpRequestException>();
        content.HasFailed.Should().BeFalse();
    }

    [Theory]
    [InlineData(4, true, true)]
    [InlineData(6, true, true)]
    [InlineData(5, true, false)]
    [InlineData(null, true, false)]
    [InlineData(4, false, true)]
    [InlineData(6, false, true)]
    [InlineData(5, false, false)]
    [InlineData(null, false, false)]
    public async Task HasFailed_OtherLengthThanPromised_IsTrue(int? promised, bool isAsync, bool expected)
    {
        var inner = new StreamContent(new ScriptedStream("hello"u8.ToArray()) { Piece = 2 });
        inner.Headers.ContentLength = promised;
        using var content = new AttemptContent(inner);

        if (isAsync)
        {
            await content.CopyToAsync(Stream.Null);
        }
        else
        {
            content.CopyTo(Stream.Null, null, CancellationToken.None);
        }

        content.HasFailed.Should().Be(expected);
    }

    /// <summary>The transport takes the promise out when it sends in chunks; nothing is broken then.</summary>
    [Fact]
    public async Task HasFailed_PromiseTakenBackByTheTransport_IsFalse()
    {
        var inner = new StreamContent(new ScriptedStream("hello"u8.ToArray()));
        inner.Headers.ContentLength = 4;
        using var content = new AttemptContent(inner);
        content.Headers.ContentLength = null;

        await content.CopyToAsync(Stream.Null);

        content.HasFailed.Should().BeFalse();
    }

    /// <summary>Fewer bytes than promised, because the connection broke and the content did not tell.</summary>
    [Fact]
    public async Task HasFailed_TheConnectionFailsAndTheContentSwallowsIt_IsFalse()
    {
        using var content = new AttemptContent(new SwallowingContent());

        await content.CopyToAsync(new BrokenWire("at once"));

        content.HasFailed.Should().BeFalse();
    }

    /// <summary>As the transport calls it: unlike <c>CopyToAsync</c> it wraps nothing.</summary>
    [UnsafeAccessor(UnsafeAccessorKind.Method, Name = "SerializeToStreamAsync")]
    private static extern Task SerializeToStreamAsync(
        AttemptContent content,
        Stream stream,
        TransportContext? context,
        CancellationToken cancellationToken
    );

    /// <summary>Waits for a source of its own, from which nothing comes before it ends.</summary>
    private sealed class SourceContent : HttpContent
    {
        public TaskCompletionSource Source { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool HeedsItsToken { get; init; }

        public int Readings { get; private set; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override Task SerializeToStreamAsync(
            Stream stream,
            TransportContext? context,
            CancellationToken cancellationToken
        )
        {
            Readings++;
            return HeedsItsToken ? Source.Task.WaitAsync(cancellationToken) : Source.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>An application's may read its stream in a way that does not ask whether it has been read.</summary>
    private sealed class OwnStreamContent() : StreamContent(new MemoryStream("hello"u8.ToArray()));

    /// <summary>Begins to write two pieces and a bit, and does not wait for it.</summary>
    private sealed class CarelessContent : HttpContent
    {
        public TaskCompletionSource End { get; } = new();

        public Task? Writing { get; private set; }

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            Writing = stream.WriteAsync(new byte[150 * 1024]).AsTask();
            return End.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>Takes a piece when it is told to.</summary>
    private sealed class GatedWire(Action onSecondPiece) : MemoryStream
    {
        private int _pieces;

        /// <summary>Of the last piece: what ends it.</summary>
        public CancellationToken Token { get; private set; }

        public TaskCompletionSource FirstPiece { get; } = new();

        public TaskCompletionSource SecondPiece { get; } = new();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Token = cancellationToken;
            if (++_pieces == 1)
            {
                return new ValueTask(FirstPiece.Task);
            }

            onSecondPiece();
            return new ValueTask(SecondPiece.Task);
        }
    }

    private sealed class SwallowingContent : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            try
            {
                await stream.WriteAsync("first"u8.ToArray());
            }
            catch (IOException)
            {
                // As some sources do.
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 10;
            return true;
        }
    }

    private sealed class ProbingContent : HttpContent
    {
        public Action Probe { get; set; } = () => { };

        public TaskCompletionSource Gate { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            Probe();
            return Gate.Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }

    /// <summary>A connection that refuses every write.</summary>
    private sealed class BrokenWire(string how, Exception? failure = null) : MemoryStream
    {
        public override void Write(byte[] buffer, int offset, int count) => throw new IOException("reset");

        public override void Write(ReadOnlySpan<byte> buffer) => throw new IOException("reset");

        public override ValueTask WriteAsync(
            ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken = default
        ) =>
            how == "async"
                ? ValueTask.FromException(failure ?? new IOException("reset"))
                : throw failure ?? new IOException("reset");

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }
}
