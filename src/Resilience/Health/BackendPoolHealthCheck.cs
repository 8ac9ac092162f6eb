using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health;

/// <summary>
/// Says to the application's own health endpoint how a pool is. For readiness and dashboards, not for liveness: to restart
/// this application mends no backend. Looks at the pool and sends nothing. Thread-safe.
/// </summary>
public sealed class BackendPoolHealthCheck : IHealthCheck
{
    /// <summary>Backends that are named: a pool may have thousands.</summary>
    private const int MostNamed = 20;

    private readonly BackendPool _pool;
    private readonly double _degradedBelow;
    private readonly double _unhealthyBelow;

    /// <param name="pool">The pool.</param>
    /// <param name="options">Where the lines are; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public BackendPoolHealthCheck(BackendPool pool, BackendPoolHealthCheckOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        options ??= new BackendPoolHealthCheckOptions();
        Ranges.ThrowIfAny("health check's options", options.Problems());
        _pool = pool;
        _degradedBelow = options.DegradedBelow;
        _unhealthyBelow = options.UnhealthyBelow;
    }

    /// <inheritdoc/>
    public Task<HealthCheckResult> CheckHealthAsync(
        HealthCheckContext context,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(context);
        var report = _pool.GetSnapshot();
        var counted = report
            .Backends.Where(backend => backend is { Administration: AdministrativeState.Enabled, Weight: > 0 })
            .ToArray();
        var healthy = counted.Count(backend => backend.State == BackendState.Healthy);
        var share = counted.Length == 0 ? 0 : (double)healthy / counted.Length;
        var status =
            healthy == 0 || share < _unhealthyBelow ? context.Registration.FailureStatus
            : report.IsFailOpen || share < _degradedBelow ? HealthStatus.Degraded
            : HealthStatus.Healthy;
        return Task.FromResult(
            new HealthCheckResult(
                status,
                Describe(report, healthy, counted.Length),
                data: DataOf(report, healthy, counted.Length)
            )
        );
    }

    private static string Describe(PoolReport report, int healthy, int counted) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"Pool '{report.Pool}': {healthy} of {counted} backends are healthy{(report.IsFailOpen ? "; health is ignored (fail-open)" : "")}."
        );

    private static Dictionary<string, object> DataOf(PoolReport report, int healthy, int counted)
    {
        var data = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["pool"] = report.Pool,
            ["backends"] = report.Backends.Count,
            ["enabled"] = counted,
            ["healthy"] = healthy,
            ["available"] = report.Available,
            ["failOpen"] = report.IsFailOpen,
            ["retryBudget"] = report.RetryBudget,
        };
        foreach (var backend in report.Backends.Where(backend => backend.State != BackendState.Healthy).Take(MostNamed))
        {
            data[$"backend {backend.Name}"] = string.Create(
                CultureInfo.InvariantCulture,
                $"{backend.State} ({backend.Reason}) since {backend.Since:u}: {backend.Detail}"
            );
        }

        return data;
    }
}
