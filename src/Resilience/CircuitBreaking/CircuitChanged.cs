namespace Resilience.CircuitBreaking;

/// <summary>
/// A circuit went into its next generation: it changed its state, was reset, or, while it only measures, came to where it
/// would have opened (<see cref="WouldOpen"/>). Immutable.
/// </summary>
/// <param name="Circuit">The circuit's name.</param>
/// <param name="Time">When.</param>
/// <param name="From">Its state before.</param>
/// <param name="To">Its state from then on.</param>
/// <param name="Reason">Why.</param>
/// <param name="Generation">
/// The generation that began: one more with every change. It starts anew at zero after 1,048,575.
/// </param>
public sealed record CircuitChanged(
    string Circuit,
    DateTimeOffset Time,
    CircuitState From,
    CircuitState To,
    CircuitChangeReason Reason,
    int Generation
)
{
    /// <summary>
    /// What counted against the circuit, by the reason: failures in a row, failures or slow calls within
    /// <see cref="CircuitBreakerOptions.SamplingDuration"/>, failed trials; else 0.
    /// </summary>
    public int Failures { get; init; }

    /// <summary>The calls among which <see cref="Failures"/> were counted.</summary>
    public int Calls { get; init; }

    /// <summary>How long it refuses calls from then on; zero if it does not open.</summary>
    public TimeSpan BreakDuration { get; init; }

    /// <summary>What the last failed call threw, as far as it was reported.</summary>
    public Exception? LastFailure { get; init; }

    /// <summary>How many changes this subscriber missed just before this one, because its queue was full.</summary>
    public int Missed { get; init; }

    /// <summary>Whether the circuit only measures and would have opened now.</summary>
    public bool WouldOpen => From == CircuitState.MetricsOnly && To == CircuitState.MetricsOnly;
}
