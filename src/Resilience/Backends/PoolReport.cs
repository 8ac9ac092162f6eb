using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Resilience.Backends;

/// <summary>
/// Everything that an operator asks about a pool, at one moment and in plain values: for a status page, a support ticket,
/// a test. Immutable; made by <see cref="BackendPool.GetSnapshot"/>.
/// </summary>
public sealed record PoolReport
{
    /// <summary>The pool's name.</summary>
    public required string Pool { get; init; }

    /// <summary>When it was taken.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>Grows whenever it may have changed who takes traffic.</summary>
    public required long Version { get; init; }

    /// <summary>Healthy backends: nothing keeps them from taking traffic.</summary>
    public required int Healthy { get; init; }

    /// <summary>Backends that take traffic now; more than <see cref="Healthy"/> while it fails open.</summary>
    public required int Available { get; init; }

    /// <summary>How many backends do not take traffic, by the first reason.</summary>
    public required Refusals Refusals { get; init; }

    /// <summary>Whether health verdicts are ignored because they alone would leave no backend.</summary>
    public required bool IsFailOpen { get; init; }

    /// <summary>Since when they are ignored; <see langword="null"/> if they are not.</summary>
    public required DateTimeOffset? FailOpenSince { get; init; }

    /// <summary>Attempts that hold a backend now.</summary>
    public required int InFlight { get; init; }

    /// <summary>
    /// Requests that wait for a backend: for a place where all are at their limit of requests in flight, or for the trial of
    /// a half-open circuit to end.
    /// </summary>
    public required int Waiting { get; init; }

    /// <summary>Attempts ever sent to the backends it has now.</summary>
    public required long Attempts { get; init; }

    /// <summary>Attempts that failed by a backend's or its application's fault.</summary>
    public required long Failures { get; init; }

    /// <summary>Retries that the budget would allow at this moment.</summary>
    public required int RetryBudget { get; init; }

    /// <summary>Its backends.</summary>
    public required IReadOnlyList<BackendReport> Backends { get; init; }

    /// <summary>
    /// How to write it as JSON without reflection, for instance with
    /// <c>Results.Json(pool.GetSnapshot(), PoolReport.JsonTypeInfo)</c>.
    /// </summary>
    public static JsonTypeInfo<PoolReport> JsonTypeInfo => PoolReportJson.Default.PoolReport;

    /// <summary>It as indented JSON: names in camel case, states as words, times as <c>00:00:05</c>.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, JsonTypeInfo);

    internal static PoolReport Of(BackendPool pool)
    {
        var snapshot = pool.FreshSnapshot();
        var now = pool.Clock.Milliseconds;
        BackendReport[] backends = [.. snapshot.Backends.Select(backend => BackendReport.Of(backend, now))];
        return new PoolReport
        {
            Pool = pool.Name,
            Time = pool.Clock.UtcNow,
            Version = snapshot.Version,
            Healthy = backends.Count(backend => backend.State == BackendState.Healthy),
            Available = snapshot.Available.Count,
            Refusals = snapshot.Refusals,
            IsFailOpen = snapshot.IsFailOpen,
            FailOpenSince = snapshot.FailOpenSince,
            InFlight = backends.Sum(backend => backend.InFlight),
            Waiting = pool.WaitingRequests,
            Attempts = backends.Sum(backend => backend.Attempts),
            Failures = backends.Sum(backend => backend.Failures),
            RetryBudget = pool.Budget.Balance,
            Backends = backends,
        };
    }
}
