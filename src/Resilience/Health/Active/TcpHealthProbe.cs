using System.Globalization;
using System.Net.Sockets;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>
/// Probes a backend by making a TCP connection and closing it again: it shows that somebody listens, not that anybody
/// answers. Thread-safe.
/// </summary>
public sealed class TcpHealthProbe : IHealthProbe
{
    private Port _port;

    /// <summary>Creates a probe.</summary>
    /// <param name="options">Its <see cref="HealthCheckOptions.Port"/> is used; the defaults if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public TcpHealthProbe(HealthCheckOptions? options = null)
    {
        options ??= new HealthCheckOptions();
        Ranges.ThrowIfAny("health check options", options.Problems());
        _port = new Port(options.Port);
    }

    /// <inheritdoc/>
    public async ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(backend);
        var definition = backend.Definition;
        var address = definition.HealthAddress ?? definition.Address;
        var port = Volatile.Read(ref _port).Value ?? address.Port;
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(address.IdnHost, port, cancellationToken).ConfigureAwait(false);
            return new ProbeResult(true, $"TCP connection to port {Text(port)} made");
        }
        catch (SocketException exception)
        {
            return new ProbeResult(
                false,
                $"TCP connection to port {Text(port)} failed: {exception.Message}",
                Error: exception
            );
        }
    }

    internal void Configure(HealthCheckOptions options) => Volatile.Write(ref _port, new Port(options.Port));

    private static string Text(int port) => port.ToString(CultureInfo.InvariantCulture);

    private sealed record Port(int? Value);
}
