using Resilience.CircuitBreaking;
using Resilience.Primitives;
using Resilience.Retries;

namespace Resilience.Backends;

/// <summary>How a <see cref="BackendPool"/> behaves. Mutable until it is handed over; not thread-safe.</summary>
public sealed class BackendPoolOptions
{
    /// <summary>The circuit of each backend.</summary>
    /// <value>The default opens after 10 failures in a row; see <see cref="CircuitBreakerOptions"/>.</value>
    public CircuitBreakerOptions CircuitBreaker { get; set; } = DefaultCircuit();

    /// <summary>The allowance of extra attempts that all requests of the pool share.</summary>
    public RetryBudgetOptions RetryBudget { get; set; } = new();

    /// <summary>How many requests a backend is given at once; no limit unless one is set.</summary>
    public ConcurrencyLimitOptions ConcurrencyLimit { get; set; } = new();

    /// <summary>
    /// The share of healthy backends, of those that are enabled, below which health is ignored and all take traffic: when
    /// most seem unhealthy, the few others would not bear it all, and the fault may be this side's. Range: 0 to 1.
    /// </summary>
    /// <value>The default is 0: only when health would leave none.</value>
    public double FailOpenThreshold { get; set; }

    /// <summary>
    /// Over which time the response times of each backend are kept for the percentiles of
    /// <see cref="BackendReport.Latency"/>. Costs up to 6 KB a backend from its first response on, and one interlocked step
    /// a response. Range: 1 second to 1 hour.
    /// </summary>
    /// <value>The default is <see langword="null"/>: they are not kept.</value>
    public TimeSpan? LatencyWindow { get; set; }

    internal static string? LatencyWindowProblem(TimeSpan? window) =>
        window is { } value ? Ranges.Problem(value, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)) : null;

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            .. Ranges.Below(nameof(CircuitBreaker), CircuitBreaker?.Problems()),
            .. Ranges.Below(nameof(RetryBudget), RetryBudget?.Problems()),
            .. Ranges.Below(nameof(ConcurrencyLimit), ConcurrencyLimit?.Problems()),
            (nameof(FailOpenThreshold), Ranges.Problem(FailOpenThreshold, 0, 1)),
            (nameof(LatencyWindow), LatencyWindowProblem(LatencyWindow)),
        ];

    internal static CircuitBreakerOptions DefaultCircuit() =>
        new() { ConsecutiveFailures = CircuitDefaults.ConsecutiveFailuresInPool, CountSuccesses = false };
}
