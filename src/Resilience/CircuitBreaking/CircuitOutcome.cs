namespace Resilience.CircuitBreaking;

/// <summary>What a call showed to the circuit that it went through.</summary>
public enum CircuitOutcome
{
    /// <summary>The protected resource answered.</summary>
    Success,

    /// <summary>The protected resource failed.</summary>
    Failure,

    /// <summary>
    /// The call says nothing about the resource, for instance because its caller cancelled it. It gives back what it
    /// held and changes nothing else.
    /// </summary>
    Neutral,
}
