using Resilience.Primitives;

namespace Resilience.Health;

/// <summary>
/// Where a <see cref="BackendPoolHealthCheck"/> draws its lines. Shares are of the backends that the operator lets take
/// traffic: a drained, disabled or weightless one counts for nothing. Mutable until it is handed over; not thread-safe.
/// </summary>
public sealed class BackendPoolHealthCheckOptions
{
    /// <summary>Below this share of healthy backends the pool is degraded. Range: 0 to 1.</summary>
    /// <value>The default is 1: as soon as one backend is out.</value>
    public double DegradedBelow { get; set; } = 1;

    /// <summary>
    /// Below this share of healthy backends the pool is unhealthy; not above <see cref="DegradedBelow"/>. It always is when
    /// no backend is healthy. Range: 0 to 1.
    /// </summary>
    /// <value>The default is 0: only when none is healthy.</value>
    public double UnhealthyBelow { get; set; }

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(DegradedBelow), Ranges.Problem(DegradedBelow, 0, 1)),
            (nameof(UnhealthyBelow), Ranges.Problem(UnhealthyBelow, 0, 1)),
            (
                nameof(UnhealthyBelow),
                UnhealthyBelow > DegradedBelow
                    ? $"is {UnhealthyBelow}, must not be above {nameof(DegradedBelow)} ({DegradedBelow})"
                    : null
            ),
        ];
}
