using System.Collections.Concurrent;
using System.Net.Sockets;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>The connections that a pool's transports have opened, and how many of them are still open. Thread-safe.</summary>
internal sealed class Connections
{
    private readonly ConcurrentQueue<SocketsHttpHandler> _transports = new();
    private int _opened;
    private int _open;

    public int Opened => Volatile.Read(ref _opened);

    public int Open => Volatile.Read(ref _open);

    /// <summary>Counts what this transport connects; it connects as it would by itself.</summary>
    public void Watch(SocketsHttpHandler transport)
    {
        _transports.Enqueue(transport);
        transport.ConnectCallback = async (context, cancellationToken) =>
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(context.DnsEndPoint, cancellationToken);
                Interlocked.Increment(ref _opened);
                Interlocked.Increment(ref _open);
                return new CountedStream(socket, this);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
    }

    /// <summary>Ends the transports, as a factory of clients does only when the process ends, and keeps none.</summary>
    public void End()
    {
        while (_transports.TryDequeue(out var transport))
        {
            transport.Dispose();
        }
    }

    /// <summary>Ends the transports, and returns when every socket that they have opened is closed.</summary>
    public Task EndAsync()
    {
        End();
        return Eventually.BecomesTrueAsync(
            () => Open == 0,
            Limits.Wait,
            () => $"no connection is left of {Opened}, and not {Open}"
        );
    }

    private sealed class CountedStream(Socket socket, Connections owner) : NetworkStream(socket, ownsSocket: true)
    {
        private int _isDisposed;

        protected override void Dispose(bool disposing)
        {
            if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
            {
                Interlocked.Decrement(ref owner._open);
            }

            base.Dispose(disposing);
        }
    }
}
