namespace Resilience.Backends;

/// <summary>
/// The attempts that hold a backend: how many are in flight, how many may be, how many there have ever been, and who waits
/// for the last of them to leave. A part of its backend, never copied. Thread-safe.
/// </summary>
internal struct BackendLoad
{
    /* In flight in the lower 24 bits, attempts ever started above: one interlocked step keeps both. */
    private const int StartedShift = 24;
    private const long InFlightMask = (1L << StartedShift) - 1;
    private const long Started = 1L << StartedShift;
    private const int Unlimited = int.MaxValue;

    private long _counts;
    private int _limit;
    private TaskCompletionSource? _idle;

    /// <summary>The most that may be in flight; <see langword="null"/> for any number.</summary>
    public int? Limit
    {
        readonly get => IsLimited ? Volatile.Read(in _limit) : null;
        set => Volatile.Write(ref _limit, value ?? Unlimited);
    }

    public readonly bool IsLimited => Volatile.Read(in _limit) != Unlimited;

    public readonly bool IsFull => InFlight >= Volatile.Read(in _limit);

    /// <summary>Whether more are in flight than may be: the limit has been lowered.</summary>
    public readonly bool IsOverfull => InFlight > Volatile.Read(in _limit);

    public readonly int InFlight => (int)(Volatile.Read(in _counts) & InFlightMask);

    /// <summary>Attempts ever started.</summary>
    public readonly long Attempts => Volatile.Read(in _counts) >> StartedShift;

    /// <summary>Attempts that have ended, however.</summary>
    public readonly long Ended
    {
        get
        {
            var counts = Volatile.Read(in _counts);
            return (counts >> StartedShift) - (counts & InFlightMask);
        }
    }

    /// <summary>An attempt begins, if there is a place for it.</summary>
    public bool TryStart() => TryAdd(Started + 1);

    /// <summary>An attempt begins on a place that is taken already.</summary>
    public void StartOnPlace() => Interlocked.Add(ref _counts, Started);

    /// <summary>Takes a place for an attempt that may come to it.</summary>
    public bool TryTakePlace() => TryAdd(1);

    /// <summary>An attempt that was begun was none.</summary>
    public void Undo() => Leave(Started + 1);

    /// <summary>One less in flight.</summary>
    public void Leave() => Leave(1);

    /// <summary>The first step of leaving.</summary>
    /// <returns>Whether nothing was left in flight.</returns>
    public bool CountOut() => CountOut(1);

    /// <summary>
    /// The second step of leaving. A thread held up before it wakes a drain that began later, with other attempts in
    /// flight: who waits must look at the count again.
    /// </summary>
    public void WakeDrains() => Volatile.Read(ref _idle)?.TrySetResult();

    /// <summary>
    /// Completes when the count in flight has been seen at zero. Who waits puts the source down before it looks at the
    /// count, who leaves counts out before it looks for the source (all four are full fences): one of the two always
    /// sees the other, and no wake-up is missed.
    /// </summary>
    public Task WhenIdle()
    {
        var idle = Volatile.Read(ref _idle);
        if (idle is null || idle.Task.IsCompleted)
        {
            var fresh = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var seen = Interlocked.CompareExchange(ref _idle, fresh, idle);
            idle = ReferenceEquals(seen, idle) ? fresh : seen!;
        }

        if (InFlight == 0)
        {
            idle.TrySetResult();
        }

        return idle.Task;
    }

    /// <summary>
    /// Counts one in flight, unless the limit is reached: by compare and swap, so that the count never exceeds the limit,
    /// and nobody is refused because of one who is refused himself.
    /// </summary>
    private bool TryAdd(long amount)
    {
        var limit = Volatile.Read(ref _limit);
        if (limit == Unlimited)
        {
            Interlocked.Add(ref _counts, amount);
            return true;
        }

        var seen = Volatile.Read(ref _counts);
        while ((seen & InFlightMask) < limit)
        {
            var before = Interlocked.CompareExchange(ref _counts, seen + amount, seen);
            if (before == seen)
            {
                return true;
            }

            seen = before;
        }

        return false;
    }

    private void Leave(long amount)
    {
        if (CountOut(amount))
        {
            WakeDrains();
        }
    }

    private bool CountOut(long amount) => (Interlocked.Add(ref _counts, -amount) & InFlightMask) == 0;
}
