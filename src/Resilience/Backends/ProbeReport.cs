namespace Resilience.Backends;

/// <summary>A backend's last probe, in plain values. Immutable.</summary>
/// <param name="IsSuccess">Whether the backend answered as it should.</param>
/// <param name="Detail">What it found, in words.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="StatusCode">The HTTP status, if there was one.</param>
/// <param name="Time">When the probe ended.</param>
public sealed record ProbeReport(bool IsSuccess, string Detail, TimeSpan Duration, int? StatusCode, DateTimeOffset Time)
{
    internal static ProbeReport? Of(ProbeResult? probe) =>
        probe is null ? null : new(probe.IsSuccess, probe.Detail, probe.Duration, probe.StatusCode, probe.Time);
}
