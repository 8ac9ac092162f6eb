using System.Net;
using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// The connections to backends. A reload changes them for transports made later; that of the probes stays. Mutable until
/// it is handed over; not thread-safe.
/// </summary>
public sealed class TransportOptions
{
    /// <summary>How long a connection serves before it is replaced. Range: 100 ms to 12 hours, or infinite.</summary>
    /// <value>The default is 2 minutes.</value>
    public TimeSpan ConnectionLifetime { get; set; } = TimeoutDefaults.ConnectionLifetime;

    /// <summary>Connections to one backend at most. Range: 1 to 2,147,483,647.</summary>
    /// <value>The default is no limit.</value>
    public int MaxConnectionsPerServer { get; set; } = int.MaxValue;

    /// <summary>Whether redirects are followed, on the backend that sent them, past the pool.</summary>
    /// <value>The default is <see langword="false"/>: they are returned.</value>
    public bool AllowAutoRedirect { get; set; }

    /// <summary>Whether cookies are kept and sent, to every backend alike.</summary>
    /// <value>The default is <see langword="false"/>.</value>
    public bool UseCookies { get; set; }

    /// <summary>Whether the system's proxy is used.</summary>
    /// <value>The default is <see langword="false"/>.</value>
    public bool UseProxy { get; set; }

    /// <summary>The compressions that are asked for and undone.</summary>
    /// <value>The default is none.</value>
    public DecompressionMethods AutomaticDecompression { get; set; }

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (
                nameof(ConnectionLifetime),
                ConnectionLifetime == Timeout.InfiniteTimeSpan
                    ? null
                    : Ranges.Problem(ConnectionLifetime, Ranges.Tenth, Ranges.HalfDay)
            ),
            (nameof(MaxConnectionsPerServer), Ranges.Problem(MaxConnectionsPerServer, 1, int.MaxValue)),
        ];
}
