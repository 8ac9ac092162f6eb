using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>
/// What has come of a circuit's calls since it was made. All but successes are counted off the way of a healthy call;
/// those are counted only if asked for. A part of its circuit, never copied. Thread-safe.
/// </summary>
internal struct CircuitTotals
{
    private StripedCounter? _successes;
    private long _failures;
    private long _ignored;
    private long _rejected;
    private long _stale;

    public long? Successes => Volatile.Read(ref _successes)?.Sum;

    public long Failures => Volatile.Read(ref _failures);

    public long Ignored => Volatile.Read(ref _ignored);

    public long Rejected => Volatile.Read(ref _rejected);

    public long Stale => Volatile.Read(ref _stale);

    /// <summary>Counts successes from now on, or stops and forgets them.</summary>
    public void KeepSuccesses(bool areCounted) =>
        Volatile.Write(ref _successes, areCounted ? _successes ?? new StripedCounter() : null);

    public void CountSuccess() => Volatile.Read(ref _successes)?.Increment();

    public void CountRejected() => Interlocked.Increment(ref _rejected);

    public void CountStale() => Interlocked.Increment(ref _stale);

    public void Count(CircuitOutcome outcome)
    {
        switch (outcome)
        {
            case CircuitOutcome.Success:
                CountSuccess();
                break;

            case CircuitOutcome.Failure:
                Interlocked.Increment(ref _failures);
                break;

            default:
                Interlocked.Increment(ref _ignored);
                break;
        }
    }

    /// <summary>A call that was counted as a success has turned out a failure.</summary>
    public void TurnIntoFailure()
    {
        Interlocked.Increment(ref _failures);
        Volatile.Read(ref _successes)?.Add(-1);
    }
}
