using System.Diagnostics;
using System.Globalization;

namespace Resilience.Benchmarks.Watching;

/// <summary>The <see cref="EndpointServer"/> in its own process, and the addresses at which it answers.</summary>
internal sealed class Endpoints : IDisposable
{
    private const int HostsPerBlock = 250;

    private readonly Process _process;
    private readonly int _plainPort;
    private readonly int _securePort;

    private Endpoints(Process process, int plainPort, int securePort)
    {
        _process = process;
        _plainPort = plainPort;
        _securePort = securePort;
    }

    public static Endpoints Start()
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, EndpointServer.Argument)
        {
            // Held open as long as this process lives: its end is what ends the server.
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var process = Process.Start(start) ?? throw new InvalidOperationException("No process was started.");
        var ports = process.StandardOutput.ReadLine()?.Split(' ');
        return ports is [var plain, var secure]
            ? new Endpoints(
                process,
                int.Parse(plain, CultureInfo.InvariantCulture),
                int.Parse(secure, CultureInfo.InvariantCulture)
            )
            : throw new InvalidOperationException("The server of endpoints did not start.");
    }

    /// <summary>So many of them, each with an address of its own.</summary>
    public Uri[] Plain(int count) => Addresses("http", _plainPort, count);

    /// <summary>The same over TLS.</summary>
    public Uri[] Secure(int count) => Addresses("https", _securePort, count);

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    private static Uri[] Addresses(string scheme, int port, int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => new Uri($"{scheme}://127.1.{i / HostsPerBlock}.{1 + (i % HostsPerBlock)}:{port}/")),
        ];
}
