using Resilience.Backends;
using Resilience.Telemetry;

namespace Resilience.Health.Passive;

/// <summary>
/// Looks at what no single outcome can show: a backend that has stopped answering, and one that does worse than the rest
/// of its pool. One coarse timer for the whole pool, armed only while there is traffic. Thread-safe.
/// </summary>
/// <remarks>
/// What it goes by costs a request two interlocked steps: each backend counts the waits begun and ended. Every tick notes
/// the count of those begun; what was begun by a tick long ago, less all that have ended since, still waits, and for
/// longer than the time since that tick. Waits that end without an answer make it count too few, never too many.
/// </remarks>
internal sealed class PassiveWatch : IMembershipObserver
{
    /* So many ticks fit into the time that makes silent, and so many are remembered: the one before that time too. */
    private const int TicksInSilence = 8;
    private const int Ticks = TicksInSilence + 2;

    /* A tick later than half of that time, of which the other half is then too little to be silent in. */
    private const int TicksUnseen = TicksInSilence / 2;

    private readonly Lock _gate = new();
    private readonly PassiveHealthChecker _checker;
    private readonly BackendPool _pool;
    private readonly PoolComparison _comparison = new();
    private readonly ITimer _timer;
    private readonly long[] _tickedAt = new long[Ticks];
    private int _tick;
    private int _remembered;
    private long _armedAt;
    private bool _wasLate;
    private uint _started;
    private long _comparedAt = long.MinValue / 2;
    private TimeSpan _interval = PassiveDefaults.SilenceTime / TicksInSilence;
    private int _isAwake;

    public PassiveWatch(PassiveHealthChecker checker, BackendPool pool)
    {
        _checker = checker;
        _pool = pool;
        _timer = pool.Clock.CreateTimer(static watch => ((PassiveWatch)watch!).Tick(), this);
        pool.Observe(this);
    }

    /// <summary>Traffic has begun: looks until there is none any more.</summary>
    public void Wake()
    {
        if (Volatile.Read(ref _isAwake) == 0 && Interlocked.Exchange(ref _isAwake, 1) == 0)
        {
            Arm();
        }
    }

    void IMembershipObserver.OnMembersChanged(IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed)
    {
        if (_pool.IsDisposed)
        {
            _timer.Dispose();
        }
    }

    private void Arm()
    {
        Volatile.Write(ref _armedAt, _pool.Clock.Milliseconds);
        _timer.Change(_interval, Timeout.InfiniteTimeSpan);
    }

    private void Tick()
    {
        lock (_gate)
        {
            var isBusy = true;
            try
            {
                isBusy = Look(_checker.Rules, _pool.Clock.Milliseconds);
            }
#pragma warning disable CA1031 // Law 13: whatever a listener throws here, the next look must come.
            catch (Exception exception)
#pragma warning restore CA1031
            {
                Listeners.Write(
                    (_pool, exception),
                    static it => LogMessages.PassiveWatchFailed(it._pool.Logger, it.exception, it._pool.Name)
                );
            }

            if (isBusy)
            {
                Arm();
                return;
            }

            // Falls asleep first and looks after: whoever begins a wait counts it first and wakes after, so one of the
            // two always sees the other (both steps are full fences).
            Interlocked.Exchange(ref _isAwake, 0);
            if (_checker.Rules.IsWatching && IsAnyoneWaiting())
            {
                Wake();
            }
        }
    }

    /// <returns>Whether there is traffic to look at again.</returns>
    private bool Look(PassiveRules rules, long now)
    {
        if (!rules.IsWatching || _pool.IsDisposed)
        {
            // What was begun until now is not looked at; the next one to begin wakes the watch, if a rule is on again.
            _remembered = 0;
            return false;
        }

        var backends = _pool.Snapshot.BackendSpan;
        var isBusy = Remember(backends, now);
        if (rules.FindsSilence)
        {
            FindSilent(backends, rules, now);
        }

        if (rules.IsComparing && now - _comparedAt >= PassiveDefaults.ComparisonMilliseconds)
        {
            _comparedAt = now;
            _comparison.Compare(backends, rules, now, _checker);
        }

        return isBusy;
    }

    private bool Remember(ReadOnlySpan<Backend> backends, long now)
    {
        var isLate = now - Volatile.Read(ref _armedAt) > _interval.TotalMilliseconds * TicksUnseen;
        if (isLate && !_wasLate)
        {
            // This process could not run: what has come since lies unread, and who was silent in that time nobody knows.
            // Once only: it may be the silent one who takes all the threads, and what is late each time has been read.
            _remembered = 0;
        }

        _wasLate = isLate;
        _tick = (_tick + 1) % Ticks;
        _tickedAt[_tick] = now;
        _remembered = Math.Min(_remembered + 1, Ticks);
        var started = 0u;
        var isAnyoneWaiting = false;
        foreach (var backend in backends)
        {
            var record = backend.Passive;
            record.NoteStarted(_tick, Ticks);
            started += record.Started;
            isAnyoneWaiting |= record.Waiting > 0;
        }

        var isBusy = isAnyoneWaiting || started != _started;
        _started = started;
        return isBusy;
    }

    private void FindSilent(ReadOnlySpan<Backend> backends, PassiveRules rules, long now)
    {
        var (usual, last, lastBut) = Survey(backends);
        var limit = PassiveDefaults.SilenceAfter(usual);
        _interval = limit / TicksInSilence;
        var since = now - (long)limit.TotalMilliseconds;
        if (TickBy(since) is not { } tick)
        {
            return;
        }

        foreach (var backend in backends)
        {
            var record = backend.Passive;
            // Another one must have answered well in that time: else it is the network, or the work, that is slow.
            var othersLast = record.SucceededAt == last ? lastBut : last;
            if (
                othersLast > since
                && record.AnsweredAt <= since
                && record.WaitingSince(tick) is var waiting
                && waiting >= PassiveDefaults.SilenceRequests
                && backend.Administration == AdministrativeState.Enabled
                && !Ejection.IsOut(backend, now)
            )
            {
                var time = TimeSpan.FromMilliseconds(now - _tickedAt[tick]);
                _checker.Eject(backend, rules, new Evidence(EjectionRule.Silence, waiting, Time: time));
            }
        }
    }

    /// <summary>The pool's usual time to an answer, the last good answer of all, and the last one of another backend.</summary>
    private static (TimeSpan Usual, long Last, long LastBut) Survey(ReadOnlySpan<Backend> backends)
    {
        var (sum, count) = (TimeSpan.Zero, 0);
        var (last, lastBut) = (long.MinValue, long.MinValue);
        foreach (var backend in backends)
        {
            var mean = backend.Passive.MeanResponseTime;
            if (mean > TimeSpan.Zero)
            {
                sum += mean;
                count++;
            }

            var at = backend.Passive.SucceededAt;
            (last, lastBut) = at > last ? (at, last) : (last, Math.Max(lastBut, at));
        }

        return (count == 0 ? TimeSpan.Zero : sum / count, last, lastBut);
    }

    /// <summary>The youngest tick at or before <paramref name="time"/>, if one is remembered.</summary>
    private int? TickBy(long time)
    {
        for (var back = 0; back < _remembered; back++)
        {
            var tick = (_tick - back + Ticks) % Ticks;
            if (_tickedAt[tick] <= time)
            {
                return tick;
            }
        }

        return null;
    }

    private bool IsAnyoneWaiting()
    {
        foreach (var backend in _pool.Snapshot.BackendSpan)
        {
            if (backend.Passive.Waiting > 0)
            {
                return true;
            }
        }

        return false;
    }
}
