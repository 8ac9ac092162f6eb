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

    private const int Buckets = 10;

    /* The mean of response times in ticks, and in the lowest bits of how many, up to the number it moves over. */
    private const int MeanShift = 7;
    private const long MeanCountMask = (1L << MeanShift) - 1;
    private const int MeanOver = 64;

    private int _run;
    private long _mean;
    private SlidingWindow? _outcomes;
    private SlidingWindow? _answers;
    private long _askAgainAt = long.MinValue;

    /// <summary>Failures in a row.</summary>
    public int ConsecutiveFailures => Math.Max(0, -Volatile.Read(ref _run));

    /// <summary>Successes in a row, counted up to <see cref="MostSuccesses"/>.</summary>
    public int ConsecutiveSuccesses => Math.Max(0, Volatile.Read(ref _run));

    /// <summary>The moving average of the time to a good response; zero before the first.</summary>
    public TimeSpan MeanResponseTime => TimeSpan.FromTicks(Volatile.Read(ref _mean) >> MeanShift);

    /// <summary>Ejections that no good stretch has forgiven yet; changed inside the pool's critical section.</summary>
    public int Ejections { get; set; }

    /// <summary>A failure more in the run.</summary>
    /// <returns>How many it has now.</returns>
    public int CountFailure()
    {
        while (true)
        {
            var run = Volatile.Read(ref _run);
            var next = run > 0 ? -1 : Math.Max(run - 1, -int.MaxValue);
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
    public void CountOutcome(long now, bool hasFailed, TimeSpan length) =>
        Window(ref _outcomes, length).Add(now, 1, hasFailed ? 1u : 0);

    /// <summary>Counts a response into the window of response times.</summary>
    public void CountAnswer(long now, bool isSlow, TimeSpan length) =>
        Window(ref _answers, length).Add(now, 1, isSlow ? 1u : 0);

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
    /// Forgets runs, windows and times. When an ejection begins and when it ends: what was in flight when it began is old
    /// evidence, and must not eject the backend again at once.
    /// </summary>
    public void Forget()
    {
        Volatile.Write(ref _run, 0);
        Volatile.Write(ref _mean, 0);
        Volatile.Write(ref _outcomes, null);
        Volatile.Write(ref _answers, null);
        Volatile.Write(ref _askAgainAt, long.MinValue);
    }

    /// <summary>The window in the field, if it has the length that the rules ask for; else a new one in its place.</summary>
    private static SlidingWindow Window(ref SlidingWindow? field, TimeSpan length)
    {
        var seen = Volatile.Read(ref field);
        if (seen is not null && seen.Length == length)
        {
            return seen;
        }

        var fresh = new SlidingWindow(length, Buckets);
        var before = Interlocked.CompareExchange(ref field, fresh, seen);
        return ReferenceEquals(before, seen) ? fresh : before ?? fresh;
    }

    private static (long All, long Bad) Sums(SlidingWindow? window, long now)
    {
        var (all, bad) = window?.Sum(now) ?? default;
        return ((long)all, (long)bad);
    }
}
