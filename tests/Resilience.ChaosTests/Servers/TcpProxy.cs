using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Servers;

/// <summary>
/// A stretch of network before a server: passes every connection on, late by a delay and by a share of jitter, in order;
/// resets them all when told to, as a firewall does that has forgotten them. Thread-safe.
/// </summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Socket, byte> _clients = new();
    private readonly ConcurrentDictionary<Task, byte> _running = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly IPEndPoint _target;
    private readonly Task _accepting;
    private (TimeSpan Delay, TimeSpan Jitter) _weather;

    private TcpProxy(IPEndPoint target)
    {
        _target = target;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public Uri Address => new($"http://{_listener.LocalEndpoint}/");

    public static TcpProxy Start(Uri target) => new(new IPEndPoint(IPAddress.Parse(target.Host), target.Port));

    /// <summary>Whatever comes from now on is late by that, each way, and by up to the jitter more.</summary>
    public void Delay(TimeSpan delay, TimeSpan jitter)
    {
        lock (_clients)
        {
            _weather = (delay, jitter);
        }
    }

    /// <summary>Resets every connection that is open.</summary>
    public void ResetAll()
    {
        foreach (var client in _clients.Keys)
        {
            Reset(client);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
        await _accepting;
        ResetAll();
        await Task.WhenAll(_running.Keys).WaitAsync(Limits.Wait);
    }

    private static void Reset(Socket socket)
    {
        try
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
        }
        catch (Exception problem) when (problem is SocketException or ObjectDisposedException)
        {
            // It has ended by itself.
        }

        socket.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_stopping.Token);
                _clients.TryAdd(client, 0);
                var serving = Task.Run(() => ServeAsync(client));
                _running.TryAdd(serving, 0);
                _ = serving.ContinueWith(done => _running.TryRemove(done, out _), TaskScheduler.Default);
            }
        }
        catch (Exception problem)
            when (problem is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Stopped.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var server = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            client.NoDelay = server.NoDelay = true;
            await server.ConnectAsync(_target, _stopping.Token);
            await Task.WhenAny(PassAsync(client, server), PassAsync(server, client));
        }
        catch (Exception problem)
            when (problem is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // Nobody listens there, or one of the two has left.
        }
        finally
        {
            _clients.TryRemove(client, out _);
            client.Dispose();
        }
    }

    /// <summary>One direction, until either end is gone.</summary>
    private async Task PassAsync(Socket from, Socket to)
    {
        var late = Channel.CreateUnbounded<(byte[] Bytes, long Due)>();
        var sending = SendAsync(late.Reader, to);
        try
        {
            var buffer = new byte[16 * 1024];
            long last = 0;
            int read;
            while ((read = await from.ReceiveAsync(buffer, SocketFlags.None, _stopping.Token)) > 0)
            {
                // Never before what came before it: this is a stream.
                last = Math.Max(last, Stopwatch.GetTimestamp() + TicksLate());
                late.Writer.TryWrite((buffer[..read], last));
            }
        }
        catch (Exception problem)
            when (problem is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One of the two has left.
        }

        late.Writer.Complete();
        await sending;
    }

    private async Task SendAsync(ChannelReader<(byte[] Bytes, long Due)> late, Socket to)
    {
        try
        {
            await foreach (var (bytes, due) in late.ReadAllAsync(_stopping.Token))
            {
                var left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due);
                if (left > TimeSpan.Zero)
                {
                    await Task.Delay(left, _stopping.Token);
                }

                for (var sent = 0; sent < bytes.Length; )
                {
                    sent += await to.SendAsync(bytes.AsMemory(sent), SocketFlags.None, _stopping.Token);
                }
            }
        }
        catch (Exception problem)
            when (problem is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // One of the two has left.
        }
    }

    private long TicksLate()
    {
        lock (_clients)
        {
            var seconds = _weather.Delay.TotalSeconds + (Random.Shared.NextDouble() * _weather.Jitter.TotalSeconds);
            return (long)(seconds * Stopwatch.Frequency);
        }
    }
}
