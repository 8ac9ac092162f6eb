namespace Resilience.Backends;

/// <summary>
/// The requests of a pool that wait for a half-open circuit's trial to end: how many may do so at once is bounded
/// (law 8), since each holds what its caller holds. Lock-free and thread-safe.
/// </summary>
internal sealed class TrialQueue
{
    private const int Capacity = 1_024;

    private int _waiting;

    /// <summary>How many wait.</summary>
    public int Waiting => Math.Clamp(Volatile.Read(ref _waiting), 0, Capacity);

    /// <summary>Room for one more; whoever gets it must <see cref="Leave"/>.</summary>
    public bool TryEnter()
    {
        if (Interlocked.Increment(ref _waiting) <= Capacity)
        {
            return true;
        }

        Leave();
        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _waiting);
}
