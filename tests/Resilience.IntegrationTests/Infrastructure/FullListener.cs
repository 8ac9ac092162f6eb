using System.Net;
using System.Net.Sockets;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// A port of 127.0.0.1 whose queue of connections is full and never served: the kernel drops what more clients send, so
/// that their connections are neither made nor refused, as behind a firewall that drops.
/// </summary>
internal sealed class FullListener : IAsyncDisposable
{
    /// <summary>More than fit: those that do not fit go on trying, and take a place that becomes free.</summary>
    private const int Clients = 4;

    private readonly Socket _listener = Tcp();
    private readonly Socket[] _clients = [.. Enumerable.Range(0, Clients).Select(_ => Tcp())];
    private Task[] _connecting = [];

    private FullListener()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        // Linux keeps one connection more than that.
        _listener.Listen(backlog: 0);
    }

    public Uri Address => new($"http://{_listener.LocalEndPoint}/");

    public static async Task<FullListener> StartAsync()
    {
        var listener = new FullListener();
        var end = listener._listener.LocalEndPoint!;
        listener._connecting = [.. listener._clients.Select(client => client.ConnectAsync(end))];
        // The one for which there is room.
        await await Task.WhenAny(listener._connecting).WaitAsync(Limits.Wait);
        return listener;
    }

    public async ValueTask DisposeAsync()
    {
        Array.ForEach(_clients, client => client.Dispose());
        _listener.Dispose();
        // Those that were still trying end with their sockets.
        await Task.WhenAll(_connecting).WaitAsync(Limits.Wait).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static Socket Tcp() => new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
}
