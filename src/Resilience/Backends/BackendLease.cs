using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>
/// What one attempt holds of its backend, from selection to the end of the response body: a circuit's ticket and one
/// count in flight. It reports its outcome once and is returned once, whoever asks and however often. Chained to the
/// request's earlier attempts, it is also their record. Thread-safe.
/// </summary>
internal sealed class BackendLease
{
    /* The steps of a lease's life in the lowest bits, each taken once, and above them when it started. */
    private const long Reported = 1;
    private const long Returned = 2;
    private const long Answered = 4;
    private const long WaitCounted = 8;

    /* The report was a success, and no failure has come after it. */
    private const long Succeeded = 16;
    private const int StartShift = 5;
    private const long StateMask = (1 << StartShift) - 1;

    private readonly CircuitTicket _ticket;
    private long _startAndState;
    private uint _microseconds;

    public BackendLease(Backend backend, CircuitTicket ticket, BackendLease? previous)
    {
        Backend = backend;
        _ticket = ticket;
        Previous = previous;
        _startAndState = backend.Pool.Observer?.OnStarted(backend) == true ? WaitCounted : 0;
    }

    public Backend Backend { get; }

    /// <summary>The request's attempt before this one.</summary>
    public BackendLease? Previous { get; }

    /// <summary>Whether a half-open circuit waits for this attempt's outcome.</summary>
    public bool IsTrial => _ticket.IsTrial;

    /// <summary>When the attempt was sent, in the clock's fine ticks. Set before anybody else knows of the lease.</summary>
    public long StartedAt
    {
        get => Volatile.Read(ref _startAndState) >> StartShift;
        set => _startAndState = (value << StartShift) | (_startAndState & StateMask);
    }

    /// <summary>
    /// How long it took until its outcome was known; zero while it is under way. Kept in whole microseconds, at most 71
    /// minutes.
    /// </summary>
    public TimeSpan Duration
    {
        get => TimeSpan.FromMicroseconds(_microseconds);
        set => _microseconds = (uint)Math.Clamp(value.Ticks / TimeSpan.TicksPerMicrosecond, 0, uint.MaxValue);
    }

    /// <summary>What the attempt showed, as far as it is known.</summary>
    public AttemptOutcome Outcome { get; set; }

    public bool IsReported => IsToldOf(Volatile.Read(ref _startAndState));

    /// <summary>
    /// Tells observers that the attempt waits no longer for response headers, once; before the lease is shared, or else
    /// with its report.
    /// </summary>
    public void Answer(in AttemptOutcome outcome)
    {
        var seen = Volatile.Read(ref _startAndState);
        if ((seen & Answered) != 0)
        {
            return;
        }

        if (!IsToldOf(seen))
        {
            // Nobody else knows of the lease yet.
            _startAndState = seen | Answered;
        }
        else
        {
            Interlocked.Or(ref _startAndState, Answered);
        }

        Backend.OnAnswered(outcome, Duration, isWaitCounted: (seen & WaitCounted) != 0);
    }

    /// <summary>
    /// Tells circuit and observers of the outcome, once. A failure that is learnt later (a body that broke) is recorded
    /// without a permit: it counts only while the permit's generation lasts.
    /// </summary>
    public void Report(in AttemptOutcome outcome)
    {
        var before = Take(Reported, outcome);
        if ((before & Returned) == 0)
        {
            Tell(outcome, before);
        }
    }

    /// <summary>Reports, unless that has been done, and gives back the count in flight: one step, once.</summary>
    public void Return(in AttemptOutcome outcome)
    {
        var before = Take(Returned, outcome);
        if ((before & Returned) == 0)
        {
            TellAndLeave(outcome, before);
        }
    }

    /// <summary>Gives back the count in flight, once; a lease that has not reported says that nothing was learnt.</summary>
    public void Return()
    {
        var before = Interlocked.Or(ref _startAndState, Returned);
        if (!IsToldOf(before))
        {
            TellAndLeave(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled), before);
        }
        else if ((before & Returned) == 0)
        {
            Backend.Leave();
        }
    }

    /// <summary>
    /// Takes a step, and in the same word notes whether the report was a success: another thread may report a failure
    /// before this one has told anybody anything. Only a success is followed by a late failure, and by one alone.
    /// </summary>
    /// <returns>The word before it.</returns>
    private long Take(long step, in AttemptOutcome outcome)
    {
        var before = Volatile.Read(ref _startAndState);
        while (true)
        {
            var after = before | step;
            if (!IsToldOf(before))
            {
                after |= outcome.Kind == OutcomeKind.Success ? Succeeded : 0;
            }
            else if (outcome.Kind == OutcomeKind.Failure)
            {
                after &= ~Succeeded;
            }

            var seen = Interlocked.CompareExchange(ref _startAndState, after, before);
            if (seen == before)
            {
                return before;
            }

            before = seen;
        }
    }

    private static bool IsToldOf(long state) => (state & (Reported | Returned)) != 0;

    private void TellAndLeave(in AttemptOutcome outcome, long before)
    {
        try
        {
            Tell(outcome, before);
        }
        finally
        {
            // Whoever is told may run what others wrote (a listener to metrics): it must not keep the count.
            Backend.Leave();
        }
    }

    private void Tell(in AttemptOutcome outcome, long before)
    {
        if (!IsToldOf(before))
        {
            Answer(outcome);
            Outcome = outcome;
            Backend.OnReported(_ticket, outcome, Duration.Ticks);
        }
        else if (outcome.Kind == OutcomeKind.Failure && (before & Succeeded) != 0)
        {
            Outcome = outcome;
            Backend.OnReportedLate(_ticket, outcome);
        }
    }
}
