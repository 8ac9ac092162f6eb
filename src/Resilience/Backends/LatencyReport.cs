namespace Resilience.Backends;

/// <summary>
/// Times until response headers over <see cref="BackendPoolOptions.LatencyWindow"/>, each within 7 % of the true one.
/// Immutable.
/// </summary>
/// <param name="Responses">How many responses they are taken from.</param>
/// <param name="P50">Half of them came within this time.</param>
/// <param name="P95">95 % of them did.</param>
/// <param name="P99">99 % of them did.</param>
public sealed record LatencyReport(long Responses, TimeSpan P50, TimeSpan P95, TimeSpan P99);
