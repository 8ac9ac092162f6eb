namespace Resilience.CircuitBreaking;

/// <summary>
/// Told by the one thread whose step changed a circuit's state or the trials that it has free: a direct call, outside
/// every lock-free step. Two such calls of one circuit may overtake each other, so the owner reads the circuit again.
/// </summary>
internal interface ICircuitOwner
{
    void OnCircuitChanged(CircuitState from, CircuitState to);
}
