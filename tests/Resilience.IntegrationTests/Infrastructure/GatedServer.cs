using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// A server on 127.0.0.1 that answers one request piece by piece, each when the test says so: what has arrived at the
/// client before the next piece was sent has provably not waited for it. Not thread-safe.
/// </summary>
internal sealed class GatedServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private Socket? _socket;

    private GatedServer()
    {
        _listener.Start();
    }

    public Uri Address => new($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");

    public static GatedServer Start() => new();

    /// <summary>Returns when a request, without content, has arrived.</summary>
    public async Task ReceiveAsync()
    {
        _socket ??= await _listener.AcceptSocketAsync().WaitAsync(Limits.Wait);
        _socket.NoDelay = true;
        var head = new StringBuilder();
        var buffer = new byte[4 * 1024];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            var read = await _socket.ReceiveAsync(buffer).WaitAsync(Limits.Wait);
            head.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }
    }

    /// <summary>Sends the headers of a response of chunks.</summary>
    public Task SendHeadersAsync(string contentType = "text/plain") =>
        SendRawAsync($"HTTP/1.1 200 OK\r\nContent-Type: {contentType}\r\nTransfer-Encoding: chunked\r\n\r\n");

    public Task SendChunkAsync(string text) => SendRawAsync($"{text.Length:x}\r\n{text}\r\n");

    /// <summary>Ends the response.</summary>
    public Task EndAsync() => SendRawAsync("0\r\n\r\n");

    /// <summary>Answers whole.</summary>
    public Task AnswerAsync(string body) =>
        SendRawAsync($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}");

    public ValueTask DisposeAsync()
    {
        _socket?.Dispose();
        _listener.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>Sends these bytes, whatever they are.</summary>
    public async Task SendRawAsync(string text)
    {
        var bytes = Encoding.ASCII.GetBytes(text);
        for (var sent = 0; sent < bytes.Length; )
        {
            sent += await _socket!.SendAsync(bytes.AsMemory(sent));
        }
    }
}
