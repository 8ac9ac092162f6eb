namespace Resilience.Health.Active;

/// <summary>The defaults of active health checks, in one place.</summary>
internal static class HealthCheckDefaults
{
    public const string Path = "/health";
    public const string Method = "GET";
    public const int HealthyThreshold = 2;
    public const int UnhealthyThreshold = 3;
    public const double Jitter = 0.1;
    public const int ExpectedStatus = 200;
    public const int LeastWorkers = 10;
    public const int MostWorkers = 1_024;

    /// <summary>The least share of an interval after which a single backend's second probe is due.</summary>
    public const double LeastSpread = 0.1;

    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(3);

    /// <summary>How long a stop waits for probes that do not heed their cancellation.</summary>
    public static readonly TimeSpan StopGrace = TimeSpan.FromSeconds(5);

    /// <summary>The first delay after a failed probe, and the delay while successes are not yet enough.</summary>
    public static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(1);

    public static readonly TimeSpan MaxBackoff = TimeSpan.FromSeconds(16);
}
