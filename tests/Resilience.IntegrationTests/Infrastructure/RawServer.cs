using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// A server on 127.0.0.1 that speaks HTTP/1.1 by hand, for faults on the wire that no well-made server produces. Counts
/// connections and requests, and keeps the bytes of every request. Thread-safe.
/// </summary>
internal sealed class RawServer : IAsyncDisposable
{
    private const string OkBody = "ok";

    private static readonly byte[] OkResponse = Encoding.ASCII.GetBytes(
        $"HTTP/1.1 200 OK\r\nContent-Length: {OkBody.Length}\r\n\r\n{OkBody}"
    );

    private static readonly byte[] ClosingResponse = Encoding.ASCII.GetBytes(
        $"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {OkBody.Length}\r\n\r\n{OkBody}"
    );

    private static readonly byte[] TornResponse = Encoding.ASCII.GetBytes(
        $"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{new string('x', 100)}"
    );

    private readonly Lock _gate = new();
    private readonly List<RawRequest> _requests = [];
    private readonly List<Task> _connections = [];
    private readonly CancellationTokenSource _stopping = new();
    private readonly TcpListener _listener;
    private readonly Task _accepting;
    private volatile WireFault _fault;
    private int _acceptedConnections;
    private int _openConnections;
    private int _requestCount;

    private RawServer(WireFault fault, int port)
    {
        _fault = fault;
        _listener = new TcpListener(IPAddress.Loopback, port);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    public int Port { get; }

    public Uri Address => new($"http://127.0.0.1:{Port}/");

    /// <summary>What happens to requests that arrive from now on.</summary>
    public WireFault Fault
    {
        get => _fault;
        set => _fault = value;
    }

    /// <summary>How many connections were accepted.</summary>
    public int AcceptedConnections => Volatile.Read(ref _acceptedConnections);

    /// <summary>How many connections are open at this end.</summary>
    public int OpenConnections => Volatile.Read(ref _openConnections);

    /// <summary>How many request lines have arrived, whether or not the rest of the request did.</summary>
    public int RequestCount => Volatile.Read(ref _requestCount);

    /// <summary>The requests received so far, each when its body or connection has ended.</summary>
    public IReadOnlyList<RawRequest> Requests
    {
        get
        {
            lock (_gate)
            {
                return [.. _requests];
            }
        }
    }

    /// <summary>Starts a server; it accepts connections when this returns.</summary>
    public static RawServer Start(WireFault fault = WireFault.Ok, int port = 0) => new(fault, port);

    /// <summary>Ends all connections and returns when nothing runs any more.</summary>
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
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptSocketAsync(_stopping.Token);
                var number = Interlocked.Increment(ref _acceptedConnections);
                Interlocked.Increment(ref _openConnections);
                lock (_gate)
                {
                    _connections.Add(Task.Run(() => ServeAsync(socket, number)));
                }
            }
        }
        catch (Exception problem)
            when (problem is OperationCanceledException or SocketException or InvalidOperationException)
        {
            // Stopped.
        }
    }

    private async Task ServeAsync(Socket socket, int connection)
    {
        try
        {
            using (socket)
            {
                socket.NoDelay = true;
                await ServeRequestsAsync(socket, connection);
            }
        }
        catch (Exception problem) when (problem is OperationCanceledException or SocketException)
        {
            // Stopped, or the client left.
        }
        finally
        {
            Interlocked.Decrement(ref _openConnections);
        }
    }

    private async Task ServeRequestsAsync(Socket socket, int connection)
    {
        var reader = new RawRequestReader(socket, connection);
        for (var isReused = false; ; isReused = true)
        {
            var request = await reader.ReadAsync(
                () => Interlocked.Increment(ref _requestCount),
                // Without a byte means without the 100 that an expecting client waits for.
                isExpectationMet: () => !(isReused && IsClosing(_fault)),
                _stopping.Token
            );
            if (request is null)
            {
                return;
            }

            lock (_gate)
            {
                _requests.Add(request);
            }

            if (!request.IsComplete || !await AnswerAsync(socket, isReused, request.AsksToClose))
            {
                return;
            }
        }
    }

    private static bool IsClosing(WireFault fault) =>
        fault
            is WireFault.CloseReusedConnectionWithoutAByte
                or WireFault.CloseReusedConnectionAndListener
                or WireFault.ResetReusedConnection;

    /// <summary>Answers as the fault says; false when the connection has ended.</summary>
    private async Task<bool> AnswerAsync(Socket socket, bool isReused, bool asksToClose)
    {
        switch (_fault)
        {
            case WireFault.CloseReusedConnectionWithoutAByte when isReused:
                Close(socket);
                return false;
            case WireFault.CloseReusedConnectionAndListener when isReused:
                // Before the client can see the end of this connection.
                _listener.Stop();
                Close(socket);
                return false;
            case WireFault.RedirectToNobody:
                await SendAsync(
                    socket,
                    Encoding.ASCII.GetBytes(
                        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n"
                            + $"Location: http://127.0.0.1:{TestPorts.Next()}/nobody\r\n\r\n"
                    )
                );
                return true;
            case WireFault.ResetReusedConnection when isReused:
                Reset(socket);
                return false;
            case WireFault.ResetMidBody:
                await SendAsync(socket, TornResponse);
                Reset(socket);
                return false;
            case WireFault.ShortBody:
                await SendAsync(socket, TornResponse);
                Close(socket);
                return false;
            case WireFault.HalfHeaders:
                await SendAsync(socket, "HTTP/1.1 200 OK\r\nContent-Len"u8.ToArray());
                Close(socket);
                return false;
            case WireFault.Garbage:
                await SendAsync(socket, "\u0001\u0002 this is no HTTP \r\n\r\n"u8.ToArray());
                Close(socket);
                return false;
            case WireFault.StallMidBody:
                await SendAsync(socket, TornResponse);
                goto case WireFault.AcceptAndNeverAnswer;
            case WireFault.AcceptAndNeverAnswer:
                // Ends when the client leaves or the server stops.
                await socket.ReceiveAsync(new byte[1], SocketFlags.None, _stopping.Token);
                return false;
            case WireFault.Ok when asksToClose:
                await SendAsync(socket, ClosingResponse);
                Close(socket);
                return false;
            default:
                await SendAsync(socket, OkResponse);
                return true;
        }
    }

    private async Task SendAsync(Socket socket, byte[] bytes)
    {
        for (var sent = 0; sent < bytes.Length; )
        {
            sent += await socket.SendAsync(bytes.AsMemory(sent), SocketFlags.None, _stopping.Token);
        }
    }

    /// <summary>An end that the client sees as the end of the stream (FIN): everything it sent has been read.</summary>
    private static void Close(Socket socket)
    {
        socket.Shutdown(SocketShutdown.Send);
        socket.Close();
    }

    /// <summary>An end that the client sees as a reset (RST): lingering for no time drops the connection.</summary>
    private static void Reset(Socket socket)
    {
        socket.LingerState = new LingerOption(enable: true, seconds: 0);
        socket.Close();
    }
}
