using System.Globalization;

namespace Resilience.Benchmarks.Watching;

/// <summary>The <see cref="EndpointServer"/> in its own process, and the addresses at which it answers.</summary>
internal sealed class Endpoints : IDisposable
{
    private const int HostsPerBlock = 250;

    private readonly ServerProcess _server;
    private readonly int _plainPort;
    private readonly int _securePort;

    private Endpoints(ServerProcess server)
    {
        _server = server;
        var ports = server.Greeting.Split(' ');
        _plainPort = int.Parse(ports[0], CultureInfo.InvariantCulture);
        _securePort = int.Parse(ports[1], CultureInfo.InvariantCulture);
    }

    public static Endpoints Start() => new(ServerProcess.Start(EndpointServer.Argument));

    /// <inheritdoc cref="ServerProcess.PinTo"/>
    public void PinTo(string core) => _server.PinTo(core);

    /// <summary>So many of them, each with an address of its own.</summary>
    public Uri[] Plain(int count) => Addresses("http", _plainPort, count);

    /// <summary>The same over TLS.</summary>
    public Uri[] Secure(int count) => Addresses("https", _securePort, count);

    public void Dispose() => _server.Dispose();

    /// <summary>So many hosts of 127.0.0.0/8 at a port.</summary>
    public static Uri[] Addresses(string scheme, int port, int count) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(i => new Uri($"{scheme}://127.1.{i / HostsPerBlock}.{1 + (i % HostsPerBlock)}:{port}/")),
        ];
}
