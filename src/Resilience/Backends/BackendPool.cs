using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Resilience.CircuitBreaking;
using Resilience.Primitives;
using Resilience.Retries;
using Resilience.Telemetry;

namespace Resilience.Backends;

/// <summary>
/// The named, changing set of backends that answer the same requests; all state is in it. Requests read one immutable
/// <see cref="PoolSnapshot"/>; every change of a backend's availability goes through one critical section, which keeps
/// the snapshot true to the states. Thread-safe.
/// </summary>
public sealed class BackendPool : IObservedPool, IDisposable, IAsyncDisposable
{
    /// <summary>The list that a pool's own <see cref="Add"/> puts backends on.</summary>
    private const string ManualSource = "manual";

    /// <summary>The list that <see cref="Apply"/> replaces unless told otherwise.</summary>
    private const string DefaultSource = "configuration";

    /// <summary>A first change rebuilds the snapshot at once, those that follow within this time together.</summary>
    private const long RebuildSpacingMilliseconds = 50;

    /// <summary>Timers are not set closer than this: the coarse clock moves in steps of a few milliseconds.</summary>
    private const long ShortestTimerMilliseconds = 10;

    private readonly Lock _gate = new();
    private readonly IBackendSelector _selector;
    private readonly EventHub<PoolEvent> _events = new(static (item, missed) => item with { Missed = missed });
    private readonly ITimer _timer;
    private readonly PoolLogger? _lines;
    private readonly Membership _membership = new();
    private Backend[] _backends = [];
    private IMembershipObserver[] _membershipObservers = [];
    private CircuitRules _circuitRules;
    private double _failOpenThreshold;
    private ConcurrencyLimit _limit;
    private PoolSnapshot _snapshot = new(0, [], [], null, isFailOpen: false, default, long.MaxValue);
    private long _latencyWindow;
    private BackendPicker? _picker;
    private IOutcomeObserver? _observer;
    private long _rebuiltAt = long.MinValue / 2;
    private bool _notesSuccesses;
    private bool _isStale;
    private bool _isDisposed;

    /// <summary>Creates a pool.</summary>
    /// <param name="name">Its name in logs, metrics and exceptions.</param>
    /// <param name="backends">Its first backends; at least one, no two of the same identity.</param>
    /// <param name="selector">What chooses among them, for instance a <c>RoundRobinSelector</c>.</param>
    /// <param name="options">How it behaves; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <param name="timeProvider">The clock; the system's if <see langword="null"/>.</param>
    /// <param name="random">The source of random draws, thread-safe; the shared one if <see langword="null"/>.</param>
    /// <param name="loggerFactory">Where state changes are logged; nowhere if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">
    /// The list is empty or holds duplicates, or an option is out of range; the message names every problem.
    /// </exception>
    public BackendPool(
        string name,
        IEnumerable<BackendDefinition> backends,
        IBackendSelector selector,
        BackendPoolOptions? options = null,
        TimeProvider? timeProvider = null,
        Random? random = null,
        ILoggerFactory? loggerFactory = null
    )
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(backends);
        ArgumentNullException.ThrowIfNull(selector);
        options ??= new BackendPoolOptions();
        Ranges.ThrowIfAny("pool's options", options.Problems());
        Name = name;
        Clock = Clock.Of(timeProvider);
        Random = random ?? RandomSource.Default;
        Budget = new RetryBudget(options.RetryBudget, Clock);
        _selector = selector;
        _circuitRules = new CircuitRules(options.CircuitBreaker);
        _failOpenThreshold = options.FailOpenThreshold;
        _limit = new ConcurrencyLimit(options.ConcurrencyLimit);
        _latencyWindow = options.LatencyWindow?.Ticks ?? 0;
        _lines = loggerFactory is null
            ? null
            : new PoolLogger(loggerFactory.CreateLogger(TelemetryNames.PoolLogCategory), name, Clock);
        _timer = Clock.CreateTimer(static pool => ((BackendPool)pool!).Refresh(), this);
        _events.Subscribe(OnEvent, OnSubscriberFailed);
        Apply(backends);
        Instruments.Watch(this);
    }

    /// <summary>Its name in logs, metrics and exceptions.</summary>
    public string Name { get; }

    /// <summary>What it looks like now: one volatile read.</summary>
    [SuppressMessage(
        "Naming",
        "CA1721",
        Justification = "Both are snapshots: this one is the requests', live; that one is for people."
    )]
    public PoolSnapshot Snapshot => Volatile.Read(ref _snapshot);

    /// <summary>Its backends.</summary>
    public IReadOnlyList<Backend> Backends => Snapshot.Backends;

    /// <summary>The allowance of extra attempts that its requests share.</summary>
    public RetryBudget Budget { get; }

    /// <summary>
    /// Requests that wait now: for a place on a backend, all being at their limits, or for a half-open circuit's trial.
    /// </summary>
    public int WaitingRequests => Line.Count;

    /// <summary>Where requests wait whom nobody admits now, but somebody may soon.</summary>
    internal WaitingLine Line { get; } = new();

    /// <summary>The limit in force of those backends that have none of their own, and the terms of waiting.</summary>
    internal ConcurrencyLimit Limit => Volatile.Read(ref _limit);

    /// <summary>Where requests to its backends go again and again.</summary>
    internal KnownTargets Targets { get; } = new();

    /// <summary>Over which time backends keep response times for percentiles; zero for not at all.</summary>
    internal TimeSpan LatencyWindow => TimeSpan.FromTicks(Volatile.Read(ref _latencyWindow));

    internal Clock Clock { get; }

    internal Random Random { get; }

    internal ILogger Logger => _lines ?? (ILogger)NullLogger.Instance;

    /// <summary>Learns from every attempt's outcome; set once, before the first request.</summary>
    internal IOutcomeObserver? Observer
    {
        get => Volatile.Read(ref _observer);
        set => Volatile.Write(ref _observer, value);
    }

    /// <summary>Whether each backend keeps when it last answered well: somebody compares it with what probes say.</summary>
    internal bool NotesSuccesses
    {
        get => Volatile.Read(ref _notesSuccesses);
        set => Volatile.Write(ref _notesSuccesses, value);
    }

    internal bool IsDisposed => Volatile.Read(ref _isDisposed);

    /// <summary>The backend of that identity, its name or else its address; <see langword="null"/> if there is none.</summary>
    public Backend? Find(string identity) => _membership.Find(identity);

    /// <summary>The healthy backends: nothing keeps them from taking traffic.</summary>
    public IReadOnlyList<Backend> GetHealthyBackends() => [.. Backends.Where(backend => backend.IsAlive)];

    /// <summary>
    /// Everything that an operator asks, in plain values that can be kept and written as JSON. Takes no lock: the figures
    /// of a backend are of about the same moment, and agree with each other once nothing changes. Costs about a
    /// microsecond a backend; not for the path of a request.
    /// </summary>
    public PoolReport GetSnapshot() => PoolReport.Of(this);

    /// <summary>
    /// Replaces a whole list of backends: works out the difference, keeps the state of those that stay, lets those that
    /// go finish what they have. An equal list changes nothing.
    /// </summary>
    /// <param name="backends">The new list; at least one, no two of the same identity.</param>
    /// <param name="source">Which list it replaces, where backends come from several.</param>
    /// <returns>Whether anything changed.</returns>
    /// <exception cref="ArgumentException">The list is empty or holds duplicates; nothing is changed.</exception>
    /// <exception cref="ObjectDisposedException">The pool has been disposed.</exception>
    public bool Apply(IEnumerable<BackendDefinition> backends, string source = DefaultSource)
    {
        ArgumentNullException.ThrowIfNull(backends);
        ArgumentNullException.ThrowIfNull(source);
        var wanted = Membership.Whole(Name, backends);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            _membership.ThrowIfDuplicate(Name, wanted, source);
            // Those that join together are as old as each other, and share what is shown of a new one.
            BackendStatus? status = null;
            var change = _membership.Compare(
                _backends,
                wanted,
                source,
                (definition, source) =>
                {
                    var backend = Create(definition, source, status);
                    status = backend.Status;
                    return backend;
                }
            );
            if (change.Added.Count > 0 || change.Removed.Count > 0)
            {
                ChangeMembers(change.Next, change.Added, change.Removed);
            }
            else if (change.IsRedefined)
            {
                MarkStale(Clock.Milliseconds);
            }

            return change.IsAny;
        }
    }

    /// <summary>Adds one backend.</summary>
    /// <exception cref="ArgumentException">The pool has one of that identity.</exception>
    /// <exception cref="ObjectDisposedException">The pool has been disposed.</exception>
    public Backend Add(BackendDefinition backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_membership.Find(backend.Identity) is not null)
            {
                throw new ArgumentException(
                    $"The pool '{Name}' has a backend '{backend.Identity}' already.",
                    nameof(backend)
                );
            }

            var added = Create(backend, ManualSource);
            ChangeMembers([.. _backends, added], [added], []);
            return added;
        }
    }

    /// <summary>Removes one backend: it takes no new request and finishes those that it has.</summary>
    /// <returns>Whether the pool had it.</returns>
    public bool Remove(string identity)
    {
        ArgumentNullException.ThrowIfNull(identity);
        lock (_gate)
        {
            if (_isDisposed || _membership.Find(identity) is not { } backend)
            {
                return false;
            }

            ChangeMembers([.. _backends.Where(each => each != backend)], [], [backend]);
            return true;
        }
    }

    /// <summary>
    /// Calls <paramref name="handler"/> for every event from now on, in order, each once, on the thread pool and never
    /// two at a time, until the result is disposed. What it throws is logged and survived.
    /// </summary>
    public IDisposable Subscribe(Action<PoolEvent> handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return _events.Subscribe(handler, OnSubscriberFailed);
    }

    /// <summary>The events from the moment that the enumeration begins, until the pool is disposed.</summary>
    public IAsyncEnumerable<PoolEvent> WatchAsync(CancellationToken cancellationToken = default) =>
        _events.WatchAsync(cancellationToken);

    /// <summary>
    /// Ends the pool: new requests fail with <see cref="ObjectDisposedException"/>, those in flight finish.
    /// </summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            Volatile.Write(ref _isDisposed, true);
            foreach (var backend in _backends)
            {
                // Shown, but no event: what has ended is the pool, and its events end with it.
                backend.Remove();
                backend.Settle();
            }

            Publish(new PoolSnapshot(_snapshot.Version + 1, _backends, [], null, false, default, long.MaxValue));
            foreach (var observer in _membershipObservers)
            {
                // Whoever works for the members in the background has nothing left to do (law 13).
                observer.OnMembersChanged([], _backends);
            }
        }

        Instruments.Unwatch(this);
        _timer.Dispose();
        _lines?.Dispose();
        // The pool's own subscription ends with the others, once its queue is empty.
        _events.Complete();
    }

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return _timer.DisposeAsync();
    }

    /// <summary>
    /// Changes one backend inside the critical section, publishes what became of its state, and refreshes the snapshot.
    /// The only way in which a backend's verdicts and administration change.
    /// </summary>
    /// <param name="change">Told the clock's milliseconds; says whether it changed anything.</param>
    /// <returns>Whether anything changed; never for a backend that has left.</returns>
    internal bool Change<TArg>(Backend backend, TArg arg, Func<Backend, long, TArg, bool> change)
    {
        lock (_gate)
        {
            if (_isDisposed || backend.IsRemoved)
            {
                return false;
            }

            var now = Clock.Milliseconds;
            if (!change(backend, now, arg))
            {
                return false;
            }

            Settle(backend);
            MarkStale(now);
            return true;
        }
    }

    /// <summary>Brings the snapshot up to date if anything has changed it or time has passed it by.</summary>
    internal void Refresh()
    {
        lock (_gate)
        {
            if (!_isDisposed)
            {
                Rebuild(Clock.Milliseconds);
            }
        }
    }

    /// <summary>For who found nothing in the snapshot: a younger one, if there is reason for one.</summary>
    internal PoolSnapshot FreshSnapshot()
    {
        if (Volatile.Read(ref _isStale) || Clock.Milliseconds >= Snapshot.NextChange)
        {
            Refresh();
        }

        return Snapshot;
    }

    internal void Configure(BackendPoolOptions options)
    {
        Ranges.ThrowIfAny("pool's options", options.Problems());
        lock (_gate)
        {
            var rules = new CircuitRules(options.CircuitBreaker);
            _failOpenThreshold = options.FailOpenThreshold;
            Volatile.Write(ref _latencyWindow, options.LatencyWindow?.Ticks ?? 0);
            Budget.Configure(options.RetryBudget);
            _circuitRules = rules;
            Volatile.Write(ref _limit, new ConcurrencyLimit(options.ConcurrencyLimit));
            foreach (var backend in _backends)
            {
                backend.Circuit.Configure(rules);
                backend.ApplyLimit();
            }

            MarkStale(Clock.Milliseconds);
        }
    }

    /// <summary>Tells <paramref name="observer"/> of the members there are, as added, and of every change from then on.</summary>
    internal void Observe(IMembershipObserver observer)
    {
        lock (_gate)
        {
            Unobserve(observer);
            if (_isDisposed)
            {
                return;
            }

            _membershipObservers = [.. _membershipObservers, observer];
            observer.OnMembersChanged(_backends, []);
        }
    }

    internal void Unobserve(IMembershipObserver observer)
    {
        lock (_gate)
        {
            _membershipObservers = [.. _membershipObservers.Where(each => each != observer)];
        }
    }

    internal void Announce(Func<BackendPool, DateTimeOffset, PoolEvent> create)
    {
        lock (_gate)
        {
            _events.Publish(create(this, Clock.UtcNow));
        }
    }

    void IObservedPool.Observe(PoolGauge gauge, List<Measurement<long>> measurements) =>
        PoolGauges.Observe(this, gauge, measurements);

    /// <summary>
    /// The pool's own subscription, with or without a logger: off the request path, in order, and at the price of a queue
    /// that is empty while nothing changes.
    /// </summary>
    private void OnEvent(PoolEvent item)
    {
        try
        {
            PoolEventLog.Write(Logger, item);
        }
        finally
        {
            PoolEventMetrics.Record(item);
        }
    }

    private void OnSubscriberFailed(Exception exception) => LogMessages.SubscriberFailed(Logger, exception, Name);

    private Backend Create(BackendDefinition definition, string source, BackendStatus? status = null) =>
        new(this, definition, _circuitRules, source, status);

    private void ChangeMembers(Backend[] next, IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed)
    {
        var time = Clock.UtcNow;
        _membership.Change(added, removed);
        foreach (var backend in removed)
        {
            backend.Remove();
            Settle(backend);
            _events.Publish(new BackendRemoved(Name, time, backend));
        }

        foreach (var backend in added)
        {
            _events.Publish(new BackendAdded(Name, time, backend));
        }

        _backends = next;
        // Members change at once: a backend that has left must not be found, one that has come may be the only one.
        Rebuild(Clock.Milliseconds);
        foreach (var observer in _membershipObservers)
        {
            observer.OnMembersChanged(added, removed);
        }
    }

    private void Settle(Backend backend)
    {
        var circuit = backend.Circuit.State;
        if (circuit != backend.ShownCircuit)
        {
            _events.Publish(new BackendCircuitChanged(Name, Clock.UtcNow, backend, backend.ShownCircuit, circuit));
            backend.ShownCircuit = circuit;
        }

        var (from, to) = backend.Settle();
        if (from.State != to.State)
        {
            _events.Publish(new BackendStateChanged(Name, Clock.UtcNow, backend, from, to));
        }
    }

    private void MarkStale(long now)
    {
        if (now - _rebuiltAt >= RebuildSpacingMilliseconds)
        {
            Rebuild(now);
        }
        else if (!_isStale)
        {
            Volatile.Write(ref _isStale, true);
            ArmTimer(_rebuiltAt + RebuildSpacingMilliseconds, now);
        }
    }

    /// <summary>Derives the snapshot from the states: the one pass in which everything that time ends is ended too.</summary>
    private void Rebuild(long now)
    {
        _rebuiltAt = now;
        Volatile.Write(ref _isStale, false);
        var survey = new PoolSurvey(_backends, _failOpenThreshold);
        foreach (var backend in _backends)
        {
            if (backend.PassiveVerdict == PassiveVerdict.Ejected && now >= backend.EjectedUntil)
            {
                backend.Readmit();
                Settle(backend);
            }

            survey.Add(backend, now);
        }

        var (available, isFailOpen) = survey.Available();
        var snapshot = new PoolSnapshot(
            _snapshot.Version + 1,
            _backends,
            available,
            available.Length == 0 ? null : CreatePicker(available),
            isFailOpen,
            survey.Refusals,
            survey.NextChange
        )
        {
            FailOpenSince = isFailOpen ? _snapshot.FailOpenSince ?? Clock.UtcNow : null,
        };
        if (isFailOpen != _snapshot.IsFailOpen)
        {
            _events.Publish(new FailOpenChanged(Name, Clock.UtcNow, isFailOpen));
        }

        Publish(snapshot);
        ArmTimer(survey.NextChange, now);
    }

    private void Publish(PoolSnapshot snapshot)
    {
        var old = _snapshot;
        Volatile.Write(ref _snapshot, snapshot);
        old.Supersede();
    }

    private BackendPicker? CreatePicker(Backend[] available)
    {
        try
        {
            return _picker = _selector.CreatePicker(available, _picker, Random);
        }
#pragma warning disable CA1031 // Law 13: a user's selector that throws is reported; requests go to any available backend.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _events.Publish(new SelectorFailed(Name, Clock.UtcNow, exception));
            return null;
        }
    }

    private void ArmTimer(long at, long now)
    {
        var due =
            at == long.MaxValue
                ? Timeout.InfiniteTimeSpan
                : TimeSpan.FromMilliseconds(Math.Clamp(at - now, ShortestTimerMilliseconds, int.MaxValue));
        _timer.Change(due, Timeout.InfiniteTimeSpan);
    }
}
