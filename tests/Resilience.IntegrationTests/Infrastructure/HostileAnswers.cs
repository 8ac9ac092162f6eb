using System.Globalization;
using System.IO.Compression;
using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// Answers that were well-made once and then changed at random: a byte turned, a stretch lost or doubled, nonsense put in,
/// an end too early. The first are as they were made. The seed and an answer's number give the same bytes again;
/// <c>eng/fuzz</c> gives another seed.
/// </summary>
internal static class HostileAnswers
{
    /// <summary>The seed of this run: the environment's <c>RESILIENCE_SEED</c>, else always the same.</summary>
    public static int Seed { get; } = Setting("RESILIENCE_SEED") ?? 20_261_121;

    private static readonly string[] Good =
    [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n5;a=b\r\nhello\r\n0\r\nX: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.0 200\r\n\r\nuntil the end",
        "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: text/plain; charset=x\r\nContent-Length: 4\r\n\r\n\u001f\u008b\u0008x",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
    ];

    private static readonly string[] Nonsense =
    [
        "\r\n",
        "\n",
        "\0",
        ":",
        " ",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 7\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked, identity\r\n",
        "FFFFFFFFFFFFFFFF\r\n",
        "-5\r\n",
        "Retry-After: 99999999999\r\n",
        "Retry-After: never\r\nRetry-After: 5\r\n",
        "Location: http://user:password@[::\r\n",
        "Connection: close\r\nConnection: keep-alive\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/9.9 999 \u0001\r\n",
        "X-Long: " + new string('x', 70_000) + "\r\n",
        "\u001b[2J",
        "\u00ff\u00fe",
    ];

    /// <summary>How many answers a test meets: the environment's <c>RESILIENCE_ANSWERS</c>, else its own count.</summary>
    public static int CountOr(int own) => Setting("RESILIENCE_ANSWERS") ?? own;

    /// <summary>The source of what is drawn for the answer of that number: seeds share none of a million.</summary>
    public static Random RandomOf(int number) => new(unchecked((Seed * 1_000_003) + number));

    /// <param name="number">From 1 on.</param>
    public static byte[] Make(int number)
    {
        if (number <= Good.Length)
        {
            return Encoding.Latin1.GetBytes(Good[number - 1]);
        }

        var random = RandomOf(number);
        var answer = new StringBuilder(Good[random.Next(Good.Length)]);
        for (var change = random.Next(4); change > 0 && answer.Length > 0; change--)
        {
            var at = random.Next(answer.Length);
            var length = random.Next(1 + Math.Min(20, answer.Length - at));
            switch (random.Next(5))
            {
                case 0:
                    answer[at] = (char)random.Next(256);
                    break;
                case 1:
                    answer.Remove(at, length);
                    break;
                case 2:
                    answer.Insert(at, answer.ToString(at, length));
                    break;
                case 3:
                    answer.Insert(at, Nonsense[random.Next(Nonsense.Length)]);
                    break;
                default:
                    answer.Length = at;
                    break;
            }
        }

        return Encoding.Latin1.GetBytes(answer.ToString());
    }

    /// <summary>A server that gives each connection the next of these answers, and closes.</summary>
    public static ScriptServer Serve() => Serve((number, _) => Make(number));

    /// <summary>A server that answers <c>/7</c> with the seventh of these answers, as often as it is asked, and closes.</summary>
    public static ScriptServer ServeByPath() =>
        Serve((_, head) => Make(int.Parse(head.Split(' ')[1].AsSpan(1), CultureInfo.InvariantCulture)));

    /// <summary>A server that gives each connection that answer, once, and closes.</summary>
    public static ScriptServer Serve(string answer) => Serve((_, _) => Encoding.Latin1.GetBytes(answer));

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text
            ? int.Parse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture)
            : null;

    private static ScriptServer Serve(Func<int, string, byte[]> answer) =>
        ScriptServer.Start(
            async (socket, number, token) =>
            {
                var head = await ScriptServer.ReadHeadAsync(socket, token);
                if (head.Length == 0)
                {
                    return;
                }

                await ScriptServer.SendAsync(socket, answer(number, head), token);
                socket.Shutdown(SocketShutdown.Send);
                // Until the client has closed too: a reset would take away what it has not read yet.
                while (await socket.ReceiveAsync(new byte[1024], token) > 0) { }
            }
        );

    /// <summary>A text, and zeros up to that length, as gzip: about a thousandth of it.</summary>
    public static byte[] Bomb(string start, int length)
    {
        using var bomb = new MemoryStream();
        using (var gzip = new GZipStream(bomb, CompressionLevel.Optimal))
        {
            gzip.Write(Encoding.ASCII.GetBytes(start));
            var zeros = new byte[64 * 1024];
            for (var left = length - start.Length; left > 0; left -= zeros.Length)
            {
                gzip.Write(zeros, 0, Math.Min(left, zeros.Length));
            }
        }

        return bomb.ToArray();
    }

    /// <summary>A server that answers every request of a connection with that body, which it says is gzip.</summary>
    public static ScriptServer ServeGzip(byte[] body) =>
        ScriptServer.Start(
            async (socket, _, token) =>
            {
                var head = $"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {body.Length}\r\n\r\n";
                while ((await ScriptServer.ReadHeadAsync(socket, token)).Length > 0)
                {
                    await ScriptServer.SendAsync(socket, head, token);
                    await ScriptServer.SendAsync(socket, body, token);
                }
            }
        );

    /// <summary>A server that begins an answer and then sends the same piece for ever, as fast as it is taken.</summary>
    public static ScriptServer Flood(string head, string piece)
    {
        var bytes = Encoding.Latin1.GetBytes(string.Concat(Enumerable.Repeat(piece, 1 + (8_192 / piece.Length))));
        return ScriptServer.Start(
            async (socket, _, token) =>
            {
                if ((await ScriptServer.ReadHeadAsync(socket, token)).Length == 0)
                {
                    return;
                }

                await ScriptServer.SendAsync(socket, head, token);
                while (true)
                {
                    await ScriptServer.SendAsync(socket, bytes, token);
                }
            }
        );
    }

    /// <summary>
    /// A server that begins each answer over HTTP/2 with those headers, and then sends the same frame for ever, as fast as
    /// it is taken.
    /// </summary>
    /// <param name="isBegun">Whether the headers go on in the frames that follow; else there are only those.</param>
    /// <param name="onFlood">Told after each lot of frames.</param>
    public static ScriptServer FloodOverHttp2(bool isBegun, byte type, int flags, byte[] payload, Action onFlood) =>
        ScriptServer.Start(
            async (socket, _, token) =>
            {
                await Http2Frames.BeginAsync(socket, token);
                var stream = await Http2Frames.NextRequestAsync(socket, token);
                if (isBegun)
                {
                    var status = Http2Frames.Field(":status", "200");
                    var begin = Http2Frames.Frame(Http2Frames.Headers, flags: 0, stream, status);
                    await ScriptServer.SendAsync(socket, begin, token);
                }

                var frame = Http2Frames.Frame(type, flags, stream, payload);
                byte[] lot = [.. Enumerable.Repeat(frame, 1 + (8_192 / frame.Length)).SelectMany(each => each)];
                while (true)
                {
                    await ScriptServer.SendAsync(socket, lot, token);
                    onFlood();
                }
            }
        );
}
