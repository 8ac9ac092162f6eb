namespace Resilience.CircuitBreaking;

/// <summary>What all copies of a trial's permit share, so that only one of them reports. Thread-safe.</summary>
internal sealed class CircuitTrial
{
    private int _hasEnded;

    /// <returns>Whether it had not ended before.</returns>
    public bool TryEnd() => Interlocked.Exchange(ref _hasEnded, 1) == 0;
}
