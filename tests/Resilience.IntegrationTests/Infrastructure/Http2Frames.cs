using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// As much of HTTP/2's framing (RFC 9113) as a server needs that refuses streams, goes away, or answers what it should not.
/// </summary>
internal static class Http2Frames
{
    public const byte Data = 0x0;
    public const byte Headers = 0x1;
    public const byte ResetStream = 0x3;
    public const byte Settings = 0x4;
    public const byte Ping = 0x6;
    public const byte GoAway = 0x7;
    public const byte WindowUpdate = 0x8;
    public const byte Continuation = 0x9;

    public const byte EndStream = 0x1;
    public const byte EndHeaders = 0x4;

    private const byte Acknowledge = 0x1;
    private const int InternalError = 0x2;
    private const int RefusedStream = 0x7;
    private const int HeaderLength = 9;
    private const int InitialWindow = 65_535;
    private const int PrefaceLength = 24;

    /// <summary>The client's preface, and this side's settings, which are the defaults.</summary>
    public static async Task BeginAsync(Socket socket, CancellationToken token)
    {
        await ReadAsync(socket, PrefaceLength, token);
        await SendAsync(socket, Settings, 0, 0, [], token);
    }

    /// <summary>
    /// The stream of the next request, once its headers have come; what the connection itself asks for meanwhile is
    /// answered, and contents are passed over.
    /// </summary>
    public static async Task<int> NextRequestAsync(Socket socket, CancellationToken token)
    {
        while (true)
        {
            var (type, _, stream, _) = await NextFrameAsync(socket, token);
            if (type == Headers)
            {
                return stream;
            }
        }
    }

    /// <summary>A request's content as text, once it has ended or was reset; no other request comes meanwhile.</summary>
    public static async Task<(string Text, bool IsWhole)> ContentAsync(
        Socket socket,
        int stream,
        CancellationToken token
    )
    {
        var text = new StringBuilder();
        while (true)
        {
            var (type, flags, of, payload) = await NextFrameAsync(socket, token);
            text.Append(type == Data && of == stream ? Encoding.UTF8.GetString(payload) : "");
            if (of == stream && (type == ResetStream || (type == Data && (flags & EndStream) != 0)))
            {
                return (text.ToString(), type == Data);
            }
        }
    }

    private static async Task<(byte Type, int Flags, int Stream, byte[] Payload)> NextFrameAsync(
        Socket socket,
        CancellationToken token
    )
    {
        var head = await ReadAsync(socket, HeaderLength, token);
        var payload = await ReadAsync(socket, (head[0] << 16) | (head[1] << 8) | head[2], token);
        var (type, flags) = (head[3], head[4]);
        if (type is Settings or Ping && (flags & Acknowledge) == 0)
        {
            await SendAsync(socket, type, Acknowledge, 0, type == Ping ? payload : [], token);
        }

        return (type, flags, BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(5)) & int.MaxValue, payload);
    }

    /// <summary>Answers 200 without a body.</summary>
    public static Task AnswerAsync(Socket socket, int stream, CancellationToken token) =>
        // The eighth entry of HPACK's static table.
        SendAsync(socket, Headers, EndHeaders | EndStream, stream, [0x88], token);

    /// <summary>Answers 503 without a body.</summary>
    public static Task AnswerUnavailableAsync(Socket socket, int stream, CancellationToken token) =>
        // The name of the eighth entry, and a value of its own.
        SendAsync(socket, Headers, EndHeaders | EndStream, stream, [0x08, 3, .. "503"u8], token);

    /// <summary>Begins an answer 200 with a body of that length, it says, if it says any.</summary>
    public static Task BeginAnswerAsync(Socket socket, int stream, int? length, CancellationToken token) =>
        SendAsync(
            socket,
            Headers,
            EndHeaders,
            stream,
            [0x88, .. length is null ? [] : Field("content-length", $"{length}")],
            token
        );

    public static Task SendDataAsync(Socket socket, int stream, string text, bool isLast, CancellationToken token) =>
        SendAsync(socket, Data, isLast ? EndStream : 0, stream, Encoding.ASCII.GetBytes(text), token);

    public static Task EndWithTrailerAsync(
        Socket socket,
        int stream,
        string name,
        string value,
        CancellationToken token
    ) => SendAsync(socket, Headers, EndHeaders | EndStream, stream, Field(name, value), token);

    /// <summary>A header as HPACK writes it that is put into no table: a literal, each part at most 126 bytes long.</summary>
    public static byte[] Field(string name, string value) =>
        [0, (byte)name.Length, .. Encoding.ASCII.GetBytes(name), (byte)value.Length, .. Encoding.ASCII.GetBytes(value)];

    /// <summary>Breaks an answer off.</summary>
    public static Task ResetAsync(Socket socket, int stream, CancellationToken token) =>
        SendAsync(socket, ResetStream, 0, stream, Bytes(InternalError), token);

    public static Task RefuseAsync(Socket socket, int stream, CancellationToken token) =>
        SendAsync(socket, ResetStream, 0, stream, Bytes(RefusedStream), token);

    /// <param name="last">The last stream that was or will be worked on; what is above it was not.</param>
    public static Task GoAwayAsync(Socket socket, int last, CancellationToken token) =>
        SendAsync(socket, GoAway, 0, 0, [.. Bytes(last), .. Bytes(0)], token);

    /// <summary>Lets a stream, or with stream 0 the connection, have nearly all that a window can hold.</summary>
    public static Task OpenWindowAsync(Socket socket, int stream, CancellationToken token) =>
        SendAsync(socket, WindowUpdate, 0, stream, Bytes(int.MaxValue - InitialWindow), token);

    /// <summary>As numbers stand in frames, the highest byte first.</summary>
    public static byte[] Bytes(int value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Frame(byte type, int flags, int stream, byte[] payload) =>
        [.. Bytes(payload.Length).AsSpan(1), type, (byte)flags, .. Bytes(stream), .. payload];

    private static Task SendAsync(
        Socket socket,
        byte type,
        int flags,
        int stream,
        byte[] payload,
        CancellationToken token
    ) => ScriptServer.SendAsync(socket, Frame(type, flags, stream, payload), token);

    private static async Task<byte[]> ReadAsync(Socket socket, int count, CancellationToken token)
    {
        var bytes = new byte[count];
        for (var at = 0; at < count; )
        {
            var read = await socket.ReceiveAsync(bytes.AsMemory(at), token);
            at += read > 0 ? read : throw new SocketException((int)SocketError.ConnectionReset);
        }

        return bytes;
    }
}
