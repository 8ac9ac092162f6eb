using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// A server on 127.0.0.1 each of whose connections runs a script of the test's own, down to the frames. Disposing it ends
/// them all. Thread-safe.
/// </summary>
internal sealed class ScriptServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private readonly List<Task> _connections = [];
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<Socket, int, CancellationToken, Task> _script;
    private readonly Task _accepting;
    private int _accepted;

    private ScriptServer(Func<Socket, int, CancellationToken, Task> script)
    {
        _script = script;
        _listener.Start();
        Address = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/");
        _accepting = AcceptAsync();
    }

    public Uri Address { get; }

    /// <summary>How many connections were accepted.</summary>
    public int AcceptedConnections => Volatile.Read(ref _accepted);

    /// <param name="script">
    /// Told the socket, the connection's number from 1 on, and a token that ends with the server; the socket is closed
    /// after it. That the client or the server ended the connection is nothing unusual.
    /// </param>
    public static ScriptServer Start(Func<Socket, int, CancellationToken, Task> script) => new(script);

    /// <summary>The head of a request, and of its content what came with it.</summary>
    /// <returns>Empty when the client has closed.</returns>
    public static async Task<string> ReadHeadAsync(Socket socket, CancellationToken token)
    {
        var head = new StringBuilder();
        var buffer = new byte[4 * 1024];
        while (!head.ToString().Contains("\r\n\r\n", StringComparison.Ordinal))
        {
            var read = await socket.ReceiveAsync(buffer, token);
            if (read == 0)
            {
                return "";
            }

            head.Append(Encoding.Latin1.GetString(buffer, 0, read));
        }

        return head.ToString();
    }

    public static Task SendAsync(Socket socket, string text, CancellationToken token) =>
        SendAsync(socket, Encoding.Latin1.GetBytes(text), token);

    public static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> bytes, CancellationToken token)
    {
        while (bytes.Length > 0)
        {
            bytes = bytes[await socket.SendAsync(bytes, token)..];
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
        await _accepting.WaitAsync(Limits.Wait);
        Task[] connections;
        lock (_gate)
        {
            connections = [.. _connections];
        }

        await Task.WhenAll(connections).WaitAsync(Limits.Wait);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptSocketAsync(_stopping.Token);
                var number = Interlocked.Increment(ref _accepted);
                lock (_gate)
                {
                    _connections.Add(Task.Run(() => RunAsync(socket, number)));
                }
            }
        }
        catch (Exception problem)
            when (problem is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task RunAsync(Socket socket, int number)
    {
        try
        {
            using (socket)
            {
                socket.NoDelay = true;
                await _script(socket, number, _stopping.Token);
            }
        }
        catch (Exception problem) when (problem is OperationCanceledException or SocketException)
        {
            // Stopped, or the client left.
        }
    }
}
