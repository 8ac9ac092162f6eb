namespace Resilience.CircuitBreaking;

/// <summary>
/// Leave to make one call through a circuit, bound to the circuit's generation at that moment: a report that comes
/// after the circuit has moved on changes nothing. Report it exactly once. Immutable.
/// </summary>
public readonly record struct CircuitPermit
{
    private readonly uint _value;

    internal CircuitPermit(uint generation, bool isTrial)
    {
        _value = (generation << 1) | (isTrial ? 1u : 0u);
    }

    internal uint Generation => _value >> 1;

    /// <summary>Whether this call is one of the few that decide if a half-open circuit closes.</summary>
    public bool IsTrial => (_value & 1) != 0;
}
