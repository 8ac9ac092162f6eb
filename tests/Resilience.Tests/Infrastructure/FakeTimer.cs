namespace Resilience.Tests.Infrastructure;

/// <summary>A timer of <see cref="FakeTime"/>, which owns its state and guards it with its lock.</summary>
internal sealed class FakeTimer(FakeTime time, TimerCallback callback, object? state) : ITimer
{
    /// <summary>Earlier due times first; among equal ones, those armed earlier.</summary>
    public static readonly IComparer<FakeTimer> ByDueTime = Comparer<FakeTimer>.Create(
        (left, right) => (left.Due, left.Arming).CompareTo((right.Due, right.Arming))
    );

    // The longest that a real timer accepts; longer ones must fail here as they do in production.
    private static readonly TimeSpan MaxTime = TimeSpan.FromMilliseconds(uint.MaxValue - 1);

    private static readonly ExecutionContext EmptyContext = CaptureEmptyContext();

    // As real timers do: the callback sees the context of whoever made the timer, or none when its flow was suppressed.
    private readonly ExecutionContext _context = ExecutionContext.Capture() ?? EmptyContext;

    internal long Due { get; set; }

    internal long Arming { get; set; }

    internal long Period { get; set; }

    internal long FiredAt { get; set; }

    internal bool IsDisposed { get; set; }

    /// <inheritdoc/>
    public bool Change(TimeSpan dueTime, TimeSpan period)
    {
        Validate(dueTime);
        Validate(period);
        return time.Arm(this, dueTime, period);
    }

    /// <inheritdoc/>
    public void Dispose() => time.Remove(this);

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    internal void Fire()
    {
        // Without the test's synchronisation context, which a real timer's thread does not have either: continuations
        // that do not want it then run inside the advance, not some time later.
        var synchronization = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            ExecutionContext.Run(_context, static fire => ((FakeTimer)fire!).Invoke(), this);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(synchronization);
        }
    }

    private void Invoke() => callback(state);

    private static void Validate(TimeSpan time)
    {
        if (time != Timeout.InfiniteTimeSpan && (time < TimeSpan.Zero || time > MaxTime))
        {
            throw new ArgumentOutOfRangeException(nameof(time), time, "No real timer accepts this time.");
        }
    }

    private static ExecutionContext CaptureEmptyContext()
    {
        ExecutionContext? empty = null;
        var thread = new Thread(() => empty = ExecutionContext.Capture());
        thread.UnsafeStart();
        thread.Join();
        return empty!;
    }
}
