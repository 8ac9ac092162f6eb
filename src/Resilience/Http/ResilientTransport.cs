using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>Makes the transport that <c>UseResilientBackends</c> configures, for use without dependency injection.</summary>
public static class ResilientTransport
{
    /// <summary>
    /// A pooled transport that leaves to the pool what is the pool's: it connects within a bounded time, renews
    /// connections, and follows no redirect, keeps no cookie, uses no proxy and decompresses nothing unless told to.
    /// </summary>
    /// <param name="options">The connections; the defaults if <see langword="null"/>.</param>
    /// <param name="timeouts">Connect and idle times; the defaults if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public static SocketsHttpHandler Create(TransportOptions? options = null, TimeoutOptions? timeouts = null)
    {
        options ??= new TransportOptions();
        timeouts ??= new TimeoutOptions();
        Ranges.ThrowIfAny("transport options", options.Problems());
        Ranges.ThrowIfAny("timeouts", timeouts.Problems());
        return new SocketsHttpHandler
        {
            ConnectTimeout = timeouts.Connect,
            PooledConnectionIdleTimeout = timeouts.IdleConnection,
            PooledConnectionLifetime = options.ConnectionLifetime,
            EnableMultipleHttp2Connections = true,
            MaxConnectionsPerServer = options.MaxConnectionsPerServer,
            AllowAutoRedirect = options.AllowAutoRedirect,
            UseCookies = options.UseCookies,
            UseProxy = options.UseProxy,
            AutomaticDecompression = options.AutomaticDecompression,
        };
    }
}
