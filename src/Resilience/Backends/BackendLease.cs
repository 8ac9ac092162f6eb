using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>
/// What one attempt holds of its backend, from selection to the end of the response body: a circuit's ticket and one
/// count in flight. It reports its outcome once and is returned once, whoever asks and however often. Chained to the
/// request's earlier attempts, it is also their record. Thread-safe.
/// </summary>
internal sealed class BackendLease
{
    /* The two steps of a lease's life in the lowest bits, each taken once, and above them when it started. */
    private const long Reported = 1;
    private const long Returned = 2;
    private const int StartShift = 2;

    private readonly CircuitTicket _ticket;
    private readonly bool _isWaitCounted;
    private long _startAndState;
    private uint _microseconds;
    private bool _isAnswered;

    public BackendLease(Backend backend, CircuitTicket ticket, BackendLease? previous)
    {
        Backend = backend;
        _ticket = ticket;
        Previous = previous;
        _isWaitCounted = backend.Pool.Observer?.OnStarted(backend) ?? false;
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
        set => _startAndState = (value << StartShift) | (_startAndState & (Reported | Returned));
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

    public bool IsReported => (Volatile.Read(ref _startAndState) & (Reported | Returned)) != 0;

    /// <summary>
    /// Tells observers that the attempt waits no longer for response headers, once; before the lease is shared, or else
    /// with its report.
    /// </summary>
    public void Answer(in AttemptOutcome outcome)
    {
        if (!_isAnswered)
        {
            _isAnswered = true;
            Backend.OnAnswered(outcome, Duration, _isWaitCounted);
        }
    }

    /// <summary>
    /// Tells circuit and observers of the outcome, once. A failure that is learnt later (a body that broke) is recorded
    /// without a permit: it counts only while the permit's generation lasts.
    /// </summary>
    public void Report(in AttemptOutcome outcome)
    {
        var before = Interlocked.Or(ref _startAndState, Reported);
        if ((before & Returned) == 0)
        {
            Tell(outcome, isLate: (before & Reported) != 0);
        }
    }

    /// <summary>Reports, unless that has been done, and gives back the count in flight: one step, once.</summary>
    public void Return(in AttemptOutcome outcome)
    {
        var before = Interlocked.Or(ref _startAndState, Returned);
        if ((before & Returned) == 0)
        {
            TellAndLeave(outcome, isLate: (before & Reported) != 0);
        }
    }

    /// <summary>Gives back the count in flight, once; a lease that has not reported says that nothing was learnt.</summary>
    public void Return()
    {
        var before = Interlocked.Or(ref _startAndState, Returned);
        if ((before & (Reported | Returned)) == 0)
        {
            TellAndLeave(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled), isLate: false);
        }
        else if ((before & Returned) == 0)
        {
            Backend.Leave();
        }
    }

    private void TellAndLeave(in AttemptOutcome outcome, bool isLate)
    {
        try
        {
            Tell(outcome, isLate);
        }
        finally
        {
            // Whoever is told may run what others wrote (a listener to metrics): it must not keep the count.
            Backend.Leave();
        }
    }

    private void Tell(in AttemptOutcome outcome, bool isLate)
    {
        if (!isLate)
        {
            Answer(outcome);
            Outcome = outcome;
            Backend.OnReported(_ticket, outcome, Duration.Ticks);
        }
        else if (outcome.Kind == OutcomeKind.Failure && Outcome.Kind == OutcomeKind.Success)
        {
            Outcome = outcome;
            Backend.OnReportedLate(_ticket, outcome);
        }
    }
}
