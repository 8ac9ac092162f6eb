namespace Resilience.CircuitBreaking;

/// <summary>
/// What a <see cref="CircuitPermit"/> is to the circuit itself: the generation that admitted the call, and whether the
/// call is a trial. Four bytes, for those who see to it by themselves that each is reported once. Immutable.
/// </summary>
internal readonly record struct CircuitTicket
{
    private readonly uint _value;

    public CircuitTicket(uint generation, bool isTrial)
    {
        _value = (generation << 1) | (isTrial ? 1u : 0u);
    }

    public uint Generation => _value >> 1;

    /// <summary>Whether this call is one of the few that decide if a half-open circuit closes.</summary>
    public bool IsTrial => (_value & 1) != 0;
}
