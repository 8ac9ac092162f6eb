using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>
/// Ends its token when a piece of work takes too long. One piece comes after another, often thousands a second: each only
/// notes when its time is up, and one timer, armed by the first, looks now and then whether the time noted by then has come
/// (67 ns a piece less than a timer armed and disarmed for each). Owned by one flow; its timer may fire beside it.
/// </summary>
internal sealed class TimeWatch
{
    /// <summary>As a time: never, since there is no work, or no limit to it.</summary>
    public const long Never = long.MaxValue;

    /* What _due holds once time has ended the token; the clock's ticks are never negative. */
    private const long Over = long.MinValue;

    private readonly Clock _clock;
    private CancellationTokenSource _source = new();
    private ITimer? _timer;
    private long _due = Never;
    private long _armedFor = Never;

    /// <summary>One on the system's clock, which may be pooled.</summary>
    public TimeWatch()
        : this(Clock.System) { }

    public TimeWatch(Clock clock)
    {
        _clock = clock;
    }

    public CancellationToken Token => _source.Token;

    /// <summary>Whether the token has ended.</summary>
    public bool HasEnded => _source.IsCancellationRequested;

    /// <summary>Begins a piece of work.</summary>
    /// <param name="due">When its time is up, in the clock's fine ticks; <see cref="Never"/> for no limit.</param>
    public void Begin(long due)
    {
        // A full fence between the two: the timer that fires takes its mark off before it looks at the time, so one of the
        // two sees the other, and no work goes unwatched.
        Interlocked.Exchange(ref _due, due);
        if (due < Volatile.Read(ref _armedFor))
        {
            Arm(due);
        }
    }

    /// <summary>Ends the token at once.</summary>
    public void Cancel() => _source.Cancel();

    /// <summary>The work has ended: time does not end the token any more.</summary>
    /// <returns>Whether the watch can serve another owner: it can if the token has not ended, nor is about to.</returns>
    public bool TryReset() =>
        Interlocked.Exchange(ref _due, Never) != Over && ReferenceEquals(_clock, Clock.System) && _source.TryReset();

    /// <summary>
    /// As <see cref="TryReset"/>, where the owner may have given the token away: the next owner gets a token of its own.
    /// Only the source is new; a timer, the dearer part of a watch, nobody can have kept.
    /// </summary>
    public bool TryRenew()
    {
        if (Interlocked.Exchange(ref _due, Never) == Over || !ReferenceEquals(_clock, Clock.System))
        {
            return false;
        }

        // Time ends only what it has seen begin: the timer's thread reads the source after the next piece of work has
        // noted its time, a full fence after this.
        _source = new CancellationTokenSource();
        return true;
    }

    /// <summary>Nobody wants the watch any more. Its source is left to the collector: without a timer it holds nothing.</summary>
    public void Abandon()
    {
        Interlocked.Exchange(ref _due, Never);
        _timer?.Dispose();
    }

    /// <summary>
    /// Sets the timer. The owner and the timer's own thread may do so at once, and the one that was to fire later may have
    /// changed the timer last: so each looks again after its change, and whoever looks last sets it right.
    /// </summary>
    private void Arm(long due)
    {
        _timer ??= _clock.CreateTimer(static watch => ((TimeWatch)watch!).Look(), this);
        while (true)
        {
            Interlocked.Exchange(ref _armedFor, due);
            var left = TimeSpan.FromTicks(Math.Max(0, due - _clock.Ticks));
            _timer.Change(TimeSpan.FromMilliseconds(Math.Ceiling(left.TotalMilliseconds)), Timeout.InfiniteTimeSpan);
            var armedFor = Volatile.Read(ref _armedFor);
            if (armedFor == due || armedFor == Never)
            {
                // The mark is gone if the timer has fired since: then it is looking.
                return;
            }

            due = armedFor;
        }
    }

    private void Look()
    {
        Interlocked.Exchange(ref _armedFor, Never);
        while (Volatile.Read(ref _due) is var due and not Never and not Over)
        {
            if (due > _clock.Ticks)
            {
                Arm(due);
                return;
            }

            // Whichever work it is that has noted this time by now: its time is up.
            if (Interlocked.CompareExchange(ref _due, Over, due) == due)
            {
                End();
                return;
            }

            // That work has just ended, and what began after it may have found the timer armed.
        }
    }

    private void End()
    {
        try
        {
            _source.Cancel();
        }
        catch (AggregateException exception)
        {
            // What the token's registrations throw belongs to those who registered: on this timer's thread it would end
            // the process (law 13). It is told where the platform tells of every failure that nobody awaits.
            _ = Task.FromException(exception);
        }
    }
}
