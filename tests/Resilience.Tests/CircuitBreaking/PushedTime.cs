namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// A clock that many threads push forward: a plain number, without a lock that would hide races between them. Its unit is
/// the millisecond.
/// </summary>
/// <param name="yieldsEvery">
/// Every so many looks at it yield, a power of two: the circuit looks at it between its look at the word and the exchange,
/// so this lets another thread in at the worst moment. 0 for never, where the threads have cores of their own.
/// </param>
internal sealed class PushedTime(int yieldsEvery = 4) : TimeProvider
{
    private long _milliseconds = 1_000_000;
    private int _reads;

    public override long TimestampFrequency => 1_000;

    public override long GetTimestamp()
    {
        if (yieldsEvery > 0 && (Interlocked.Increment(ref _reads) & (yieldsEvery - 1)) == 0)
        {
            Thread.Yield();
        }

        return Volatile.Read(ref _milliseconds);
    }

    public void Push(long milliseconds) => Interlocked.Add(ref _milliseconds, milliseconds);
}
