namespace Resilience.Retries;

/// <summary>What a callback is told before each retry. Immutable.</summary>
/// <param name="Attempt">The number of the attempt that failed; 1 is the first.</param>
/// <param name="Outcome">How it failed.</param>
/// <param name="Delay">How long is waited before the next attempt; not negative.</param>
public readonly record struct RetryEvent(int Attempt, RetryOutcome Outcome, TimeSpan Delay);
