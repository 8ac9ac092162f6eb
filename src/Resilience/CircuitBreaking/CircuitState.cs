namespace Resilience.CircuitBreaking;

/// <summary>Whether a circuit lets calls through.</summary>
public enum CircuitState
{
    /// <summary>Calls pass; failures are counted.</summary>
    Closed,

    /// <summary>Calls are refused until the break has ended.</summary>
    Open,

    /// <summary>The break has ended; a limited number of trial calls decides whether the circuit closes again.</summary>
    HalfOpen,

    /// <summary>Every call is refused until somebody says otherwise; see <see cref="CircuitBreaker.ForceOpen"/>.</summary>
    ForcedOpen,

    /// <summary>Every call passes and nothing is recorded; see <see cref="CircuitBreaker.Disable"/>.</summary>
    Disabled,

    /// <summary>
    /// The dry run: every call passes, everything is recorded, and an opening is reported but not made; see
    /// <see cref="CircuitBreaker.MeasureOnly"/>.
    /// </summary>
    MetricsOnly,
}
