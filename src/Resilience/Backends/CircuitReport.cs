using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>A backend's circuit, in plain values. Immutable.</summary>
public sealed record CircuitReport
{
    /// <summary>Its state.</summary>
    public required CircuitState State { get; init; }

    /// <summary>Since when it is so; <see langword="null"/> if it has never changed.</summary>
    public required DateTimeOffset? Since { get; init; }

    /// <summary>Why it changed last.</summary>
    public required CircuitChangeReason? Reason { get; init; }

    /// <summary>How long it still refuses; zero if it does not.</summary>
    public required TimeSpan RetryAfter { get; init; }

    /// <summary>Failures in a row, while it is closed or only measures.</summary>
    public required int ConsecutiveFailures { get; init; }

    /// <summary>The share of failures, from 0 to 1; <see langword="null"/> without that rule or without calls.</summary>
    public required double? FailureRate { get; init; }

    /// <summary>The share of slow calls, from 0 to 1; <see langword="null"/> without that rule or without calls.</summary>
    public required double? SlowCallRate { get; init; }

    /// <summary>Attempts that it has refused.</summary>
    public required long Rejected { get; init; }

    internal static CircuitReport Of(CircuitBreaker circuit)
    {
        var snapshot = circuit.TakeSnapshot();
        return new CircuitReport
        {
            State = snapshot.State,
            Since = snapshot.LastChange?.Time,
            Reason = snapshot.LastChange?.Reason,
            RetryAfter = snapshot.RetryAfter,
            ConsecutiveFailures = snapshot.ConsecutiveFailures,
            FailureRate = snapshot.FailureRate,
            SlowCallRate = snapshot.SlowCallRate,
            Rejected = snapshot.Rejected,
        };
    }
}
