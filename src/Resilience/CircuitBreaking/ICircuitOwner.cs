namespace Resilience.CircuitBreaking;

/// <summary>
/// Told by the one thread whose step changed a circuit's state or the trials that it has free: a direct call, outside
/// every lock-free step. Two such calls of one circuit may overtake each other, so the owner reads the circuit again. A
/// circuit that only measures and would have opened tells of metrics only, from and to.
/// </summary>
internal interface ICircuitOwner
{
    /// <param name="reason">Why, if the state changed or would have.</param>
    void OnCircuitChanged(CircuitState from, CircuitState to, CircuitChangeReason reason);
}
