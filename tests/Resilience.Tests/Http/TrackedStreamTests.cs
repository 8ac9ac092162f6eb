using System.Globalization;
using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>Every way of a stream tells of progress and end; the rest passes through.</summary>
public sealed class TrackedStreamTests
{
    public static TheoryData<string> Reads =>
        [
            "Read array",
            "Read span",
            "ReadByte",
            "ReadAsync array",
            "ReadAsync memory",
            "BeginRead",
            "ReadExactly",
            "ReadAtLeastAsync",
            "CopyTo",
            "CopyToAsync",
        ];

    [Theory]
    [MemberData(nameof(Reads))]
    public async Task Read_ByAnyOverload_ToTheLastByteOfAKnownLength_EndsTheLease(string read)
    {
        using var rig = new HttpRig();
        var (stream, lease) = Open(rig, new ScriptedStream("abcdef"u8.ToArray()), length: 6);

        var bytes = await ReadAllAsync(stream, read, 6);

        bytes.Should().Equal("abcdef"u8.ToArray());
        lease.IsReported.Should().BeTrue();
        rig.InFlight.Should().Be(0);
    }

    [Theory]
    [MemberData(nameof(Reads))]
    public async Task Read_ByAnyOverload_ShortOfTheEnd_HoldsTheLease(string read)
    {
        using var rig = new HttpRig();
        var (stream, lease) = Open(rig, new ScriptedStream("abcdef"u8.ToArray()), length: 7);

        await ReadAllAsync(stream, read is "CopyTo" or "CopyToAsync" ? "ReadAsync memory" : read, 6);

        lease.IsReported.Should().BeFalse();
        rig.InFlight.Should().Be(1);
    }

    [Theory]
    [MemberData(nameof(Reads))]
    public async Task Read_ByAnyOverload_EndsBeforeItsLength_BlamesTheBackend(string read)
    {
        using var rig = new HttpRig();
        var (stream, _) = Open(rig, new ScriptedStream("abcdef"u8.ToArray()), length: 8);

        var reading = () => ReadAllAsync(stream, read, 8);

        var thrown = await reading.Should().ThrowAsync<HttpIOException>();
        thrown.Which.HttpRequestError.Should().Be(HttpRequestError.ResponseEnded);
        thrown.Which.Message.Should().Contain("2 bytes before");
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData("Read array")]
    [InlineData("Read span")]
    [InlineData("ReadByte")]
    [InlineData("ReadAsync array")]
    [InlineData("ReadAsync memory")]
    public async Task Read_ByAnyOverload_Fails_BlamesTheBackend(string read)
    {
        using var rig = new HttpRig();
        var (stream, _) = Open(rig, new ScriptedStream(new IOException("reset")), length: null);

        var reading = () => ReadAllAsync(stream, read, 1);

        await reading.Should().ThrowAsync<IOException>().WithMessage("reset");
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    /// <summary>What is here already may be read in any order, and in part.</summary>
    [Fact]
    public async Task Read_BodyThatIsHereFromItsMiddleOn_IsNotTakenForCutShort()
    {
        using var rig = new HttpRig(1);
        rig.On("b1", Answers.Body(new ByteArrayContent(new byte[100])));
        using var response = await rig.SendAsync();
        var body = await response.Content.ReadAsStreamAsync();
        body.Position = 96;

        var read = await body.ReadAtLeastAsync(new byte[10], 10, throwOnEndOfStream: false);

        read.Should().Be(4);
        rig["b1"].Failures.Should().Be(0);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task ReadAsync_InnerThrowsBeforeItsFirstAwait_BlamesTheBackend()
    {
        using var rig = new HttpRig();
        var (stream, _) = Open(rig, new ThrowingStream(), length: null);

        var reading = () => stream.ReadAsync(new byte[1]).AsTask();

        await reading.Should().ThrowAsync<IOException>();
        rig["b1"].Failures.Should().Be(1);
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task ReadAsync_OfNothing_IsNoEnd()
    {
        using var rig = new HttpRig();
        var (stream, lease) = Open(rig, new ScriptedStream("abc"u8.ToArray()), length: null);

        (await stream.ReadAsync(Memory<byte>.Empty)).Should().Be(0);

        lease.IsReported.Should().BeFalse();
        rig.InFlight.Should().Be(1);
    }

    [Fact]
    public async Task Write_PassesThroughAsAnUpgradedConnectionNeeds()
    {
        using var rig = new HttpRig();
        var inner = new ScriptedStream([]);
        var (stream, _) = Open(rig, inner, length: null);

        stream.Write(new byte[1], 0, 1);
        stream.Write(new byte[2].AsSpan());
        stream.WriteByte(0);
        await stream.WriteAsync(new byte[3].AsMemory());
        await stream.WriteAsync(new byte[4], 0, 4);
        stream.Flush();
        await stream.FlushAsync();

        inner
            .Calls.Should()
            .Equal("Write 1", "Write 2", "Write 1", "WriteAsync 3", "WriteAsync 4", "Flush", "FlushAsync");
        rig.InFlight.Should().Be(1);
    }

    [Fact]
    public void Abilities_AreTheInnerStreams()
    {
        using var rig = new HttpRig();
        var inner = new MemoryStream([1, 2, 3]);
        var (stream, _) = Open(rig, inner, length: null);

        (stream.CanRead, stream.CanSeek, stream.CanWrite, stream.CanTimeout).Should().Be((true, true, true, false));
        stream.Length.Should().Be(3);
        stream.Seek(1, SeekOrigin.Begin).Should().Be(1);
        stream.Position.Should().Be(1);
        stream.Position = 2;
        inner.Position.Should().Be(2);
        stream.SetLength(1);
        inner.Length.Should().Be(1);
        stream.Invoking(each => each.ReadTimeout = 1).Should().Throw<InvalidOperationException>();
        stream.Invoking(each => each.WriteTimeout).Should().Throw<InvalidOperationException>();
    }

    [Theory]
    [InlineData(null, 16_384)]
    [InlineData(0L, 16_384)]
    [InlineData(1L, 1)]
    [InlineData(16_383L, 16_383)]
    [InlineData(16_384L, 16_384)]
    [InlineData(long.MaxValue, 16_384)]
    public void CopyBufferSize_IsNoLargerThanTheBody(long? length, int expected)
    {
        TrackedStream.CopyBufferSize(length).Should().Be(expected);
    }

    private static (TrackedStream Stream, BackendLease Lease) Open(HttpRig rig, Stream body, long? length)
    {
        var inner = new StreamContent(body);
        if (length is not null)
        {
            inner.Headers.ContentLength = length;
        }
        else
        {
            inner.Headers.TryAddWithoutValidation(
                "Content-Length",
                string.Create(CultureInfo.InvariantCulture, $"{long.MaxValue}")
            );
        }

        var lease = rig.Lease("b1");
        var outcome = new AttemptOutcome(OutcomeKind.Success, StatusCode: 200);
        lease.Outcome = outcome;
        return (
            new TrackedStream(body, new TrackedContent(inner, ContentHeaders.LengthOf(inner), lease, long.MaxValue)),
            lease
        );
    }

    private static async Task<byte[]> ReadAllAsync(Stream stream, string read, int count)
    {
        if (read is "CopyTo" or "CopyToAsync")
        {
            using var copy = new MemoryStream();
            if (read == "CopyTo")
            {
                stream.CopyTo(copy);
            }
            else
            {
                await stream.CopyToAsync(copy);
            }

            return copy.ToArray();
        }

        var bytes = new byte[count];
        for (var at = 0; at < count; )
        {
            var (before, left) = (at, count - at);
            switch (read)
            {
                case "Read array":
                    at += stream.Read(bytes, at, left);
                    break;
                case "Read span":
                    at += stream.Read(bytes.AsSpan(at));
                    break;
                case "ReadByte":
                    bytes[at++] = checked((byte)stream.ReadByte());
                    break;
                case "ReadAsync array":
                    at += await stream.ReadAsync(bytes, at, left);
                    break;
                case "ReadAsync memory":
                    at += await stream.ReadAsync(bytes.AsMemory(at));
                    break;
                case "BeginRead":
                    at += await Task.Factory.FromAsync(stream.BeginRead, stream.EndRead, bytes, at, left, null);
                    break;
                case "ReadExactly":
                    stream.ReadExactly(bytes);
                    at = count;
                    break;
                default:
                    at += await stream.ReadAtLeastAsync(bytes.AsMemory(at), left);
                    break;
            }

            at.Should().BeGreaterThan(before, "it has not ended");
        }

        return bytes;
    }

    private sealed class ThrowingStream : MemoryStream
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            throw new IOException("at once");
    }
}
