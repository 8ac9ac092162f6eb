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
}
