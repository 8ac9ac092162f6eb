using System.Net;
using System.Text;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>Bodies that are slow, huge or without an end pass through as they come (law 4; R97, R124).</summary>
[Collection(MemoryCollection.Name)]
public sealed class EndlessBodyTests : ResilienceTest
{
    private const int Huge = 96 * 1024 * 1024;
    private const int Kept = 12 * 1024 * 1024;

    [Fact]
    public async Task Body_Dripping_OutlastsTheIdleReadTimeoutManyTimes()
    {
        await using var server = GatedServer.Start();
        var time = new FakeTime();
        var client = Connect(time, options => options.AddBackend(server.Address.ToString(), "a"));
        var sending = client.Http.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead);
        await server.ReceiveAsync();
        await server.SendRawAsync("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n");
        using var response = await sending.WaitAsync(Limits.Wait);
        using var body = await response.Content.ReadAsStreamAsync();
        var read = new StringBuilder();

        foreach (var piece in "drips.")
        {
            var reading = body.ReadAsync(new byte[1]).AsTask();
            // Each wait is a second short of the idle read timeout; together they are many times the total timeout.
            time.Advance(TimeSpan.FromSeconds(29));
            reading.IsCompleted.Should().BeFalse();
            await server.SendRawAsync($"{piece}");
            (await reading.WaitAsync(Limits.Wait)).Should().Be(1);
            read.Append(piece);
        }

        read.ToString().Should().Be("drips.");
        client["a"].InFlight.Should().Be(0);
        client["a"].Failures.Should().Be(0);
    }

    [Fact]
    public async Task Body_DrippingIntoTheBuffer_IsEndedByTheAttemptsTimeAndTheTotal()
    {
        await using var server = GatedServer.Start();
        var time = new FakeTime();
        var client = Connect(
            time,
            options =>
            {
                options.AddBackend(server.Address.ToString(), "a");
                options.BufferResponsesUpTo = 1_000;
                options.Timeouts.Attempt = options.Timeouts.Total = TimeSpan.FromSeconds(10);
            }
        );
        var sending = client.Http.GetAsync(Relative(""));
        await server.ReceiveAsync();
        await server.SendRawAsync("HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n");

        // A byte a second is no silence, and it is no answer either.
        for (var i = 0; i < 9; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await server.SendRawAsync("x");
        }

        var isEarly = sending.IsCompleted;
        time.Advance(TimeSpan.FromSeconds(1));

        var thrown = await sending.Awaiting(each => each).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        isEarly.Should().BeFalse();
        client["a"].InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Events_WithoutAnEnd_ComeAsTheyAreUntilTheReaderLeaves() // law 3
    {
        await using var server = GatedServer.Start();
        var time = new FakeTime();
        var client = Connect(time, options => options.AddBackend(server.Address.ToString(), "a"));
        using var leave = new CancellationTokenSource();
        var sending = client.Http.GetAsync(Relative("events"), HttpCompletionOption.ResponseHeadersRead);
        await server.ReceiveAsync();
        await server.SendHeadersAsync("text/event-stream");
        using var response = await sending.WaitAsync(Limits.Wait);
        using var body = await response.Content.ReadAsStreamAsync();
        var buffer = new byte[100];

        for (var i = 0; i < 5; i++)
        {
            var reading = body.ReadAsync(buffer).AsTask();
            time.Advance(TimeSpan.FromHours(1));
            reading.IsCompleted.Should().BeFalse("silence is no fault on an event stream");
            await server.SendChunkAsync($"data: {i}\n\n");
            var read = await reading.WaitAsync(Limits.Wait);
            Encoding.ASCII.GetString(buffer, 0, read).Should().Be($"data: {i}\n\n");
        }

        var last = body.ReadAsync(buffer, leave.Token).AsTask();
        var whileReading = client["a"].InFlight;
        await leave.CancelAsync();

        await last.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
        response.Dispose();
        whileReading.Should().Be(1);
        client["a"].InFlight.Should().Be(0);
        client["a"].Failures.Should().Be(0);
    }

    [Fact]
    public async Task Download_OfAHugeBody_IsNotKeptInMemory()
    {
        var server = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await ScriptServer.ReadHeadAsync(socket, token);
                    await ScriptServer.SendAsync(socket, $"HTTP/1.1 200 OK\r\nContent-Length: {Huge}\r\n\r\n", token);
                    var block = new byte[64 * 1024];
                    for (var sent = 0; sent < Huge; sent += block.Length)
                    {
                        await ScriptServer.SendAsync(socket, block, token);
                    }
                }
            )
        );
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a"));
        var buffer = new byte[64 * 1024];
        var before = GC.GetTotalMemory(forceFullCollection: true);

        using var response = await client.Http.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead);
        using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[64 * 1024]);
        long length = 64 * 1024;
        var most = 0L;
        for (var next = Huge / 4; length < Huge; )
        {
            length += await body.ReadAsync(buffer);
            if (length >= next)
            {
                most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
                next += Huge / 4;
            }
        }

        length.Should().Be(Huge);
        most.Should().BeLessThan(Kept, "what has been read is not kept");
        client["a"].InFlight.Should().Be(0);
    }

    /// <summary>By default nobody asks for gzip, and nobody undoes it, wherever the body is read.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1 << 20)]
    public async Task Body_BombOfGzip_IsHandedOverAsItCame(int bufferUpTo)
    {
        var bomb = HostileAnswers.Bomb("bomb", Huge);
        var server = Own(HostileAnswers.ServeGzip(bomb));
        var client = Connect(options =>
        {
            options.AddBackend(server.Address.ToString(), "a");
            options.BufferResponsesUpTo = bufferUpTo;
        });

        using var response = await client.Http.GetAsync(Relative("")).WaitAsync(Limits.Wait);

        bomb.Length.Should().BeLessThan(1 << 20);
        (await response.Content.ReadAsByteArrayAsync()).Should().Equal(bomb);
        response.Content.Headers.ContentEncoding.Should().Equal("gzip");
    }

    /// <summary>
    /// Where the transport is told to undo it, no length is known any more: what it becomes is read as far as it may have
    /// memory and streams from there on, although what comes by the wire would fit.
    /// </summary>
    [Fact]
    public async Task Body_BombOfGzipThatTheTransportUndoes_IsReadNoFurtherThanTheLimit()
    {
        var server = Own(HostileAnswers.ServeGzip(HostileAnswers.Bomb("bomb", Huge)));
        var client = Connect(options =>
        {
            options.AddBackend(server.Address.ToString(), "a");
            options.Transport.AutomaticDecompression = DecompressionMethods.GZip;
            options.BufferResponsesUpTo = 1 << 20;
        });
        var before = GC.GetTotalMemory(forceFullCollection: true);

        using var response = await client
            .Http.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead)
            .WaitAsync(Limits.Wait);
        using var body = await response.Content.ReadAsStreamAsync();
        var start = new byte[4];
        await body.ReadExactlyAsync(start);

        (GC.GetTotalMemory(forceFullCollection: true) - before).Should().BeLessThan(Kept, "nobody has read more of it");
        Encoding.ASCII.GetString(start).Should().Be("bomb");
    }

    [Fact]
    public async Task Upload_OfAHugeStream_IsNotKeptInMemory()
    {
        var most = 0L;
        var before = 0L;
        long received = 0;
        var server = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    var head = await ScriptServer.ReadHeadAsync(socket, token);
                    received = head.Length - head.IndexOf("\r\n\r\n", StringComparison.Ordinal) - 4;
                    var buffer = new byte[64 * 1024];
                    for (var next = Huge / 4; received < Huge; )
                    {
                        received += await socket.ReceiveAsync(buffer, token);
                        if (received >= next)
                        {
                            most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: true) - before);
                            next += Huge / 4;
                        }
                    }

                    await ScriptServer.SendAsync(socket, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", token);
                    await socket.ReceiveAsync(buffer, token);
                }
            )
        );
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a"));
        before = GC.GetTotalMemory(forceFullCollection: true);
        using var content = new StreamContent(new Zeros(Huge));
        content.Headers.ContentLength = Huge;

        using var response = await client.Http.PostAsync(Relative(""), content);

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        received.Should().Be(Huge);
        most.Should().BeLessThan(Kept, "what has been sent is not kept");
    }

    /// <summary>So many bytes that come from nowhere.</summary>
    private sealed class Zeros(long length) : Stream
    {
        private long _position;

        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => _position;
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = (int)Math.Min(count, length - _position);
            buffer.AsSpan(offset, read).Clear();
            _position += read;
            return read;
        }

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
