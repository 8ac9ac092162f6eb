using System.Buffers;
using System.Net;
using System.Reflection;
using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Health.Active;

/// <summary>
/// Probes a backend with a request over HTTP or HTTPS, by default a GET of its health path, on connections of its own that
/// are kept open. A redirect is no success, at most 64 KB of the body are read, and certificates are verified as the given
/// handler does. Thread-safe.
/// </summary>
public sealed class HttpHealthProbe : IHealthProbe, IDisposable
{
    /// <summary>A longer body is not read to its end; its connection is given up.</summary>
    private const int MostBodyBytes = 64 * 1024;

    private const int ChunkBytes = 4 * 1024;

    private static readonly string UserAgent = $"Resilience/{Version()}";

    /* An HttpClient would link two tokens for every probe, for a timeout and a cancelling that the checker has already. */
    private readonly HttpMessageInvoker _client;
    private ProbeTarget _target;

    /// <summary>Creates a probe.</summary>
    /// <param name="options">What is sent and which answers are expected; the defaults if <see langword="null"/>.</param>
    /// <param name="handler">What sends it; disposed with the probe. A pooled handler of its own if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public HttpHealthProbe(HealthCheckOptions? options = null, HttpMessageHandler? handler = null)
    {
        _target = new ProbeTarget(options ?? new HealthCheckOptions());
        _client = new HttpMessageInvoker(handler ?? CreateTransport());
    }

    /// <inheritdoc/>
    public async ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(backend);
        var target = Volatile.Read(ref _target);
        using var request = target.RequestFor(backend.Definition, UserAgent);
        var asked = request.RequestUri;
        try
        {
            using var response = await _client.SendAsync(request, cancellationToken).ConfigureAwait(false);
            // A handler of the application's own may follow redirects: it leaves in the request where that has led it.
            return request.RequestUri == asked
                ? await ReadAsync(response, target, cancellationToken).ConfigureAwait(false)
                : new ProbeResult(false, $"{target.Name} was redirected", StatusCode: (int)response.StatusCode);
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return new ProbeResult(
                false,
                $"{target.Name} failed: {Redaction.Printable(ReasonOf(exception))}",
                Error: exception
            );
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The transport's connect timeout arrives as a cancellation that nobody asked for.
            var reason = (exception.InnerException ?? exception).Message;
            return new ProbeResult(false, $"{target.Name} failed: {Redaction.Printable(reason)}", Error: exception);
        }
    }

    /// <summary>Closes its connections.</summary>
    public void Dispose() => _client.Dispose();

    /// <summary>
    /// What sends probes where nobody gives a handler. It renews its connections, as those of requests are: else a backend
    /// whose name has moved would be probed where it was.
    /// </summary>
    internal static SocketsHttpHandler CreateTransport() =>
        Prepare(
            new SocketsHttpHandler
            {
                UseProxy = false,
                ConnectTimeout = TimeoutDefaults.Connect,
                PooledConnectionIdleTimeout = TimeoutDefaults.IdleConnection,
                PooledConnectionLifetime = TimeoutDefaults.ConnectionLifetime,
            }
        );

    /// <summary>
    /// Takes from a transport what probes must not do, and keeps the rest: TLS, proxy, connect time.
    /// </summary>
    internal static SocketsHttpHandler Prepare(SocketsHttpHandler transport)
    {
        transport.AllowAutoRedirect = false;
        transport.UseCookies = false;
        transport.AutomaticDecompression = DecompressionMethods.None;
        // Of a body beyond the bound the platform would read up to a megabyte away, to use its connection again.
        transport.MaxResponseDrainSize = 0;
        // Probes are not traced.
        transport.ActivityHeadersPropagator = null;
        return transport;
    }

    internal void Configure(HealthCheckOptions options) => Volatile.Write(ref _target, new ProbeTarget(options));

    /// <summary>What is wrong with a certificate, or with a connection that was lost, is told by the inner exception alone.</summary>
    private static string ReasonOf(Exception exception) =>
        exception switch
        {
            HttpRequestException { HttpRequestError: HttpRequestError.SecureConnectionError } failure =>
                $"TLS: {(failure.InnerException ?? failure).Message}",
            HttpRequestException { InnerException: IOException lost } => lost.Message,
            _ => exception.Message,
        };

    /// <summary>Reads the body to its end, so that the connection can be used again, or up to the bound.</summary>
    private static async ValueTask<ProbeResult> ReadAsync(
        HttpResponseMessage response,
        ProbeTarget target,
        CancellationToken cancellationToken
    )
    {
        var buffer = ArrayPool<byte>.Shared.Rent(target.ExpectsBody ? MostBodyBytes : ChunkBytes);
        try
        {
            var kept = 0;
            var body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
            {
                var read = 0;
                int count;
                do
                {
                    count = await body.ReadAsync(buffer.AsMemory(kept), cancellationToken).ConfigureAwait(false);
                    read += count;
                    kept = target.ExpectsBody ? read : 0;
                } while (count > 0 && read < MostBodyBytes);
            }

            return target.Judge((int)response.StatusCode, buffer.AsSpan(0, kept));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static string Version() =>
        typeof(HttpHealthProbe).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>() is { } attribute
            ? attribute.InformationalVersion.Split('+')[0]
            : "0";
}
