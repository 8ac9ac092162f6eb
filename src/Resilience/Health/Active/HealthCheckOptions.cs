using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>How backends are probed. Mutable until it is handed over; not thread-safe.</summary>
public sealed class HealthCheckOptions
{
    /// <summary>Whether backends are probed.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>The path to GET, put after the backend's base path; may have a query.</summary>
    /// <value>The default is <c>/health</c>.</value>
    public string Path { get; set; } = HealthCheckDefaults.Path;

    /// <summary>The statuses that mean healthy: single ones and ranges, <c>"200"</c>, <c>"200-299"</c>.</summary>
    /// <value>Empty by default, which means 200 alone.</value>
    public IList<string> ExpectedStatuses { get; set; } = [];

    /// <summary>The time between two probes of a backend. Range: 10 ms to 12 hours.</summary>
    /// <value>The default is 10 seconds.</value>
    public TimeSpan Interval { get; set; } = HealthCheckDefaults.Interval;

    /// <summary>The share by which each interval is moved at random, to either side. Range: 0 to 0.5.</summary>
    /// <value>The default is 0.1.</value>
    public double Jitter { get; set; } = HealthCheckDefaults.Jitter;

    /// <summary>One probe, its connection and body included. Range: 10 ms to 1 hour.</summary>
    /// <value>The default is 3 seconds.</value>
    public TimeSpan Timeout { get; set; } = HealthCheckDefaults.Timeout;

    /// <summary>Successes in a row that make an unhealthy backend healthy. Range: 1 to 1,000.</summary>
    /// <value>The default is 2. The first success makes a backend healthy of which nothing is known.</value>
    public int HealthyThreshold { get; set; } = HealthCheckDefaults.HealthyThreshold;

    /// <summary>Failures in a row that make a backend unhealthy. Range: 1 to 1,000.</summary>
    /// <value>The default is 3.</value>
    public int UnhealthyThreshold { get; set; } = HealthCheckDefaults.UnhealthyThreshold;

    /// <summary>The time before the first probes. Range: 0 to 12 hours.</summary>
    /// <value>The default is zero.</value>
    public TimeSpan InitialDelay { get; set; }

    /// <summary>
    /// Whether a failing backend is probed on a schedule of its own: after 1, 2, 4, 8, then every 16 seconds, and every
    /// second while it succeeds but not yet often enough. If not, every <see cref="Interval"/>.
    /// </summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool FailureBackoff { get; set; } = true;

    /// <summary>Whether the probes of many backends are spread over the interval, from the second ones on.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Spread { get; set; } = true;

    /// <summary>Probes under way at once. Range: 1 to 1,024.</summary>
    /// <value>
    /// The default is <see langword="null"/>: as many as it takes, from 10 to 1,024
    /// (backends × <see cref="Timeout"/> / <see cref="Interval"/>).
    /// </value>
    public int? MaxConcurrency { get; set; }

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(Path), PathProblem()),
            (nameof(ExpectedStatuses), ExpectedStatuses is null ? "is null, must be a list" : null),
            .. (ExpectedStatuses ?? []).Select(
                (text, i) => ($"{nameof(ExpectedStatuses)}:{i}", StatusRange.Problem(text))
            ),
            (nameof(Interval), Ranges.Problem(Interval, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(Jitter), Ranges.Problem(Jitter, 0, 0.5)),
            (nameof(Timeout), Ranges.Problem(Timeout, TimeSpan.FromMilliseconds(10), Ranges.Hour)),
            (nameof(HealthyThreshold), Ranges.Problem(HealthyThreshold, 1, 1_000)),
            (nameof(UnhealthyThreshold), Ranges.Problem(UnhealthyThreshold, 1, 1_000)),
            (nameof(InitialDelay), Ranges.Problem(InitialDelay, TimeSpan.Zero, Ranges.HalfDay)),
            (nameof(MaxConcurrency), MaxConcurrency is { } most ? Ranges.Problem(most, 1, 1_024) : null),
        ];

    private string? PathProblem() =>
        Path is { Length: > 0 } && Path[0] == '/' && !Path.Contains('#', StringComparison.Ordinal)
            ? null
            : $"is '{Redaction.WithoutUserInfo(Path)}', must begin with '/' and have no fragment, such as /health";
}
