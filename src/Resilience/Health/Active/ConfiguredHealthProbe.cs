using Resilience.Backends;

namespace Resilience.Health.Active;

/// <summary>The probe that the options describe, whichever type that is; a reload may change the type. Thread-safe.</summary>
internal sealed class ConfiguredHealthProbe : IHealthProbe, IDisposable
{
    private readonly HttpHealthProbe _http;
    private readonly TcpHealthProbe _tcp;
    private IHealthProbe _current;

    /// <param name="handler">What sends the probes over HTTP; disposed with this. A pooled one of its own if null.</param>
    public ConfiguredHealthProbe(HealthCheckOptions options, HttpMessageHandler? handler = null)
    {
        _http = new HttpHealthProbe(options, handler);
        KeepsNoToken = handler is null or SocketsHttpHandler;
        _tcp = new TcpHealthProbe(options);
        _current = Of(options.Type);
    }

    /// <summary>Whether nobody can still use a probe's token when the probe has ended, as a handler of the user's may.</summary>
    public bool KeepsNoToken { get; }

    public ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken) =>
        Volatile.Read(ref _current).ProbeAsync(backend, cancellationToken);

    public void Configure(HealthCheckOptions options)
    {
        _http.Configure(options);
        _tcp.Configure(options);
        Volatile.Write(ref _current, Of(options.Type));
    }

    public void Dispose() => _http.Dispose();

    private IHealthProbe Of(HealthCheckType type) => type == HealthCheckType.Tcp ? _tcp : _http;
}
