namespace Resilience.CircuitBreaking;

/// <summary>The call that is to blame for a break.</summary>
/// <param name="Exception">What it threw.</param>
/// <param name="Result">What it returned, if that was asked about.</param>
internal readonly record struct CircuitEvidence(Exception? Exception, object? Result);
