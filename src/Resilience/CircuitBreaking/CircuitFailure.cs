namespace Resilience.CircuitBreaking;

/// <summary>The failure that is about to open a circuit; told to <see cref="CircuitBreakerOptions.BreakDurationGenerator"/>. Immutable.</summary>
/// <param name="Circuit">The circuit's name.</param>
/// <param name="Exception">What the call threw, as far as it was reported.</param>
/// <param name="Result">What the call returned, as far as it was reported; in a pool, the attempt's outcome.</param>
/// <param name="Openings">Openings before this one that no closing interrupted, from 0 to 31.</param>
public readonly record struct CircuitFailure(string Circuit, Exception? Exception, object? Result, int Openings);
