namespace Resilience.Health.Active;

/// <summary>What kind of check finds out whether a backend is healthy.</summary>
public enum HealthCheckType
{
    /// <summary>A request over HTTP, or over HTTPS where the backend's address says so.</summary>
    Http,

    /// <summary>A request over HTTPS, whatever the backend's address says; certificates are verified.</summary>
    Https,

    /// <summary>A TCP connection, made and closed again.</summary>
    Tcp,
}
