using Resilience.CircuitBreaking;
using Resilience.Primitives;

namespace Resilience.Backends;

/// <summary>
/// One server of a pool at run time. All that is known of it lives here and nowhere else: what the operator said, what
/// probes and traffic say, its circuit and its load. Thread-safe; what changes its availability goes through its pool,
/// one change at a time.
/// </summary>
public sealed class Backend : ICircuitOwner
{
    private const int Removed = 3;

    private readonly BackendPool _pool;
    private BackendDefinition _definition;
    private BackendStatus _status;
    private LatencyHistogram? _latency;
    private BackendLoad _load;
    private long _failures;
    private long _probesSucceeded;
    private long _probesFailed;
    private long _probesSkipped;
    private int _administration;
    private int _lastFailure;

    /* Smaller than the enumerations that they are: a pool may have ten thousand of these objects. */
    private byte _activeVerdict;
    private byte _passiveVerdict;
    private byte _shownCircuit;

    /// <param name="status">What is shown of another one that joins at the same time, made of the same rules.</param>
    internal Backend(
        BackendPool pool,
        BackendDefinition definition,
        CircuitRules rules,
        string source,
        BackendStatus? status
    )
    {
        _pool = pool;
        _definition = definition;
        Source = source;
        ApplyLimit();
        Circuit = new CircuitBreaker(Name, rules, pool.Clock, pool.Random, this);
        ShownCircuit = Circuit.State;
        // Only the circuit can object to one that is new, if it does not begin closed.
        var (state, reason) = Derive();
        var detail = reason == StateReason.None ? "new" : DetailOf(reason);
        _status = status ?? new BackendStatus(state, reason, detail, pool.Clock.UtcNow);
    }

    /// <summary>What it is. A reload may change its weight and metadata.</summary>
    public BackendDefinition Definition => Volatile.Read(ref _definition);

    /// <summary>The name by which it is known: its given name, else its address.</summary>
    public string Name => Definition.Identity;

    /// <summary>Its state, why, and since when.</summary>
    public BackendStatus Status => Volatile.Read(ref _status);

    /// <summary>The one word for it.</summary>
    public BackendState State => Status.State;

    /// <summary>Whether it is healthy: nothing keeps it from taking traffic.</summary>
    public bool IsAlive => State == BackendState.Healthy;

    /// <summary>What the operator said.</summary>
    public AdministrativeState Administration =>
        Volatile.Read(ref _administration) is var value && value == Removed
            ? AdministrativeState.Draining
            : (AdministrativeState)value;

    /// <summary>Its circuit.</summary>
    public CircuitBreaker Circuit { get; }

    /// <summary>What probes say.</summary>
    public ActiveVerdict ActiveVerdict
    {
        get => (ActiveVerdict)_activeVerdict;
        private set => _activeVerdict = (byte)value;
    }

    /// <summary>What real traffic says.</summary>
    public PassiveVerdict PassiveVerdict
    {
        get => (PassiveVerdict)_passiveVerdict;
        private set => _passiveVerdict = (byte)value;
    }

    /// <summary>How long its ejection still lasts; zero if it is not ejected.</summary>
    public TimeSpan EjectedFor =>
        PassiveVerdict == PassiveVerdict.Ejected
            ? TimeSpan.FromMilliseconds(Math.Max(0, EjectedUntil - _pool.Clock.Milliseconds))
            : TimeSpan.Zero;

    /// <summary>Attempts that hold it now, those whose response body is still being read included.</summary>
    public int InFlight => _load.InFlight;

    /// <summary>The most attempts that may hold it at once; <see langword="null"/> if there is no limit.</summary>
    public int? MaxConcurrentRequests => _load.Limit;

    /// <summary>Whether it has as many attempts in flight as it may have. It is not unhealthy for that.</summary>
    public bool IsFull => _load.IsFull;

    /// <summary>Attempts ever sent to it.</summary>
    public long Attempts => _load.Attempts;

    /// <summary>Attempts that failed by its own or its application's fault.</summary>
    public long Failures => Interlocked.Read(ref _failures);

    /// <summary>Attempts that have ended, however.</summary>
    internal long Ended => _load.Ended;

    /// <summary>The last probe's result; <see langword="null"/> before the first.</summary>
    public ProbeResult? LastProbe { get; private set; }

    /// <summary>How many probes have ended, and how.</summary>
    public ProbeStatistics Probes =>
        new(
            Interlocked.Read(ref _probesSucceeded),
            Interlocked.Read(ref _probesFailed),
            Interlocked.Read(ref _probesSkipped)
        );

    /// <summary>Successful probes in a row.</summary>
    public int ConsecutiveProbeSuccesses { get; private set; }

    /// <summary>Failed probes in a row.</summary>
    public int ConsecutiveProbeFailures { get; private set; }

    /// <summary>Which list of backends it belongs to.</summary>
    internal string Source { get; }

    internal BackendPool Pool => _pool;

    /// <summary>The passive checker's own figures for this backend.</summary>
    internal PassiveRecord Passive { get; } = new();

    internal long EjectedUntil { get; private set; }

    internal CircuitState ShownCircuit
    {
        get => (CircuitState)_shownCircuit;
        set => _shownCircuit = (byte)value;
    }

    internal bool IsRemoved => Volatile.Read(ref _administration) == Removed;

    private string? ActiveDetail { get; set; }

    private string? PassiveDetail { get; set; }

    /// <summary>
    /// Says by hand what probes would find. Its counters start anew; later probes may change it again.
    /// </summary>
    public void SetAlive(bool isAlive) =>
        _pool.Change(
            this,
            isAlive,
            static (backend, _, isAlive) =>
            {
                backend.RestartActiveVerdict(
                    isAlive ? ActiveVerdict.Healthy : ActiveVerdict.Unhealthy,
                    isAlive ? "set alive by hand" : "set dead by hand"
                );
                return true;
            }
        );

    /// <summary>Takes it out of rotation at once; what it has in flight finishes. Only <see cref="Enable"/> undoes it.</summary>
    public void Drain() => Administer(AdministrativeState.Draining);

    /// <summary>
    /// Drains it and waits until nothing is in flight, response bodies included.
    /// </summary>
    /// <param name="timeout">How long to wait; <see cref="Timeout.InfiniteTimeSpan"/> for as long as it takes.</param>
    /// <param name="cancellationToken">Ends the waiting, not the draining.</param>
    /// <returns>Whether nothing was in flight within the time. It stays drained either way.</returns>
    public async Task<bool> DrainAsync(TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        Drain();
        var startedAt = _pool.Clock.Ticks;
        var left = timeout;
        try
        {
            do
            {
                await _load.WhenIdle().WaitAsync(left, _pool.Clock.Provider, cancellationToken).ConfigureAwait(false);
                if (timeout != Timeout.InfiniteTimeSpan)
                {
                    var passed = TimeSpan.FromTicks(_pool.Clock.Ticks - startedAt);
                    left = passed < timeout ? timeout - passed : TimeSpan.Zero;
                }
                // Whoever woke us may have seen the count at zero before this drain, and been held up since.
            } while (InFlight > 0);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    /// <summary>Takes no traffic until <see cref="Enable"/>; it is still probed.</summary>
    public void Disable() => Administer(AdministrativeState.Disabled);

    /// <summary>Undoes <see cref="Drain"/> and <see cref="Disable"/>.</summary>
    public void Enable() => Administer(AdministrativeState.Enabled);

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    void ICircuitOwner.OnCircuitChanged(CircuitState from, CircuitState to, CircuitChangeReason reason)
    {
        if (from == CircuitState.MetricsOnly && to == CircuitState.MetricsOnly)
        {
            _pool.Announce((pool, time) => new BackendCircuitWouldOpen(pool.Name, time, this, reason));
        }
        else
        {
            _pool.Change(this, 0, static (_, _, _) => true);
        }
    }

    /// <summary>
    /// Takes a lease if limit, operator and circuit allow it; health verdicts do not matter here, they are the snapshot's
    /// business.
    /// </summary>
    internal BackendLease? TryAcquire(in PickContext context)
    {
        // Counted in before the state is looked at: who drains sets the state before it looks at the count, so one of
        // the two always sees the other (both steps are full fences).
        if (!_load.TryStart())
        {
            return null;
        }

        if (
            Volatile.Read(ref _administration) == (int)AdministrativeState.Enabled
            && Circuit.TryAcquireTicket(out var ticket)
        )
        {
            return new BackendLease(this, ticket, context.LastAttempt);
        }

        _load.Undo();
        if (_load.IsLimited && MayPassOn())
        {
            // The count just undone may have kept out somebody who has gone to wait since.
            OfferPlaces();
        }

        return null;
    }

    /// <summary>One attempt less in flight: its place goes to who waits for it, else it is free.</summary>
    internal void Leave()
    {
        if (!_load.IsLimited)
        {
            _load.Leave();
        }
        else if (!TryPassOn())
        {
            LeaveFree();
        }
    }

    /// <summary>The second step of leaving, when nobody waited for the place.</summary>
    internal void LeaveFree()
    {
        _load.Leave();
        // Who has stood in line since looks once more itself, or is seen here: see WaitingLine.TryEnter.
        OfferPlaces();
    }

    /// <summary>Makes an attempt of a place that was passed on.</summary>
    internal BackendLease Accept(CircuitTicket ticket, BackendLease? previous)
    {
        _load.StartOnPlace();
        return new BackendLease(this, ticket, previous);
    }

    /// <summary>Gives back a place that was passed on to somebody who has no use for it any more.</summary>
    internal void Decline(CircuitTicket ticket)
    {
        Circuit.Report(ticket, CircuitOutcome.Neutral);
        Leave();
    }

    /// <inheritdoc cref="BackendLoad.CountOut()"/>
    internal bool CountOut() => _load.CountOut();

    /// <inheritdoc cref="BackendLoad.WakeDrains"/>
    internal void WakeDrains() => _load.WakeDrains();

    /// <summary>An attempt has got its response headers, has failed, or is not waited for any longer.</summary>
    internal void OnAnswered(in AttemptOutcome outcome, TimeSpan duration, bool isWaitCounted)
    {
        if (isWaitCounted)
        {
            Passive.EndWait();
        }

        if (outcome.Kind == OutcomeKind.Success)
        {
            NoteSuccess();
        }

        if (_pool.LatencyWindow is var window && window > TimeSpan.Zero && outcome.StatusCode != 0)
        {
            HistogramOf(window).Add(_pool.Clock.Milliseconds, duration);
        }

        _pool.Observer?.OnAnswered(this, outcome, duration);
    }

    /// <summary>It has answered a request well.</summary>
    internal void NoteSuccess()
    {
        if (_pool.NotesSuccesses)
        {
            Passive.NoteSuccess(_pool.Clock.Milliseconds);
        }
    }

    /// <summary>A probe was due, and traffic has made it unnecessary.</summary>
    internal void CountSkippedProbe() => Interlocked.Increment(ref _probesSkipped);

    /// <summary>Percentiles of response times, if they are kept and there are any.</summary>
    internal LatencyReport? Latency(long now)
    {
        if (_pool.LatencyWindow == TimeSpan.Zero || Volatile.Read(ref _latency) is not { } histogram)
        {
            return null;
        }

        var (count, times) = histogram.Quantiles(now, 0.5, 0.95, 0.99);
        return count == 0 ? null : new LatencyReport(count, times[0], times[1], times[2]);
    }

    /// <summary>All that objects to it taking traffic, in the order in which one is shown.</summary>
    internal IEnumerable<StateReason> Objections()
    {
        if (Administration == AdministrativeState.Disabled)
        {
            yield return StateReason.Disabled;
        }

        if (Administration == AdministrativeState.Draining)
        {
            yield return StateReason.Draining;
        }

        if (IsCircuitObjecting)
        {
            yield return StateReason.Circuit;
        }

        if (PassiveVerdict == PassiveVerdict.Ejected)
        {
            yield return StateReason.Passive;
        }

        if (ActiveVerdict == ActiveVerdict.Unhealthy)
        {
            yield return StateReason.Active;
        }
    }

    /// <param name="ticks">How long the attempt took until its outcome was known, in ticks of 100 ns.</param>
    internal void OnReported(CircuitTicket ticket, in AttemptOutcome outcome, long ticks)
    {
        var shown = Note(outcome);
        if (!Circuit.IsTraceless(ticket, shown))
        {
            // Put into an object only for who asks about it: whoever says how long a break should be.
            object? result =
                shown == CircuitOutcome.Failure && Circuit.Rules.HasBreakDurationGenerator ? outcome : null;
            Circuit.Report(ticket, shown, ticks, exception: null, result);
        }

        _pool.Observer?.OnOutcome(this, outcome);
    }

    internal void OnReportedLate(CircuitTicket ticket, in AttemptOutcome outcome)
    {
        Note(outcome);
        Circuit.ReportLateFailure(ticket);
        _pool.Observer?.OnOutcome(this, outcome);
    }

    /// <summary>What the last failure was, in words.</summary>
    internal string DescribeLastFailure()
    {
        var packed = Volatile.Read(ref _lastFailure);
        return new AttemptOutcome(OutcomeKind.Failure, (FailureKind)(packed >> 16), packed & 0xFFFF).ToString();
    }

    /// <summary>Whether operator, weight and circuit let it take traffic at this moment.</summary>
    internal bool IsAdmissible(long now) =>
        Volatile.Read(ref _administration) == (int)AdministrativeState.Enabled
        && Definition.Weight > 0
        && Circuit.Admits(now);

    /// <summary>Whether it would be given traffic of those that may go anywhere, if it had a place.</summary>
    internal bool IsWanted => Definition.Weight > 0 && (!IsHealthObjecting || _pool.Snapshot.IsFailOpen);

    /// <summary>Whether health objects to it taking traffic.</summary>
    internal bool IsHealthObjecting =>
        ActiveVerdict == ActiveVerdict.Unhealthy || PassiveVerdict == PassiveVerdict.Ejected;

    /// <summary>Whether its circuit objects to it taking traffic; one that is disabled or only measures does not.</summary>
    private bool IsCircuitObjecting =>
        Circuit.State is CircuitState.Open or CircuitState.HalfOpen or CircuitState.ForcedOpen;

    /* What follows runs inside the pool's critical section. */

    internal void Redefine(BackendDefinition definition)
    {
        Volatile.Write(ref _definition, definition);
        ApplyLimit();
    }

    /// <summary>Takes over its own limit, else the pool's. The snapshot that follows wakes those whom it lets in.</summary>
    internal void ApplyLimit() => _load.Limit = Definition.MaxConcurrentRequests ?? _pool.Limit.MaxRequests;

    internal void Remove() => Interlocked.Exchange(ref _administration, Removed);

    internal void RecordProbe(ProbeResult result)
    {
        LastProbe = result;
        Interlocked.Increment(ref result.IsSuccess ? ref _probesSucceeded : ref _probesFailed);
        ConsecutiveProbeSuccesses = result.IsSuccess ? ConsecutiveProbeSuccesses + 1 : 0;
        ConsecutiveProbeFailures = result.IsSuccess ? 0 : ConsecutiveProbeFailures + 1;
    }

    internal void SetActiveVerdict(ActiveVerdict verdict, string detail)
    {
        var recovered = ActiveVerdict == ActiveVerdict.Unhealthy && verdict == ActiveVerdict.Healthy;
        ActiveVerdict = verdict;
        ActiveDetail = detail;
        if (recovered)
        {
            Circuit.Hint();
        }
    }

    /// <summary>Another reason for the verdict there is: it is shown, and changes nothing else.</summary>
    internal void RestateActiveVerdict(string detail)
    {
        if (detail != ActiveDetail)
        {
            ActiveDetail = detail;
            Settle();
        }
    }

    /// <summary>A verdict that does not come from counted probes; counting starts anew.</summary>
    internal void RestartActiveVerdict(ActiveVerdict verdict, string detail)
    {
        ConsecutiveProbeSuccesses = 0;
        ConsecutiveProbeFailures = 0;
        SetActiveVerdict(verdict, detail);
    }

    internal void Eject(long until, string detail)
    {
        PassiveVerdict = PassiveVerdict.Ejected;
        EjectedUntil = until;
        PassiveDetail = detail;
    }

    internal void Readmit()
    {
        // Failures of what was in flight when it was ejected are old evidence: they must not eject it again at once.
        Passive.Forget();
        PassiveVerdict = PassiveVerdict.Healthy;
        PassiveDetail = "ejection ended";
    }

    /// <summary>The shown state as it follows from everything else.</summary>
    internal (BackendState State, StateReason Reason) Derive() =>
        Volatile.Read(ref _administration) switch
        {
            (int)AdministrativeState.Draining or Removed => (BackendState.Draining, StateReason.Draining),
            (int)AdministrativeState.Disabled => (BackendState.Unhealthy, StateReason.Disabled),
            _ when IsCircuitObjecting => (BackendState.Unhealthy, StateReason.Circuit),
            _ when PassiveVerdict == PassiveVerdict.Ejected => (BackendState.Unhealthy, StateReason.Passive),
            _ when ActiveVerdict == ActiveVerdict.Unhealthy => (BackendState.Unhealthy, StateReason.Active),
            _ => (BackendState.Healthy, StateReason.None),
        };

    /// <summary>Publishes the derived state; returns the status before and after.</summary>
    internal (BackendStatus From, BackendStatus To) Settle()
    {
        var from = _status;
        var (state, reason) = Derive();
        var isSame = from.State == state && from.Reason == reason;
        if (isSame && reason == StateReason.None)
        {
            return (from, from);
        }

        // The same objection may have another detail by now: a longer ejection, another probe's error.
        var detail = DetailOf(reason);
        if (isSame && detail == from.Detail)
        {
            return (from, from);
        }

        // The state's age is not the reason's: a second objection does not make it younger.
        var since = from.State == state ? from.Since : _pool.Clock.UtcNow;
        var to = new BackendStatus(state, reason, detail, since);
        Volatile.Write(ref _status, to);
        return (from, to);
    }

    private string DetailOf(StateReason reason) =>
        reason switch
        {
            StateReason.Disabled => "disabled by the operator",
            StateReason.Draining => IsRemoved ? "left the pool" : "drained by the operator",
            StateReason.Circuit => CircuitDetail(),
            StateReason.Passive => PassiveDetail ?? "",
            StateReason.Active => ActiveDetail ?? "",
            _ => RecoveryDetail(),
        };

    private string CircuitDetail() =>
        Circuit.State == CircuitState.ForcedOpen ? "circuit forced open"
        : Volatile.Read(ref _lastFailure) == 0 ? "circuit begins open"
        : $"circuit opened, the last failure: {DescribeLastFailure()}";

    /// <summary>Why it is healthy again: the objection that was shown last has gone.</summary>
    private string RecoveryDetail() =>
        _status.Reason switch
        {
            StateReason.Circuit => Circuit.State == CircuitState.Closed ? "circuit closed" : "circuit does not decide",
            StateReason.Passive => PassiveDetail ?? "",
            StateReason.Active => ActiveDetail ?? "",
            _ => "enabled by the operator",
        };

    private void Administer(AdministrativeState state) =>
        _pool.Change(
            this,
            state,
            static (backend, _, state) => Interlocked.Exchange(ref backend._administration, (int)state) != (int)state
        );

    /// <summary>Whether operator and circuit let a place here be given to another request.</summary>
    private bool MayPassOn() =>
        Volatile.Read(ref _administration) == (int)AdministrativeState.Enabled
        && Circuit.Admits(_pool.Clock.Milliseconds);

    /// <summary>
    /// Gives the place that the caller holds to the first who waits for it. It stays counted on the way, so that no
    /// newcomer takes it, and a drain that begins meanwhile waits for it.
    /// </summary>
    internal bool TryPassOn()
    {
        if (
            !_pool.Line.IsAwaited(this)
            || _load.IsOverfull
            || !MayPassOn()
            || !Circuit.TryAcquireTicket(out var ticket)
        )
        {
            return false;
        }

        if (_pool.Line.TryGive(this, ticket))
        {
            return true;
        }

        Circuit.Report(ticket, CircuitOutcome.Neutral);
        return false;
    }

    /// <summary>
    /// Gives free places to those who wait. Ends when there is neither, or when operator or circuit refuse: what lets them
    /// admit again brings a younger snapshot, which wakes all who wait.
    /// </summary>
    private void OfferPlaces()
    {
        while (_pool.Line.IsAwaited(this) && _load.TryTakePlace())
        {
            if (!TryPassOn())
            {
                _load.Leave();
                if (!MayPassOn())
                {
                    return;
                }
            }
        }
    }

    /// <summary>The histogram of that length; made on first use, and anew where a reload has changed the length.</summary>
    private LatencyHistogram HistogramOf(TimeSpan window)
    {
        var seen = Volatile.Read(ref _latency);
        if (seen is not null && seen.Window == window)
        {
            return seen;
        }

        var fresh = new LatencyHistogram(window);
        return ReferenceEquals(Interlocked.CompareExchange(ref _latency, fresh, seen), seen)
            ? fresh
            : Volatile.Read(ref _latency)!;
    }

    private CircuitOutcome Note(in AttemptOutcome outcome)
    {
        if (outcome.IsFailure)
        {
            Interlocked.Increment(ref _failures);
            Volatile.Write(ref _lastFailure, ((int)outcome.Failure << 16) | (outcome.StatusCode & 0xFFFF));
        }

        return outcome.Kind switch
        {
            OutcomeKind.Failure => CircuitOutcome.Failure,
            OutcomeKind.Neutral => CircuitOutcome.Neutral,
            // An application's failure is an answer: the circuit guards against backends that give none.
            _ => CircuitOutcome.Success,
        };
    }
}
