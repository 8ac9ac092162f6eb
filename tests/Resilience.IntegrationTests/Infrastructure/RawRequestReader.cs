using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>Reads the requests of one connection from its bytes.</summary>
internal sealed class RawRequestReader(Socket socket, int connection)
{
    private readonly byte[] _buffer = new byte[16 * 1024];
    private int _position;
    private int _end;

    /// <summary>The next request, or null when the connection ended before its first byte.</summary>
    /// <param name="onRequestLine">Called when the request line has arrived, whatever comes of the rest.</param>
    /// <param name="isExpectationMet">
    /// Whether a client that expects a 100 before it sends the body gets one; if not, its body is not waited for.
    /// </param>
    public async Task<RawRequest?> ReadAsync(
        Action onRequestLine,
        Func<bool> isExpectationMet,
        CancellationToken cancellationToken
    )
    {
        var head = new MemoryStream();
        var body = new MemoryStream();
        try
        {
            if (!await ReadHeadAsync(head, onRequestLine, cancellationToken))
            {
                return head.Length == 0 ? null : Request(isComplete: false);
            }

            var text = Encoding.Latin1.GetString(head.ToArray());
            if (HeaderValue(text, "Expect") is not null)
            {
                if (!isExpectationMet())
                {
                    return Request(isComplete: true);
                }

                await socket.SendAsync(
                    "HTTP/1.1 100 Continue\r\n\r\n"u8.ToArray(),
                    SocketFlags.None,
                    cancellationToken
                );
            }

            return Request(await ReadBodyAsync(text, body, cancellationToken));
        }
        catch (SocketException)
        {
            return head.Length == 0 ? null : Request(isComplete: false);
        }

        RawRequest Request(bool isComplete) => new(connection, head.ToArray(), body.ToArray(), isComplete);
    }

    private async Task<bool> ReadHeadAsync(MemoryStream head, Action onRequestLine, CancellationToken cancellationToken)
    {
        for (var lines = 0; ; lines++)
        {
            var start = head.Length;
            if (!await ReadLineAsync(head, cancellationToken))
            {
                return false;
            }

            if (lines == 0)
            {
                onRequestLine();
            }
            else if (head.Length - start == "\r\n".Length)
            {
                return true;
            }
        }
    }

    private async Task<bool> ReadBodyAsync(string head, MemoryStream body, CancellationToken cancellationToken)
    {
        if (HeaderValue(head, "Transfer-Encoding") is not null)
        {
            return await ReadChunksAsync(body, cancellationToken);
        }

        var length = int.Parse(HeaderValue(head, "Content-Length") ?? "0", CultureInfo.InvariantCulture);
        return await ReadExactlyAsync(body, length, cancellationToken);
    }

    private async Task<bool> ReadChunksAsync(MemoryStream body, CancellationToken cancellationToken)
    {
        while (true)
        {
            var line = new MemoryStream();
            if (!await ReadLineAsync(line, cancellationToken))
            {
                return false;
            }

            var size = int.Parse(
                Encoding.Latin1.GetString(line.ToArray()).Split(';')[0].Trim(),
                NumberStyles.HexNumber,
                CultureInfo.InvariantCulture
            );
            if (size == 0)
            {
                return await ReadTrailersAsync(cancellationToken);
            }

            if (
                !await ReadExactlyAsync(body, size, cancellationToken)
                || !await ReadLineAsync(new MemoryStream(), cancellationToken)
            )
            {
                return false;
            }
        }
    }

    private async Task<bool> ReadTrailersAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var line = new MemoryStream();
            if (!await ReadLineAsync(line, cancellationToken))
            {
                return false;
            }

            if (line.Length == "\r\n".Length)
            {
                return true;
            }
        }
    }

    private async Task<bool> ReadLineAsync(MemoryStream line, CancellationToken cancellationToken)
    {
        while (await FillAsync(cancellationToken))
        {
            var available = _buffer.AsSpan(_position, _end - _position);
            var newline = available.IndexOf((byte)'\n');
            var taken = newline < 0 ? available.Length : newline + 1;
            line.Write(available[..taken]);
            _position += taken;
            if (newline >= 0)
            {
                return true;
            }
        }

        return false;
    }

    private async Task<bool> ReadExactlyAsync(MemoryStream target, int count, CancellationToken cancellationToken)
    {
        while (count > 0)
        {
            if (!await FillAsync(cancellationToken))
            {
                return false;
            }

            var taken = Math.Min(count, _end - _position);
            target.Write(_buffer, _position, taken);
            _position += taken;
            count -= taken;
        }

        return true;
    }

    /// <summary>Makes sure that the buffer holds a byte; false at the end of the connection.</summary>
    private async Task<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_position < _end)
        {
            return true;
        }

        _position = 0;
        _end = await socket.ReceiveAsync(_buffer, SocketFlags.None, cancellationToken);
        return _end > 0;
    }

    private static string? HeaderValue(string head, string name) =>
        head.Split("\r\n")
            .Where(line => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase))
            .Select(line => line[(name.Length + 1)..].Trim())
            .FirstOrDefault();
}
