namespace Resilience.Backends;

/// <summary>Everything about one backend at one moment, in plain values. Immutable.</summary>
public sealed record BackendReport
{
    /// <summary>The name by which it is known.</summary>
    public required string Name { get; init; }

    /// <summary>Its address.</summary>
    public required Uri Address { get; init; }

    /// <summary>Its share of the traffic, relative to the others.</summary>
    public required int Weight { get; init; }

    /// <summary>The one word for it.</summary>
    public required BackendState State { get; init; }

    /// <summary>Since when it is in that state.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>The first objection to it taking traffic.</summary>
    public required StateReason Reason { get; init; }

    /// <summary>The first objection in words, or what made it healthy.</summary>
    public required string Detail { get; init; }

    /// <summary>All that objects now, the first one first; empty if nothing does.</summary>
    public required IReadOnlyList<StateReason> Objections { get; init; }

    /// <summary>What the operator said.</summary>
    public required AdministrativeState Administration { get; init; }

    /// <summary>What probes say.</summary>
    public required ActiveVerdict ActiveVerdict { get; init; }

    /// <summary>What real traffic says.</summary>
    public required PassiveVerdict PassiveVerdict { get; init; }

    /// <summary>How long its ejection still lasts; zero if it is not ejected.</summary>
    public required TimeSpan EjectedFor { get; init; }

    /// <summary>Ejections that no good stretch has forgiven yet; each doubles the next one's length.</summary>
    public required int Ejections { get; init; }

    /// <summary>Its circuit.</summary>
    public required CircuitReport Circuit { get; init; }

    /// <summary>Attempts that hold it now, those whose response body is still being read included.</summary>
    public required int InFlight { get; init; }

    /// <summary>Attempts ever sent to it.</summary>
    public required long Attempts { get; init; }

    /// <summary>Attempts that failed by its own or its application's fault.</summary>
    public required long Failures { get; init; }

    /// <summary>The share of failures among attempts ever ended, from 0 to 1; <see langword="null"/> before the first.</summary>
    public required double? ErrorRate { get; init; }

    /// <summary>
    /// The share of failures over the window of passive detection, from 0 to 1; <see langword="null"/> without its rule on
    /// rates or without requests.
    /// </summary>
    public required double? RecentErrorRate { get; init; }

    /// <summary>Failures in a row, as passive detection counts them.</summary>
    public required int ConsecutiveFailures { get; init; }

    /// <summary>The moving average of the time to a good response; <see langword="null"/> before the first.</summary>
    public required TimeSpan? MeanResponseTime { get; init; }

    /// <summary>Percentiles; <see langword="null"/> unless they are switched on and there are responses.</summary>
    public required LatencyReport? Latency { get; init; }

    /// <summary>Its last probe; <see langword="null"/> before the first.</summary>
    public required ProbeReport? LastProbe { get; init; }

    /// <summary>Probes that succeeded.</summary>
    public required long ProbesSucceeded { get; init; }

    /// <summary>Probes that failed.</summary>
    public required long ProbesFailed { get; init; }

    /// <summary>Probes that were left out, because requests had just shown the backend to be healthy.</summary>
    public required long ProbesSkipped { get; init; }

    /// <summary>Successful probes in a row.</summary>
    public required int ConsecutiveProbeSuccesses { get; init; }

    /// <summary>Failed probes in a row.</summary>
    public required int ConsecutiveProbeFailures { get; init; }

    internal static BackendReport Of(Backend backend, long now)
    {
        var status = backend.Status;
        var ended = backend.Answered + backend.Failures;
        var (requests, failures) = backend.Passive.Outcomes(now);
        var mean = backend.Passive.MeanResponseTime;
        var probes = backend.Probes;
        return new BackendReport
        {
            Name = backend.Name,
            Address = backend.Definition.Address,
            Weight = backend.Definition.Weight,
            State = status.State,
            Since = status.Since,
            Reason = status.Reason,
            Detail = status.Detail,
            Objections = [.. backend.Objections()],
            Administration = backend.Administration,
            ActiveVerdict = backend.ActiveVerdict,
            PassiveVerdict = backend.PassiveVerdict,
            EjectedFor = backend.EjectedFor,
            Ejections = backend.Passive.Ejections,
            Circuit = CircuitReport.Of(backend.Circuit),
            InFlight = backend.InFlight,
            Attempts = backend.Attempts,
            Failures = backend.Failures,
            ErrorRate = ShareOf(backend.Failures, ended),
            RecentErrorRate = ShareOf(failures, requests),
            ConsecutiveFailures = backend.Passive.ConsecutiveFailures,
            MeanResponseTime = mean == TimeSpan.Zero ? null : mean,
            Latency = backend.Latency(now),
            LastProbe = ProbeReport.Of(backend.LastProbe),
            ProbesSucceeded = probes.Succeeded,
            ProbesFailed = probes.Failed,
            ProbesSkipped = probes.Skipped,
            ConsecutiveProbeSuccesses = backend.ConsecutiveProbeSuccesses,
            ConsecutiveProbeFailures = backend.ConsecutiveProbeFailures,
        };
    }

    private static double? ShareOf(long part, long all) => all <= 0 ? null : (double)part / all;
}
