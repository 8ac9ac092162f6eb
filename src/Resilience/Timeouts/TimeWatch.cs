using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>
/// Ends its token when a piece of work takes too long. One piece comes after another, often thousands a second: each only
/// notes when its time is up, and one timer, armed by the first, looks now and then whether the time noted by then has come
/// (67 ns a piece less than a timer armed and disarmed for each). Owned by one flow; its timer may fire beside it.
/// </summary>
/// <remarks>
/// A process that cannot run - no thread of its pool is free, or it was stopped - finds the end of the time and what came
/// before it due at once. To end the work then would fail a request that was answered. So an ordinary piece of work is sent
/// through the pool's queue: if it comes at once the time is up, if it comes within a second there is a second more, and if
/// it does not come the work ends, and nobody is to blame for it. What waits for nobody's answer, or reads it on its own
/// thread, ends at once.
/// </remarks>
internal sealed class TimeWatch
{
    /// <summary>As a time: never, since there is no work.</summary>
    public const long Never = long.MaxValue;

    /* What _due holds once time has ended the token; the clock's ticks are never negative. */
    private const long Over = long.MinValue;

    /* In the lowest two bits of _due, less than half a microsecond: its time is up, and it has a moment more; in it an
       ordinary piece of work is awaited, or has come late, or need not come. */
    private const long Asked = 1;
    private const long CaughtUp = 2;
    private const long Prolonged = Asked | CaughtUp;

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

    public CancellationTokenSource Source => _source;

    /// <summary>Whether the token has ended.</summary>
    public bool HasEnded => _source.IsCancellationRequested;

    /// <summary>
    /// Whether time has ended the token of a process that cannot run: no ordinary piece of work got a thread in a second more,
    /// so that nothing is known of whom the work waited for.
    /// </summary>
    public bool WasHeldUp { get; private set; }

    /// <summary>Begins a piece of work.</summary>
    /// <param name="due">When its time is up, in the clock's fine ticks.</param>
    /// <param name="isProlonged">Whether there is more time in a process that cannot run.</param>
    public void Begin(long due, bool isProlonged = true)
    {
        due = Marked(due, isProlonged ? 0 : CaughtUp);
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
    /// Sets the timer. The owner and the timer's own thread may do so at once, and either may have set it last for the later
    /// of two times: so each looks again after its change, at the mark and at the time of the work, and whoever looks last
    /// sets it right.
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
            var noted = Volatile.Read(ref _due);
            var earliest = Math.Min(armedFor, noted);
            if (armedFor == Never || noted == Over || earliest == due)
            {
                // The mark is gone if the timer has fired since: then it is looking.
                return;
            }

            due = earliest;
        }
    }

    private void Look()
    {
        Interlocked.Exchange(ref _armedFor, Never);
        while (Volatile.Read(ref _due) is var due and not Never and not Over)
        {
            var now = _clock.Ticks;
            if (due > now)
            {
                Arm(due);
                return;
            }

            if ((due & Prolonged) == 0)
            {
                Prolong(due, now);
            }
            else
            {
                TryEnd(due, wasHeldUp: (due & CaughtUp) == 0);
            }
        }
    }

    /// <summary>
    /// The time is up, and an ordinary piece of work is sent to find out whether this process can run: timers and sockets
    /// are served before such work, so a timer that fires in time is no sign of it.
    /// </summary>
    private void Prolong(long due, long now)
    {
        var more = Later(now, Asked);
        if (Interlocked.CompareExchange(ref _due, more, due) == due)
        {
            _clock.RunBehindQueued(
                static it => it.Watch.Answer(it.Due, it.Now, it.WasLate),
                (Watch: this, Due: more, Now: now, WasLate: now - due >= TimeoutDefaults.Late.Ticks)
            );
        }
    }

    /// <summary>
    /// What was queued when the time was up has had a thread. Where it had one at once nothing can lie unread, and the work
    /// is over; else what has come has another moment from here on.
    /// </summary>
    private void Answer(long due, long askedAt, bool wasLate)
    {
        var now = _clock.Ticks;
        if (!wasLate && now - askedAt < TimeoutDefaults.Late.Ticks)
        {
            TryEnd(due, wasHeldUp: false);
        }
        else if (now < due)
        {
            // The timer fires earlier, and then looks again. What comes later than that has not come in time, whichever of
            // the two has a thread first.
            Interlocked.CompareExchange(ref _due, Later(now, CaughtUp), due);
        }
    }

    /// <summary>Ends the token, unless the work that was to take until then has ended.</summary>
    private void TryEnd(long due, bool wasHeldUp)
    {
        if (Interlocked.CompareExchange(ref _due, Over, due) == due)
        {
            // Read by the owner after the token has ended; a watch that is over serves no other.
            WasHeldUp = wasHeldUp;
            _timer!.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            End();
        }
    }

    private static long Later(long now, long mark) => Marked(now + TimeoutDefaults.Grace.Ticks, mark);

    /* At most that time: a timer counts whole milliseconds, and would take one more for a tick. */
    private static long Marked(long at, long mark) => ((at - Prolonged) & ~Prolonged) | mark;

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
