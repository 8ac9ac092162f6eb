namespace Resilience.Primitives;

/// <summary>
/// The only reader of time: every clock read, delay and timer of the library goes through here (law 14), so that any
/// behaviour can be tested with a fake <see cref="TimeProvider"/>. Both scales are monotonic and start at the clock's
/// birth; never mix them. Thread-safe.
/// </summary>
internal sealed class Clock
{
    private readonly bool _isSystem;
    private readonly long _birthTimestamp;
    private readonly long _birthMilliseconds;
    private readonly double _ticksPerUnit;

    public Clock(TimeProvider? provider = null)
    {
        Provider = provider ?? TimeProvider.System;
        _isSystem = ReferenceEquals(Provider, TimeProvider.System);
        _ticksPerUnit = (double)TimeSpan.TicksPerSecond / Provider.TimestampFrequency;
        _birthTimestamp = Provider.GetTimestamp();
        _birthMilliseconds = _isSystem ? CoarseSystemMilliseconds : 0;
    }

    /// <summary>The one that all share who are given none of their own.</summary>
    public static Clock System { get; } = new();

    public TimeProvider Provider { get; }

    /// <summary>Whether real time is read, so that objects bound to the real clock may be pooled.</summary>
    public bool IsSystem => _isSystem;

    /// <summary>
    /// Milliseconds since birth, coarse (a few milliseconds; 4 ns a read): for circuits, ejections and schedules.
    /// </summary>
    public long Milliseconds =>
        _isSystem ? CoarseSystemMilliseconds - _birthMilliseconds : Ticks / TimeSpan.TicksPerMillisecond;

    /// <summary>Ticks of 100 ns since birth, fine (21 ns a read): for durations and deadlines of requests.</summary>
    public long Ticks => (long)((Provider.GetTimestamp() - _birthTimestamp) * _ticksPerUnit);

    public DateTimeOffset UtcNow => Provider.GetUtcNow();

#pragma warning disable RS0030 // The one place that touches the real clock.
    private static long CoarseSystemMilliseconds => Environment.TickCount64;
#pragma warning restore RS0030

    /// <summary>The clock over a provider: for the system's, or none, the one that all share.</summary>
    public static Clock Of(TimeProvider? provider) =>
        provider is null || ReferenceEquals(provider, System.Provider) ? System : new Clock(provider);

    /// <summary>A timer that is not armed yet and does not carry its creator's execution context.</summary>
    public ITimer CreateTimer(TimerCallback callback, object? state)
    {
        using (ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow())
        {
            return Provider.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>
    /// Runs it on the thread pool behind whatever ordinary work is queued there: as late as that is. A clock that is not
    /// the system's has nothing nearer to that than a timer without a delay.
    /// </summary>
    public void RunBehindQueued<T>(Action<T> callback, T state)
    {
        if (_isSystem)
        {
            ThreadPool.UnsafeQueueUserWorkItem(callback, state, preferLocal: false);
        }
        else
        {
            // Referred to by what it calls, so that the collector does not take it before it has fired.
            ITimer? timer = null;
            timer = CreateTimer(
                _ =>
                {
                    timer!.Dispose();
                    callback(state);
                },
                state: null
            );
            timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }

    public Task Delay(TimeSpan delay, CancellationToken cancellationToken) =>
        Task.Delay(delay, Provider, cancellationToken);
}
