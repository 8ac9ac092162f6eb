using Resilience.Primitives;

namespace Resilience.Backends;

/// <summary>
/// One backend's evidence from real traffic, kept by the passive checker: runs, shares over a window, response times.
/// Windows are made when a rule first needs them. Lock-free and without allocation per request; what is said to belong
/// to the pool's critical section is changed there only. Thread-safe.
/// </summary>
internal sealed class PassiveRecord
{
    /// <summary>Successes in a row are counted up to here, so that healthy traffic ends up writing nothing.</summary>
    public const int MostSuccesses = 1_000;

    /* Failures too, so that the count never wraps round, however many threads are at it. */
    private const int MostFailures = 1_000_000_000;

    /* The mean of response times in ticks, and in the lowest bits of how many, up to the number it moves over. */
    private const int MeanShift = 7;
    private const long MeanCountMask = (1L << MeanShift) - 1;
    private const int MeanOver = 64;

    private int _run;
    private long _mean;
    private SlidingWindow? _outcomes;
    private SlidingWindow? _answers;
    private long _askAgainAt = long.MinValue;
    private long _wouldBeOutUntil = long.MinValue;

    /* Waits for response headers, begun and ended; both wrap round, their difference does not mind. */
    private uint _started;
    private uint _ended;
    private long _answeredAt = long.MinValue;
    private long _succeededAt = long.MinValue;

    /* At the last forgetting: how many waited, and how many waits had ended by then in the lower half. */
    private ulong _forgotten;
    private uint[]? _startedBy;

    /// <summary>Failures in a row.</summary>
    public int ConsecutiveFailures => Math.Max(0, -Volatile.Read(ref _run));

    /// <summary>Successes in a row, counted up to <see cref="MostSuccesses"/>.</summary>
    public int ConsecutiveSuccesses => Math.Max(0, Volatile.Read(ref _run));

    /// <summary>The moving average of the time to a good response; zero before the first.</summary>
    public TimeSpan MeanResponseTime => TimeSpan.FromTicks(Volatile.Read(ref _mean) >> MeanShift);

    /// <summary>Ejections that no good stretch has forgiven yet; changed inside the pool's critical section.</summary>
    public int Ejections { get; set; }

    /// <summary>In a dry run: until when it would be ejected. Changed inside the pool's critical section.</summary>
    public long WouldBeOutUntil
    {
        get => Volatile.Read(ref _wouldBeOutUntil);
        set => Volatile.Write(ref _wouldBeOutUntil, value);
    }

    /// <summary>Waits for response headers that were ever begun.</summary>
    public uint Started => Volatile.Read(ref _started);

    /// <summary>Attempts that wait for response headers, as far as they are counted.</summary>
    public int Waiting
    {
        get
        {
            // Ends are read first: what begins and ends in between must not make it negative.
            var ended = Volatile.Read(ref _ended);
            return (int)(Started - ended);
        }
    }

    /// <summary>When it last answered anything, in the clock's milliseconds.</summary>
    public long AnsweredAt => Volatile.Read(ref _answeredAt);

    /// <summary>When it last answered well, in the clock's milliseconds; noted only where somebody goes by it.</summary>
    public long SucceededAt => Volatile.Read(ref _succeededAt);

    public void BeginWait() => Interlocked.Increment(ref _started);

    public void EndWait() => Interlocked.Increment(ref _ended);

    /// <summary>A response has come; written once a millisecond at most.</summary>
    public void NoteAnswer(long now, bool isGood)
    {
        if (Volatile.Read(ref _answeredAt) != now)
        {
            Volatile.Write(ref _answeredAt, now);
        }

        if (isGood)
        {
            NoteSuccess(now);
        }
    }

    /// <summary>A good response has come; written once a millisecond at most.</summary>
    public void NoteSuccess(long now)
    {
        if (Volatile.Read(ref _succeededAt) != now)
        {
            Volatile.Write(ref _succeededAt, now);
        }
    }

    /// <summary>Remembers at a tick of the watch, its only caller, how many waits have begun.</summary>
    public void NoteStarted(int tick, int ticks)
    {
        if (_startedBy is null)
        {
            if (Waiting == 0)
            {
                return;
            }

            // Of the ticks before this one nothing is known, so nothing waits since then.
            _startedBy = new uint[ticks];
            Array.Fill(_startedBy, Volatile.Read(ref _ended));
        }

        _startedBy[tick] = Started;
    }

    /// <summary>
    /// How many have waited since a tick of the watch, its only caller, at least; without those that waited already when
    /// all was forgotten.
    /// </summary>
    public int WaitingSince(int tick)
    {
        if (_startedBy is null)
        {
            return 0;
        }

        var ended = Volatile.Read(ref _ended);
        var forgotten = Volatile.Read(ref _forgotten);
        var old = (uint)(forgotten >> 32);
        // Compared before it is subtracted: billions of waits have ended since, and the difference would wrap round.
        var passed = ended - (uint)forgotten;
        var stillOld = passed < old ? (int)(old - passed) : 0;
        return (int)(_startedBy[tick] - ended) - stillOld;
    }

    /// <summary>A failure more in the run.</summary>
    /// <returns>How many it has now.</returns>
    public int CountFailure()
    {
        var run = Volatile.Read(ref _run);
        if (run is <= 0 and > -MostFailures && Interlocked.Decrement(ref _run) is var longer and < 0)
        {
            return -longer;
        }

        // Successes stand there, some of them perhaps since the look: this failure comes after them.
        while (true)
        {
            run = Volatile.Read(ref _run);
            var next = run > 0 ? -1 : Math.Max(run - 1, -MostFailures);
            if (Interlocked.CompareExchange(ref _run, next, run) == run)
            {
                return -next;
            }
        }
    }

    /// <summary>A success more in the run; written only while the count still grows.</summary>
    public void CountSuccess()
    {
        while (Volatile.Read(ref _run) is var run && run < MostSuccesses)
        {
            if (Interlocked.CompareExchange(ref _run, run < 0 ? 1 : run + 1, run) == run)
            {
                return;
            }
        }
    }

    /// <summary>Counts a request into the window of outcomes.</summary>
    /// <param name="epochs">The window's, from <see cref="SlidingWindow.ByBuckets"/>.</param>
    public void CountOutcome(long now, bool hasFailed, FastDivisor epochs) =>
        Window(ref _outcomes, epochs).Add(now, 1, hasFailed ? 1u : 0);

    /// <summary>Counts a response into the window of response times.</summary>
    /// <param name="epochs">The window's, from <see cref="SlidingWindow.ByBuckets"/>.</param>
    public void CountAnswer(long now, bool isSlow, FastDivisor epochs) =>
        Window(ref _answers, epochs).Add(now, 1, isSlow ? 1u : 0);

    /// <summary>The requests within the window, and those of them that failed.</summary>
    public (long Requests, long Failures) Outcomes(long now) => Sums(Volatile.Read(ref _outcomes), now);

    /// <summary>The responses within the window, and those of them that were slow.</summary>
    public (long Answers, long Slow) Answers(long now) => Sums(Volatile.Read(ref _answers), now);

    /// <summary>
    /// Moves the average. Two threads at once may lose one of their times, which an average can bear; each read and
    /// write is whole.
    /// </summary>
    public void CountTime(TimeSpan responseTime)
    {
        var seen = Volatile.Read(ref _mean);
        var count = Math.Min((seen & MeanCountMask) + 1, MeanOver);
        var mean = seen >> MeanShift;
        mean += (responseTime.Ticks - mean) / count;
        Volatile.Write(ref _mean, (mean << MeanShift) | count);
    }

    /// <summary>Whether it is time to ask for an ejection (again): a storm of failures does not queue for the pool.</summary>
    public bool MayAsk(long now) => now >= Volatile.Read(ref _askAgainAt);

    public void AskAgainAt(long at) => Volatile.Write(ref _askAgainAt, at);

    /// <summary>
    /// Forgets runs, windows, times and who waits. When an ejection begins and when it ends: what was in flight when it began is old
    /// evidence, and must not eject the backend again at once.
    /// </summary>
    public void Forget()
    {
        Volatile.Write(ref _run, 0);
        Volatile.Write(ref _mean, 0);
        Volatile.Write(ref _outcomes, null);
        Volatile.Write(ref _answers, null);
        Volatile.Write(ref _askAgainAt, long.MinValue);
        var ended = Volatile.Read(ref _ended);
        Volatile.Write(ref _forgotten, ((ulong)(Started - ended) << 32) | ended);
    }

    /// <summary>The window in the field, if it has the length that the rules ask for; else a new one in its place.</summary>
    private static SlidingWindow Window(ref SlidingWindow? field, FastDivisor epochs)
    {
        var seen = Volatile.Read(ref field);
        if (seen is not null && seen.Epochs == epochs)
        {
            return seen;
        }

        var fresh = new SlidingWindow(epochs);
        var before = Interlocked.CompareExchange(ref field, fresh, seen);
        return ReferenceEquals(before, seen) ? fresh : before ?? fresh;
    }

    private static (long All, long Bad) Sums(SlidingWindow? window, long now)
    {
        var (all, bad) = window?.Sum(now) ?? default;
        return ((long)all, (long)bad);
    }
}
