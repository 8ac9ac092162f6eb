namespace Resilience.Tests.Infrastructure;

/// <summary>
/// A clock that moves only when told to. Advancing it fires the timers on the way, on the calling thread, in due order,
/// with the clock at each timer's due time; what they arm anew fires in the same advance when it is due within it. It
/// holds for everything built on <see cref="TimeProvider"/>: <see cref="CancellationTokenSource"/>, <c>Task.Delay</c>,
/// <c>WaitAsync</c>. Thread-safe.
/// </summary>
/// <remarks>
/// A timer armed with no delay fires in the next advance, even one of zero: never inside the call that arms it, where a
/// real timer does not fire either.
/// </remarks>
internal sealed class FakeTime : TimeProvider
{
    /// <summary>How many timers may fire at one moment before it counts as an endless loop.</summary>
    private const int MaxFiringsAtOneMoment = 100_000;

    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan ArmingLimit = TimeSpan.FromSeconds(15);

    private readonly Lock _advancing = new();
    private readonly Lock _gate = new();
    private readonly SortedSet<FakeTimer> _armed = new(FakeTimer.ByDueTime);
    private readonly List<FakeTimer> _held = [];
    private readonly List<(int Count, TaskCompletionSource Reached)> _armingWaiters = [];

    // Not zero at the start, so that code which takes a timestamp of zero for "none" is not right by accident.
    private long _now = TimeSpan.FromDays(1).Ticks;
    private long _utcOffset = Start.Ticks - TimeSpan.FromDays(1).Ticks;
    private long _armings;

    /// <inheritdoc/>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <summary>UTC, whatever the machine says.</summary>
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>How many timers wait to fire.</summary>
    public int ArmedTimers
    {
        get
        {
            lock (_gate)
            {
                return _armed.Count;
            }
        }
    }

    /// <summary>
    /// Whether no thread is free for ordinary work, which timers armed with no delay stand for: those that are armed
    /// meanwhile do not fire before <see cref="ReleaseOrdinaryWork"/>.
    /// </summary>
    public bool HoldsOrdinaryWork { get; set; }

    /// <summary>How long from now until the next timer fires, or null when none is armed. Never negative.</summary>
    public TimeSpan? NextDue
    {
        get
        {
            lock (_gate)
            {
                return _armed.Min is { } next ? TimeSpan.FromTicks(Math.Max(0, next.Due - _now)) : null;
            }
        }
    }

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        lock (_gate)
        {
            return _now;
        }
    }

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate)
        {
            return new DateTimeOffset(_now + _utcOffset, TimeSpan.Zero);
        }
    }

    /// <summary>
    /// Sets the wall clock forward or back, as an operator or NTP does: <see cref="GetUtcNow"/> jumps, timestamps and
    /// timers do not notice.
    /// </summary>
    public void ShiftUtc(TimeSpan by)
    {
        lock (_gate)
        {
            _utcOffset += by.Ticks;
        }
    }

    /// <summary>What was held is due now, behind whatever was due before.</summary>
    public void ReleaseOrdinaryWork()
    {
        lock (_gate)
        {
            HoldsOrdinaryWork = false;
            _held.ForEach(timer => Insert(timer, _now));
            _held.Clear();
        }
    }

    /// <summary>
    /// Lets time pass in which nothing could run, as when a process was stopped or had no thread free: what was due
    /// meanwhile fires late, in the next advance, even one of zero.
    /// </summary>
    public void Stall(TimeSpan by)
    {
        lock (_gate)
        {
            _now += by.Ticks;
        }
    }

    /// <summary>
    /// Lets time pass. A timer's callback may call this too; the inner advance then is a part of the outer one. What a
    /// callback throws comes out here, with the clock at its due time.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <exception cref="InvalidOperationException">A timer arms itself again and again without a delay.</exception>
    public void Advance(TimeSpan by)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        lock (_advancing)
        {
            var target = GetTimestamp() + by.Ticks;
            var firings = 0;
            var moment = -1L;
            while (TakeNextDue(target) is { } timer)
            {
                firings = moment == timer.FiredAt ? firings + 1 : 1;
                moment = timer.FiredAt;
                if (firings > MaxFiringsAtOneMoment)
                {
                    throw new InvalidOperationException("A timer arms itself again and again without a delay.");
                }

                timer.Fire();
            }

            lock (_gate)
            {
                _now = Math.Max(_now, target);
            }
        }
    }

    /// <summary>Completes when at least <paramref name="count"/> timers are armed, at once when they are.</summary>
    /// <remarks>To know that code on other threads has come to its wait, before advancing past it.</remarks>
    /// <exception cref="TimeoutException">They were not within some seconds of real time.</exception>
    public async Task WhenTimersArmedAsync(int count)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_armed.Count >= count)
            {
                return;
            }

            _armingWaiters.Add((count, reached));
        }

        try
        {
            await reached.Task.WaitAsync(ArmingLimit);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"Waited for {count} armed timers; there are {ArmedTimers}.");
        }
    }

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new FakeTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Arms a timer anew, or disarms it; false when it is disposed.</summary>
    internal bool Arm(FakeTimer timer, TimeSpan dueTime, TimeSpan period)
    {
        lock (_gate)
        {
            if (timer.IsDisposed)
            {
                return false;
            }

            _armed.Remove(timer);
            timer.Period = period.Ticks;
            if (dueTime == TimeSpan.Zero && HoldsOrdinaryWork)
            {
                _held.Add(timer);
            }
            else if (dueTime >= TimeSpan.Zero)
            {
                Insert(timer, _now + dueTime.Ticks);
            }

            return true;
        }
    }

    internal void Remove(FakeTimer timer)
    {
        lock (_gate)
        {
            timer.IsDisposed = true;
            _armed.Remove(timer);
        }
    }

    /// <summary>Takes the first timer due until then, moves the clock to its due time and arms its next period.</summary>
    private FakeTimer? TakeNextDue(long target)
    {
        lock (_gate)
        {
            if (_armed.Min is not { } timer || timer.Due > target)
            {
                return null;
            }

            _armed.Remove(timer);
            _now = Math.Max(_now, timer.Due);
            timer.FiredAt = _now;
            if (timer.Period > 0)
            {
                Insert(timer, timer.Due + timer.Period);
            }

            return timer;
        }
    }

    private void Insert(FakeTimer timer, long due)
    {
        timer.Due = due;
        timer.Arming = ++_armings;
        _armed.Add(timer);
        for (var i = _armingWaiters.Count - 1; i >= 0; i--)
        {
            if (_armingWaiters[i].Count <= _armed.Count)
            {
                _armingWaiters[i].Reached.TrySetResult();
                _armingWaiters.RemoveAt(i);
            }
        }
    }
}
