using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>
/// What one attempt holds of its backend, from selection to the end of the response body: a circuit's permit and one
/// count in flight. It reports its outcome once and is returned once, whoever asks and however often. Chained to the
/// request's earlier attempts, it is also their record. Thread-safe.
/// </summary>
internal sealed class BackendLease
{
    private const int Held = 0;
    private const int Reported = 1;
    private const int Returned = 2;

    private readonly CircuitPermit _permit;
    private readonly bool _isWaitCounted;
    private int _state;
    private bool _isAnswered;

    public BackendLease(Backend backend, CircuitPermit permit, BackendLease? previous)
    {
        Backend = backend;
        _permit = permit;
        Previous = previous;
        _isWaitCounted = backend.Pool.Observer?.OnStarted(backend) ?? false;
    }

    public Backend Backend { get; }

    /// <summary>The request's attempt before this one.</summary>
    public BackendLease? Previous { get; }

    /// <summary>Whether a half-open circuit waits for this attempt's outcome.</summary>
    public bool IsTrial => _permit.IsTrial;

    /// <summary>When the attempt was sent and when its outcome was known, in the clock's fine ticks.</summary>
    public long StartedAt { get; set; }

    public long EndedAt { get; set; }

    /// <summary>What the attempt showed, as far as it is known.</summary>
    public AttemptOutcome Outcome { get; set; }

    public bool IsReported => Volatile.Read(ref _state) != Held;

    /// <summary>
    /// Tells observers that the attempt waits no longer for response headers, once; before the lease is shared, or else
    /// with its report.
    /// </summary>
    public void Answer(in AttemptOutcome outcome)
    {
        if (!_isAnswered)
        {
            _isAnswered = true;
            Backend.OnAnswered(outcome, TimeSpan.FromTicks(Math.Max(0, EndedAt - StartedAt)), _isWaitCounted);
        }
    }

    /// <summary>
    /// Tells circuit and observers of the outcome, once. A failure that is learnt later (a body that broke) is recorded
    /// without a permit: it counts only while the permit's generation lasts.
    /// </summary>
    public void Report(in AttemptOutcome outcome)
    {
        var before = Interlocked.CompareExchange(ref _state, Reported, Held);
        if (before != Returned)
        {
            Tell(outcome, isLate: before == Reported);
        }
    }

    /// <summary>Reports, unless that has been done, and gives back the count in flight: one step, once.</summary>
    public void Return(in AttemptOutcome outcome)
    {
        var before = Interlocked.Exchange(ref _state, Returned);
        if (before != Returned)
        {
            Tell(outcome, isLate: before == Reported);
            Backend.Leave();
        }
    }

    /// <summary>Gives back the count in flight, once; a lease that has not reported says that nothing was learnt.</summary>
    public void Return()
    {
        var before = Interlocked.Exchange(ref _state, Returned);
        if (before == Held)
        {
            Tell(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled), isLate: false);
        }

        if (before != Returned)
        {
            Backend.Leave();
        }
    }

    private void Tell(in AttemptOutcome outcome, bool isLate)
    {
        if (!isLate)
        {
            Answer(outcome);
            Outcome = outcome;
            Backend.OnReported(_permit, outcome);
        }
        else if (outcome.Kind == OutcomeKind.Failure && Outcome.Kind == OutcomeKind.Success)
        {
            Outcome = outcome;
            Backend.OnReportedLate(_permit, outcome);
        }
    }
}
