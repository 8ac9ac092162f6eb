using System.Net;
using System.Net.Sockets;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// Ports for backends that are killed and started again on the same port. They lie below the range from which systems
/// take the ports of outgoing connections and of port 0, and none is given out twice, so that nobody else sits on a
/// killed backend's port when it comes back, and no client connects to itself on it meanwhile.
/// </summary>
internal static class TestPorts
{
    private const int First = 12_000;
    private const int Count = 20_000;

    private static int Last = Random.Shared.Next(Count);

    /// <summary>A port of 127.0.0.1 on which nobody listened a moment ago.</summary>
    public static int Next()
    {
        for (var tries = 0; tries < Count; tries++)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref Last) % Count);
            if (IsFree(port))
            {
                return port;
            }
        }

        throw new InvalidOperationException($"No free port in {First}-{First + Count - 1}.");
    }

    private static bool IsFree(int port)
    {
        using var probe = new TcpListener(IPAddress.Loopback, port);
        try
        {
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
