using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>
/// Ends its token when a wait lasts too long. Waits come one after another, often thousands a second: each only notes
/// when it began, and one timer, armed by the first, looks now and then whether the wait of that moment is too old.
/// Nothing is armed while nothing has to wait. Owned by one flow; its timer may fire beside it.
/// </summary>
internal sealed class IdleWatch
{
    /* What _since holds when it is no time; twice the clock's milliseconds are never negative. */
    private const long Resting = -1;
    private const long Stalled = -2;

    /* In the lowest bit of _since, below its milliseconds: the wait has been given its moment more. */
    private const long Prolonged = 1;

    private readonly CancellationTokenSource _source = new();
    private CancellationTokenRegistration _caller;
    private CancellationTokenRegistration _other;
    private Clock _clock = Clock.System;
    private ITimer? _timer;
    private long _limit;
    private long _since = Resting;
    private int _isArmed;
    private volatile bool _hasStalled;

    /// <summary>Ends with the caller's token, or when a wait has lasted too long.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>Whether a wait has lasted too long: known before the token ends.</summary>
    public bool HasStalled => _hasStalled;

    /// <param name="limit">How long a wait may last; infinite if only tokens end it.</param>
    public static IdleWatch Take(Clock clock, TimeSpan limit)
    {
        // A timer of another clock than the system's belongs to that clock alone.
        var watch = clock.IsSystem ? ObjectPool<IdleWatch>.Take() : new IdleWatch();
        var milliseconds = (long)limit.TotalMilliseconds;
        if (watch._limit != milliseconds && Volatile.Read(ref watch._isArmed) != 0)
        {
            // Armed by an owner with another limit, which may be longer. Arming it anew would not do: its callback may be
            // running, and would then put it off by the old limit.
            watch._timer!.Dispose();
            watch = new IdleWatch();
        }

        watch._clock = clock;
        watch._limit = milliseconds;
        return watch;
    }

    /// <summary>Lets the caller's token, and another one if it is another, end this one too, until <see cref="Unlink"/>.</summary>
    public void Link(CancellationToken caller, CancellationToken other = default)
    {
        _caller = Register(caller);
        _other = other == caller ? default : Register(other);
    }

    public void Unlink()
    {
        var (caller, other) = (_caller, _other);
        (_caller, _other) = (default, default);
        // Waits for a callback that is running: after this neither token can reach the source any more.
        caller.Dispose();
        other.Dispose();
    }

    public void BeginWait()
    {
        if (_limit < 0)
        {
            return;
        }

        Volatile.Write(ref _since, _clock.Milliseconds << 1);
        // A full fence: the timer that disarms itself looks again at the wait after that, so one of the two sees the
        // other, and no wait goes unwatched.
        if (Interlocked.Exchange(ref _isArmed, 1) == 0)
        {
            _timer ??= _clock.CreateTimer(static watch => ((IdleWatch)watch!).Check(), this);
            _timer.Change(TimeSpan.FromMilliseconds(_limit), Timeout.InfiniteTimeSpan);
        }
    }

    /// <returns>Whether the wait had lasted too long: then the watch has ended its token, and serves no further wait.</returns>
    public bool EndWait()
    {
        if (Interlocked.Exchange(ref _since, Resting) != Stalled)
        {
            return false;
        }

        _hasStalled = true;
        return true;
    }

    /// <summary>Ends the watching, so that the watch may serve another. Nobody may use the token any more.</summary>
    public void Release()
    {
        Unlink();
        // One that has stalled is done with even where its token has not ended yet: the timer is about to end it, and that
        // must not be the next owner's (IdleWatchTests.Release_JustAsTheTimeIsUp_NeverEndsTheNextOwnersToken). Nor may a wait
        // that was left behind, by a content that no longer waits for its write, end in the next owner's time.
        var isWaiting = Interlocked.Exchange(ref _since, Resting) != Resting;
        if (
            isWaiting
            || _hasStalled
            || !_clock.IsSystem
            || !_source.TryReset()
            || !ObjectPool<IdleWatch>.TryGiveBack(this)
        )
        {
            // The source is left to the collector: its callbacks may be running, and without a timer it holds nothing.
            _timer?.Dispose();
        }
    }

    private CancellationTokenRegistration Register(CancellationToken token) =>
        token.UnsafeRegister(static state => ((CancellationTokenSource)state!).Cancel(), _source);

    private void Check()
    {
        var since = Volatile.Read(ref _since);
        if (since < 0)
        {
            Interlocked.Exchange(ref _isArmed, 0);
            since = Volatile.Read(ref _since);
            if (since < 0 || Interlocked.Exchange(ref _isArmed, 1) != 0)
            {
                return;
            }
        }

        var now = _clock.Milliseconds;
        var left = TimeSpan.FromMilliseconds((since >> 1) + _limit - now);
        if (left > TimeSpan.Zero)
        {
            _timer!.Change(left, Timeout.InfiniteTimeSpan);
            return;
        }

        // This process could not run, and what is waited for may have come meanwhile.
        var isHeldUp = -left >= TimeoutDefaults.Late && (since & Prolonged) == 0;
        var grace = Math.Min((long)TimeoutDefaults.Grace.TotalMilliseconds, _limit);
        var next = isHeldUp ? ((now + grace - _limit) << 1) | Prolonged : Stalled;
        if (Interlocked.CompareExchange(ref _since, next, since) != since)
        {
            // That wait has just ended; the next one finds the timer armed.
            _timer!.Change(TimeSpan.FromMilliseconds(_limit), Timeout.InfiniteTimeSpan);
        }
        else if (next == Stalled)
        {
            _hasStalled = true;
            // What the token's registrations throw belongs to those who registered, not to this timer's thread.
            _ = _source.CancelAsync();
        }
        else
        {
            _timer!.Change(TimeSpan.FromMilliseconds(grace), Timeout.InfiniteTimeSpan);
        }
    }
}
