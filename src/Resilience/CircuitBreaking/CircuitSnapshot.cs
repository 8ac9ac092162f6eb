namespace Resilience.CircuitBreaking;

/// <summary>
/// What a circuit was at one moment. The state and what follows from it belong together; counts are exact once nothing
/// runs. Immutable.
/// </summary>
public sealed record CircuitSnapshot
{
    internal CircuitSnapshot() { }

    /// <summary>The circuit's name.</summary>
    public required string Name { get; init; }

    /// <summary>Its state.</summary>
    public required CircuitState State { get; init; }

    /// <summary>See <see cref="CircuitBreaker.RetryAfter"/>.</summary>
    public required TimeSpan RetryAfter { get; init; }

    /// <summary>Its generation; see <see cref="CircuitChanged.Generation"/>.</summary>
    public required int Generation { get; init; }

    /// <summary>Failures in a row, while it is closed or only measures.</summary>
    public required int ConsecutiveFailures { get; init; }

    /// <summary>
    /// The share of failures over the last <see cref="CircuitBreakerOptions.SamplingDuration"/>, from 0 to 1;
    /// <see langword="null"/> without that rule or without calls.
    /// </summary>
    public required double? FailureRate { get; init; }

    /// <summary>As <see cref="FailureRate"/>, of slow calls.</summary>
    public required double? SlowCallRate { get; init; }

    /// <summary>What the last failed call threw, as far as it was reported.</summary>
    public required Exception? LastFailure { get; init; }

    /// <summary>The last change; <see langword="null"/> before the first.</summary>
    public required CircuitChanged? LastChange { get; init; }

    /// <summary>
    /// Calls that have ended or were refused: the sum of the five counts below. <see langword="null"/> where successes are
    /// not counted; see <see cref="CircuitBreakerOptions.CountSuccesses"/>.
    /// </summary>
    public long? Requests => Successes + Failures + Ignored + Rejected + Stale;

    /// <summary>Calls that succeeded; <see langword="null"/> where they are not counted.</summary>
    public required long? Successes { get; init; }

    /// <summary>Calls that failed.</summary>
    public required long Failures { get; init; }

    /// <summary>Calls that said nothing, for instance because their caller cancelled them.</summary>
    public required long Ignored { get; init; }

    /// <summary>Calls that were refused.</summary>
    public required long Rejected { get; init; }

    /// <summary>Calls that ended after the circuit had moved on, however they ended.</summary>
    public required long Stale { get; init; }

    /// <summary>
    /// Calls among the successes and failures that were slow; see <see cref="CircuitBreakerOptions.SlowCallDuration"/>.
    /// </summary>
    public required long SlowCalls { get; init; }
}
