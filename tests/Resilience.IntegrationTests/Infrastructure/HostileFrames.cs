using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// <see cref="HostileAnswers"/> over HTTP/2: well-made frames of which then a type, flags, a stream, a length or the contents
/// are changed at random, one is lost, doubled or put in where it does not belong, or the end comes too early. The first
/// answers are as they were made.
/// </summary>
internal static class HostileFrames
{
    private const byte Padded = 0x8;
    private const byte WithPriority = 0x20;

    /// <summary>The eighth entry of HPACK's static table.</summary>
    private static readonly byte[] Ok = [0x88];

    /// <summary>Payloads that mean something to some frame: errors, settings, stream numbers, blocks of headers.</summary>
    private static readonly byte[][] OddPayloads =
    [
        [],
        [0],
        [0, 0, 0, 0],
        [0, 0, 0, 7],
        [0, 0, 0, 11],
        [0x7F, 0xFF, 0xFF, 0xFF],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 11],
        // Settings: no stream at a time, a window too large, a table of 4 GB, a frame of one byte, one that nobody knows.
        [0, 3, 0, 0, 0, 0],
        [0, 4, 0xFF, 0xFF, 0xFF, 0xFF],
        [0, 1, 0xFF, 0xFF, 0xFF, 0xFF],
        [0, 5, 0, 0, 0, 1],
        [0x42, 0x42, 0, 0, 0, 1],
        // HPACK: an entry that does not exist, a number without an end, a table beyond all bounds, letters cut short.
        [0x80],
        [0xBE],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        [0x3F, 0xFF, 0xFF, 0xFF, 0x07],
        [0, 0x82, 0xFF, 0xFF, 0x81, 0xFE],
        [0, 0x7E, (byte)'x'],
        Ok,
        Http2Frames.Field(":status", "200"),
        Http2Frames.Field(":status", "abc"),
        Http2Frames.Field(":status", "-1"),
        Http2Frames.Field(":path", "/"),
        Http2Frames.Field("X-Upper", "1"),
        Http2Frames.Field("x-line", "1\r\nx-more: 2"),
        Http2Frames.Field("connection", "close"),
        Http2Frames.Field("transfer-encoding", "chunked"),
        Http2Frames.Field("content-length", "-1"),
        Http2Frames.Field("content-length", "7"),
        Encoding.ASCII.GetBytes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        new byte[20_000],
    ];

    /// <param name="number">From 1 on.</param>
    /// <param name="stream">What it answers.</param>
    public static byte[] Make(int number, int stream)
    {
        var good = Good(stream);
        var random = HostileAnswers.RandomOf(number);
        var isAsMade = number <= good.Length;
        var frames = new List<Frame>(good[isAsMade ? number - 1 : random.Next(good.Length)]);
        for (var change = isAsMade ? 0 : random.Next(4); change > 0; change--)
        {
            Change(frames, stream, random);
        }

        byte[] bytes = [.. frames.SelectMany(each => each.ToBytes())];
        return isAsMade || random.Next(6) > 0 ? bytes : bytes[..random.Next(bytes.Length + 1)];
    }

    /// <summary>
    /// A server that gives each connection one of these answers, to its first request, and closes: nothing is left to wait
    /// for.
    /// </summary>
    /// <param name="numberOf">The number of the answer for the connection of that number.</param>
    /// <param name="onAnswer">Told of each answer before it is sent, by a task that ends when its connection has.</param>
    public static ScriptServer Serve(Func<int, int> numberOf, Action<Task>? onAnswer = null) =>
        ScriptServer.Start(
            async (socket, connection, token) =>
            {
                await Http2Frames.BeginAsync(socket, token);
                var stream = await Http2Frames.NextRequestAsync(socket, token);
                var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                onAnswer?.Invoke(end.Task);
                try
                {
                    await ScriptServer.SendAsync(socket, Make(numberOf(connection), stream), token);
                    socket.Shutdown(SocketShutdown.Send);
                    // Until the client has closed too: a reset would take away what it has not read yet.
                    while (await socket.ReceiveAsync(new byte[1024], token) > 0) { }
                }
                finally
                {
                    end.SetResult();
                }
            }
        );

    /// <summary>
    /// A server that answers request after request with the next of these answers and leaves the connection open, whatever
    /// the one before has made of it.
    /// </summary>
    public static ScriptServer ServeOnAndOn()
    {
        var answers = 0;
        return ScriptServer.Start(
            async (socket, _, token) =>
            {
                await Http2Frames.BeginAsync(socket, token);
                while (true)
                {
                    var stream = await Http2Frames.NextRequestAsync(socket, token);
                    var answer = Make(Interlocked.Increment(ref answers), stream);
                    await ScriptServer.SendAsync(socket, answer, token);
                }
            }
        );
    }

    private static Frame[][] Good(int stream)
    {
        return
        [
            [Headers(Ok, isLast: true)],
            [Headers(Ok), Data("hello", isLast: true)],
            [Headers([.. Ok, .. Http2Frames.Field("content-length", "5")]), Data("hel"), Data("lo", isLast: true)],
            [
                new(Http2Frames.Headers, 0, stream, Ok),
                new(Http2Frames.Continuation, 0, stream, Http2Frames.Field("x-more", "1")),
                new(Http2Frames.Continuation, Http2Frames.EndHeaders, stream, []),
                Data("hello", isLast: true),
            ],
            [Headers(Http2Frames.Field(":status", "103")), Headers(Ok), Data("hello", isLast: true)],
            [Headers(Ok), Data("hello"), Headers(Http2Frames.Field("x-trailer", "1"), isLast: true)],
            [Headers(Http2Frames.Field(":status", "204"), isLast: true)],
            [Headers([.. Http2Frames.Field(":status", "302"), .. Http2Frames.Field("location", "/x")], isLast: true)],
            [Headers([.. Http2Frames.Field(":status", "503"), .. Http2Frames.Field("retry-after", "5")], isLast: true)],
            [
                new(
                    Http2Frames.Headers,
                    Padded | WithPriority | Http2Frames.EndHeaders,
                    stream,
                    [2, 0, 0, 0, 0, 16, .. Ok, 0, 0]
                ),
                new(Http2Frames.Data, Padded | Http2Frames.EndStream, stream, [1, .. "hello"u8, 0]),
            ],
            [new(Http2Frames.ResetStream, 0, stream, [0, 0, 0, 7])],
            [Headers(Ok), Data("hel"), new(Http2Frames.ResetStream, 0, stream, [0, 0, 0, 2])],
            [new(Http2Frames.GoAway, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0])],
            [
                new(Http2Frames.GoAway, 0, 0, [.. Http2Frames.Bytes(stream), 0, 0, 0, 0]),
                Headers(Ok),
                Data("hello", isLast: true),
            ],
            [
                new(Http2Frames.Settings, 0, 0, [0, 4, 0, 1, 0, 0]),
                new(Http2Frames.WindowUpdate, 0, 0, [0, 0, 1, 0]),
                Headers(Ok),
                new(Http2Frames.Ping, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]),
                Data("hello", isLast: true),
            ],
        ];

        Frame Headers(byte[] block, bool isLast = false) =>
            new(Http2Frames.Headers, Http2Frames.EndHeaders | (isLast ? Http2Frames.EndStream : 0), stream, block);

        Frame Data(string text, bool isLast = false) =>
            new(Http2Frames.Data, isLast ? Http2Frames.EndStream : 0, stream, Encoding.ASCII.GetBytes(text));
    }

    private static void Change(List<Frame> frames, int stream, Random random)
    {
        if (frames.Count == 0 || random.Next(3) == 0)
        {
            frames.Insert(random.Next(frames.Count + 1), Odd(stream, random));
            return;
        }

        var at = random.Next(frames.Count);
        var frame = frames[at];
        switch (random.Next(7))
        {
            case 0:
                frames[at] = frame with { Type = OddType(random) };
                break;
            case 1:
                frames[at] = frame with { Flags = frame.Flags ^ (1 << random.Next(8)) };
                break;
            case 2:
                frames[at] = frame with { Stream = OddStream(stream, random) };
                break;
            case 3:
                frames[at] = frame with { Length = random.Next(2) == 0 ? random.Next(32) : random.Next(1 << 24) };
                break;
            case 4 when frame.Payload.Length > 0:
                var payload = (byte[])frame.Payload.Clone();
                payload[random.Next(payload.Length)] = (byte)random.Next(256);
                frames[at] = frame with { Payload = payload };
                break;
            case 5:
                frames.Insert(random.Next(frames.Count + 1), frame);
                break;
            default:
                frames.RemoveAt(at);
                break;
        }
    }

    private static Frame Odd(int stream, Random random) =>
        new(
            OddType(random),
            random.Next(2) == 0 ? Http2Frames.EndHeaders : random.Next(256),
            random.Next(2) == 0 ? stream : OddStream(stream, random),
            OddPayloads[random.Next(OddPayloads.Length)]
        );

    /// <summary>All that there are, and three that nobody knows.</summary>
    private static byte OddType(Random random) => (byte)random.Next(Http2Frames.Continuation + 4);

    /// <summary>The connection itself, streams that nobody has begun or that have ended, one of the server's own.</summary>
    private static int OddStream(int stream, Random random) =>
        random.Next(5) switch
        {
            0 => 0,
            1 => stream + 2,
            2 => Math.Max(1, stream - 2),
            3 => 2,
            _ => int.MaxValue,
        };

    private sealed record Frame(byte Type, int Flags, int Stream, byte[] Payload)
    {
        /// <summary>What it says of its payload; the truth if <see langword="null"/>.</summary>
        public int? Length { get; init; }

        public byte[] ToBytes()
        {
            var bytes = Http2Frames.Frame(Type, Flags, Stream, Payload);
            if (Length is { } length)
            {
                Http2Frames.Bytes(length).AsSpan(1).CopyTo(bytes);
            }

            return bytes;
        }
    }
}
