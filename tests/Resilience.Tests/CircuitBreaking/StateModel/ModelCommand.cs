namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>What the explored circuit's operator may do to it.</summary>
internal enum ModelCommand : byte
{
    Reset,
    ForceOpen,
    Disable,
    MeasureOnly,
    Hint,
}
