using System.Buffers;
using System.Net;
using System.Reflection;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>
/// Probes a backend with a GET of its health path over HTTP or HTTPS, on connections of its own that are kept open.
/// A redirect is no success, the body is read up to a bound so that the connection can be used again, and certificates
/// are verified as the given handler does. Thread-safe.
/// </summary>
public sealed class HttpHealthProbe : IHealthProbe, IDisposable
{
    /// <summary>A longer body is not read to its end; its connection is given up.</summary>
    private const int MostBodyBytes = 64 * 1024;

    private static readonly string UserAgent = $"Resilience/{Version()}";

    private readonly HttpClient _client;
    private Target _target;

    /// <summary>Creates a probe.</summary>
    /// <param name="options">The path and the expected statuses; the defaults if <see langword="null"/>.</param>
    /// <param name="handler">What sends it; disposed with the probe. A pooled handler of its own if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public HttpHealthProbe(HealthCheckOptions? options = null, HttpMessageHandler? handler = null)
    {
        _target = Target.From(options ?? new HealthCheckOptions());
        _client = new HttpClient(handler ?? Prepare(new SocketsHttpHandler { UseProxy = false }), disposeHandler: true)
        {
            // The checker's timeout covers every kind of probe, and the whole of it.
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <inheritdoc/>
    public async ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(backend);
        var target = Volatile.Read(ref _target);
        var definition = backend.Definition;
        using var request = new HttpRequestMessage(HttpMethod.Get, target.AddressOn(definition.Address));
        request.Headers.TryAddWithoutValidation("User-Agent", UserAgent);
        request.Headers.Host = definition.Host;
        try
        {
            using var response = await _client
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                .ConfigureAwait(false);
            await DrainAsync(response.Content, cancellationToken).ConfigureAwait(false);
            var status = (int)response.StatusCode;
            return new ProbeResult(
                target.IsExpected(status),
                $"GET {target.Path} answered {status}",
                StatusCode: status
            );
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException)
        {
            return new ProbeResult(false, $"GET {target.Path} failed: {exception.Message}", Error: exception);
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            // The transport's connect timeout arrives as a cancellation that nobody asked for.
            var reason = (exception.InnerException ?? exception).Message;
            return new ProbeResult(false, $"GET {target.Path} failed: {reason}", Error: exception);
        }
    }

    /// <summary>Closes its connections.</summary>
    public void Dispose() => _client.Dispose();

    /// <summary>
    /// Takes from a transport what probes must not do, and keeps the rest: TLS, proxy, connect time.
    /// </summary>
    internal static SocketsHttpHandler Prepare(SocketsHttpHandler transport)
    {
        transport.AllowAutoRedirect = false;
        transport.UseCookies = false;
        transport.AutomaticDecompression = DecompressionMethods.None;
        // Probes are not traced.
        transport.ActivityHeadersPropagator = null;
        return transport;
    }

    internal void Configure(HealthCheckOptions options) => Volatile.Write(ref _target, Target.From(options));

    private static async Task DrainAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(4 * 1024);
        try
        {
            var body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            await using (body.ConfigureAwait(false))
            {
                var read = 0;
                int count;
                do
                {
                    count = await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
                    read += count;
                } while (count > 0 && read < MostBodyBytes);
            }
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

    private sealed record Target(string Path, StatusRange[] Expected)
    {
        public static Target From(HealthCheckOptions options)
        {
            Ranges.ThrowIfAny("health check options", options.Problems());
            var ranges = options.ExpectedStatuses.Select(text =>
                StatusRange.TryParse(text, out var range) ? range : default
            );
            return new Target(
                options.Path,
                options.ExpectedStatuses.Count == 0
                    ? [new StatusRange(HealthCheckDefaults.ExpectedStatus, HealthCheckDefaults.ExpectedStatus)]
                    : [.. ranges]
            );
        }

        public bool IsExpected(int status) => Array.Exists(Expected, range => range.Contains(status));

        /// <summary>The path after the base path, with one slash between them.</summary>
        public Uri AddressOn(Uri address) => new(address.GetLeftPart(UriPartial.Path).TrimEnd('/') + Path);
    }
}
