namespace Resilience.Retries;

/// <summary>How one attempt ended: with a result, or with an exception. Immutable.</summary>
/// <param name="Result">What it returned; <see langword="null"/> if it threw or returns nothing.</param>
/// <param name="Exception">What it threw; <see langword="null"/> if it returned.</param>
public readonly record struct RetryOutcome(object? Result, Exception? Exception);
