using System.Globalization;
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
    /// <summary>The first port after these, on a machine that is set up as most are.</summary>
    private const int UsualEnd = 32_000;

    /// <summary>Below this there is no room for a run of the tests.</summary>
    private const int LowestEnd = 4_000;

    private static readonly int End = FindEnd();
    private static readonly int First = Math.Min(12_000, End / 2);
    private static readonly int Count = End - First;

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

        throw new InvalidOperationException($"No free port in {First}-{End - 1}.");
    }

    /// <summary>Where Linux says that the ports of outgoing connections begin, if that is lower than usual.</summary>
    /// <remarks>Where they begin so low that nothing is left below them, a port can only be taken from among them.</remarks>
    private static int FindEnd()
    {
        const string OutgoingPorts = "/proc/sys/net/ipv4/ip_local_port_range";
        if (!File.Exists(OutgoingPorts))
        {
            return UsualEnd;
        }

        var first = int.Parse(File.ReadAllText(OutgoingPorts).Split()[0], CultureInfo.InvariantCulture);
        return first < LowestEnd ? UsualEnd : Math.Min(first, UsualEnd);
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
