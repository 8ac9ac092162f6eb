using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>
/// Probes a pool's backends in the background: each at its own due times, never twice at a time, by a bounded number of
/// workers. Each run, from a start to the next stop, has a <see cref="ProbeSchedule"/> of its own. Thread-safe.
/// </summary>
public sealed class HealthChecker : IMembershipObserver, IDisposable, IAsyncDisposable
{
    private readonly BackendPool _pool;
    private readonly IHealthProbe _probe;
    private readonly TimedProbe _timed;
    private readonly Clock _clock;
    private readonly ProbeTelemetry _telemetry;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly List<ScheduledProbe> _givenUp = [];
    private HealthRules _rules;
    private ProbeSchedule? _running;
    private ProbeSchedule? _last;
    private long _succeeded;
    private long _failed;
    private long _skipped;
    private int _stops;
    private TaskCompletionSource<Task>? _wantedStart;
    private bool _isDisposed;

    /// <summary>Creates a checker; it probes after <see cref="Start"/>.</summary>
    /// <param name="pool">The pool whose backends it probes.</param>
    /// <param name="options">How; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <param name="probe">The check itself; the one that <paramref name="options"/> describe if <see langword="null"/>. Disposed with the checker if it can be.</param>
    /// <param name="loggerFactory">Where it logs; nowhere if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public HealthChecker(
        BackendPool pool,
        HealthCheckOptions? options = null,
        IHealthProbe? probe = null,
        ILoggerFactory? loggerFactory = null
    )
    {
        ArgumentNullException.ThrowIfNull(pool);
        options ??= new HealthCheckOptions();
        _pool = pool;
        _clock = pool.Clock;
        _rules = new HealthRules(options);
        _probe = probe ?? new ConfiguredHealthProbe(options);
        _timed = new TimedProbe(_probe, _clock);
        _telemetry = new ProbeTelemetry(pool.Name, _clock, loggerFactory);
        _timer = _clock.CreateTimer(static checker => ((HealthChecker)checker!).Tick(), this);
    }

    /// <summary>
    /// Starts probing in the background and returns at once; while a stop is under way, as soon as that has ended. Does
    /// nothing if it runs, if checks are switched off, or after disposal.
    /// </summary>
    public void Start() => Begin();

    /// <summary>How many probes of this checker have ended, and how, those of backends that have left included.</summary>
    public ProbeStatistics Statistics =>
        new(Interlocked.Read(ref _succeeded), Interlocked.Read(ref _failed), Interlocked.Read(ref _skipped));

    /// <summary>
    /// Starts probing in the background and waits until every backend has been probed once; at once if checks are switched
    /// off, or were started before and have come round.
    /// </summary>
    /// <param name="cancellationToken">Ends the waiting, not the probing.</param>
    /// <exception cref="TaskCanceledException">The token has ended, or the checker was stopped before.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default)
    {
        Start();
        Task firstRound;
        lock (_gate)
        {
            // A pool that has been disposed has no members to wait for, and tells nobody so.
            firstRound =
                _pool.IsDisposed ? Task.CompletedTask
                : _running is { IsPeriodic: true } run ? run.FirstRoundEnded
                : _wantedStart?.Task.Unwrap() ?? Task.CompletedTask;
        }

        return firstRound.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Probes a backend now, whenever it is due, and applies the result; joins a probe of it that is under way. Works
    /// whether or not probing was started, and where checks are switched off.
    /// </summary>
    /// <param name="backend">A backend of the pool.</param>
    /// <param name="cancellationToken">Ends the waiting, not the probe, which ends with its own timeout.</param>
    /// <exception cref="ArgumentException">The backend is none of the pool's.</exception>
    /// <exception cref="ObjectDisposedException">The checker has been disposed.</exception>
    /// <exception cref="TaskCanceledException">
    /// The token has ended, or the checker was stopped or the backend has left the pool before there was a result.
    /// </exception>
    public async Task<ProbeResult> CheckAsync(Backend backend, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(backend);
        var result = await Demand(backend).WaitAsync(cancellationToken).ConfigureAwait(false);
        return result
            ?? throw new TaskCanceledException(
                $"The check of '{backend.Name}' ended without a result: the checker was stopped, or it left the pool."
            );
    }

    /// <summary>Probes several backends at once, as <see cref="CheckAsync(Backend, CancellationToken)"/> does each.</summary>
    /// <returns>The results in the order of <paramref name="backends"/>.</returns>
    /// <inheritdoc cref="CheckAsync(Backend, CancellationToken)"/>
    public Task<ProbeResult[]> CheckAsync(IEnumerable<Backend> backends, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(backends);
        return Task.WhenAll(backends.Select(backend => CheckAsync(backend, cancellationToken)));
    }

    /// <summary>Probes all backends of the pool at once; see <see cref="CheckAsync(Backend, CancellationToken)"/>.</summary>
    /// <returns>The results in the order of the pool's backends.</returns>
    public Task<ProbeResult[]> CheckAllAsync(CancellationToken cancellationToken = default) =>
        CheckAsync(_pool.Backends, cancellationToken);

    /// <summary>
    /// Applies what a check has found that was made elsewhere, by an agent on the backend's machine for instance: it counts
    /// for the verdict as a probe's result does. Works whether or not probing was started, and where checks are switched
    /// off. It is none of this checker's <see cref="Statistics"/>, but one of <see cref="Backend.Probes"/>.
    /// </summary>
    /// <param name="backend">A backend of the pool. For one that has left nothing happens.</param>
    /// <param name="result">What was found; without a time of its own it is of now.</param>
    /// <exception cref="ArgumentException">The backend is another pool's.</exception>
    public void Record(Backend backend, ProbeResult result)
    {
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(result);
        if (backend.Pool != _pool)
        {
            throw new ArgumentException($"'{backend.Name}' is no backend of the pool '{_pool.Name}'.", nameof(backend));
        }

        ActiveVerdicts.Apply(backend, result.Time == default ? result with { Time = _clock.UtcNow } : result, _rules);
    }

    /// <summary>
    /// Stops probing and waits until no probe is under way. A probe that is stopped is no result. One that does not heed
    /// its cancellation is given up after 5 seconds, with a warning that names its backend.
    /// </summary>
    public Task StopAsync()
    {
        _pool.Unobserve(this);
        var (run, idle) = EndRun();
        return FinishStopAsync(run, idle);
    }

    /// <summary>Stops probing, waits until no probe is under way, and disposes the probe.</summary>
    public async ValueTask DisposeAsync()
    {
        bool isFirst;
        lock (_gate)
        {
            isFirst = !_isDisposed;
            _isDisposed = true;
        }

        await StopAsync().ConfigureAwait(false);
#pragma warning disable CA1849 // Not waited for: a probe that blocks its thread may be in the timer's callback.
        _timer.Dispose();
#pragma warning restore CA1849
        if (isFirst)
        {
            _telemetry.Dispose();
            (_probe as IDisposable)?.Dispose();
        }
    }

    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    void IMembershipObserver.OnMembersChanged(IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed)
    {
        lock (_gate)
        {
            if (_running is { } run)
            {
                // Without due times of its own a run probes only what is asked for.
                run.Change(run.IsPeriodic ? added : [], removed, _rules);
                Dispatch(run, _clock.Milliseconds);
            }
        }
    }

    /// <summary>Completes when no probe is under way or waits for a worker, and every result so far has been applied.</summary>
    internal Task WhenIdleAsync()
    {
        lock (_gate)
        {
            return WhenIdle();
        }
    }

    /// <summary>
    /// Applies new rules; due times survive, so that frequent reloads starve nothing, but none stays later than the new
    /// interval allows.
    /// </summary>
    /// <param name="start">Whether checks that were switched off and now are on begin at once.</param>
    internal async Task ConfigureAsync(HealthCheckOptions options, bool start)
    {
        var rules = new HealthRules(options);
        (_probe as ConfiguredHealthProbe)?.Configure(options);
        bool wasRunning;
        lock (_gate)
        {
            _rules = rules;
            NoteSuccesses();
            wasRunning = _running is { IsPeriodic: true };
            if (_running is { IsPeriodic: true } run && rules.IsEnabled)
            {
                run.Shorten(rules);
                Dispatch(run, _clock.Milliseconds);
            }
        }

        if (!rules.IsEnabled && wasRunning)
        {
            await StopAsync().ConfigureAwait(false);
            // Without probes nothing would ever take an unhealthy verdict back.
            ActiveVerdicts.Forget(_pool);
        }
        else if (start)
        {
            Begin();
        }
    }

    /// <summary>The first step of a stop: from here on nothing of the run begins any more.</summary>
    /// <returns>The run, and what completes when the last worker of the last run has ended.</returns>
    internal (ProbeSchedule? Run, Task Idle) EndRun()
    {
        lock (_gate)
        {
            var run = _running;
            _running = null;
            _stops++;
            _wantedStart?.TrySetCanceled();
            _wantedStart = null;
            run?.Clear();
            NoteSuccesses();
            return (run, WhenIdle());
        }
    }

    /// <summary>The second step of a stop: outside the lock, since cancelling may run a probe's continuation right here.</summary>
    internal async Task FinishStopAsync(ProbeSchedule? run, Task idle)
    {
        // What the application has hung onto its probe's token runs within: it may block, and has no longer than the probe.
        var cancelling = run is null ? Task.CompletedTask : CancelAsync(run);
        await WhenIdleOrGivenUpAsync(Task.WhenAll(cancelling, idle)).ConfigureAwait(false);
        if (cancelling.IsCompleted)
        {
            run?.Dispose();
        }

        EndStop();
    }

    private async Task CancelAsync(ProbeSchedule run)
    {
        try
        {
            await run.CancelAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Law 13: whatever the application's callbacks throw is logged and survived.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            _telemetry.CancellationThrew(exception);
        }
    }

    /// <summary>The stop has ended; a start that was wanted meanwhile begins.</summary>
    private void EndStop()
    {
        bool begins;
        lock (_gate)
        {
            if (--_stops > 0 || _wantedStart is not { } wanted)
            {
                return;
            }

            _wantedStart = null;
            begins = TryBegin();
            wanted.SetResult(_running is { IsPeriodic: true } run ? run.FirstRoundEnded : Task.CompletedTask);
        }

        if (begins)
        {
            Join();
        }
    }

    private void Begin()
    {
        bool begins;
        lock (_gate)
        {
            begins = TryBegin();
        }

        if (begins)
        {
            Join();
        }
    }

    /// <summary>Outside our lock: the pool's critical section comes first, ours inside it.</summary>
    private void Join()
    {
        _telemetry.Started(_pool.Backends.Count, _rules.Interval);
        _pool.Observe(this);
    }

    /// <summary>Begins a run, or notes that one is wanted when the stop that is under way has ended.</summary>
    private bool TryBegin()
    {
        if (_isDisposed || _running is { IsPeriodic: true } || !_rules.IsEnabled)
        {
            return false;
        }

        if (_stops > 0)
        {
            // Probes of the last run may still be under way, and no backend is probed twice at a time (law 13).
            _wantedStart ??= new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
            return false;
        }

        Run().BecomePeriodic();
        NoteSuccesses();
        return true;
    }

    /// <summary>Requests pay for being noted when they succeed only while somebody goes by it.</summary>
    private void NoteSuccesses() =>
        _pool.NotesSuccesses = _running is { IsPeriodic: true } run && (_rules.IsTrafficEnough || run.IsAnyUnhealthy);

    private ProbeSchedule Run() => _running ??= _last = new ProbeSchedule(_clock, _pool.Random, _timer);

    private Task<ProbeResult?> Demand(Backend backend)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (backend.Pool != _pool || backend.IsRemoved)
            {
                throw new ArgumentException(
                    $"'{backend.Name}' is no backend of the pool '{_pool.Name}'.",
                    nameof(backend)
                );
            }

            if (_stops > 0)
            {
                // A stop waits for what is under way; nothing new begins meanwhile.
                return Task.FromResult<ProbeResult?>(null);
            }

            var run = Run();
            var answer = run.Demand(backend);
            Dispatch(run, _clock.Milliseconds);
            return answer;
        }
    }

    /// <summary>
    /// Law 13: a stop waits until all work has ended. But it ends: a probe that does not heed its token would hold it,
    /// and with it the end of the application, for as long as it likes.
    /// </summary>
    private async Task WhenIdleOrGivenUpAsync(Task idle)
    {
        if (await Waiting.IsOverWithinAsync(idle, HealthCheckDefaults.StopGrace, _clock).ConfigureAwait(false))
        {
            return;
        }

        ScheduledProbe[] lost;
        lock (_gate)
        {
            lost = [.. _last?.UnderWay ?? []];
            foreach (var probe in lost)
            {
                probe.Answer(null);
            }

            // Nobody else waits for them, and the next run begins without them.
            _last = null;
            _givenUp.AddRange(lost);
        }

        if (lost.Length > 0)
        {
            _telemetry.GivenUp(lost);
        }
    }

    private bool IsGivenUp(Backend backend) => _givenUp.Exists(each => each.Backend == backend);

    private Task WhenIdle() => _last?.WhenIdle() ?? Task.CompletedTask;

    private void Tick()
    {
        ProbeSchedule? run;
        int? starter = null;
        lock (_gate)
        {
            run = _running;
            if (run is not null)
            {
                var now = _clock.Milliseconds;
                run.TimerFired(now);
                starter = run.Dispatch(now, _rules);
            }
        }

        if (starter is { } id)
        {
            Begin(run!, id, isOnPool: _clock.IsSystem);
        }
    }

    /// <summary>Hands what is due to workers.</summary>
    /// <param name="isWorker">Whether it is a worker that asks, who takes the next piece of work itself.</param>
    private void Dispatch(ProbeSchedule run, long now, bool isWorker = false)
    {
        if (run.Dispatch(now, _rules, isWorker) is { } starter)
        {
            Begin(run, starter, isOnPool: false);
        }
    }

    /// <summary>Begins workers on the thread pool, without the context of whoever is here.</summary>
    private void Begin(ProbeSchedule run, int starter, bool isOnPool)
    {
        if (isOnPool)
        {
            // Right here: to wake another thread for it would cost more than what it does.
            StartWorkers(run, starter);
            return;
        }

        ThreadPool.UnsafeQueueUserWorkItem(
            static it => it.Checker.StartWorkers(it.Run, it.Starter),
            (Checker: this, Run: run, Starter: starter),
            preferLocal: false
        );
    }

    private void StartWorkers(ProbeSchedule run, int starter)
    {
        while (BeginsWorker(run, starter))
        {
            _ = WorkAsync(run);
        }
    }

    private bool BeginsWorker(ProbeSchedule run, int starter)
    {
        lock (_gate)
        {
            return run.BeginsWorker(starter, _rules);
        }
    }

    /// <summary>
    /// A worker probes until there is nothing left to do. Nothing that the application's code throws on the way, its
    /// probe, its logger or its listener to metrics, ends it (law 13).
    /// </summary>
    private async Task WorkAsync(ProbeSchedule run)
    {
        while (TryTake(run, out var isSkipped) is { } probe)
        {
            if (isSkipped)
            {
                Interlocked.Increment(ref _skipped);
                probe.Backend.CountSkippedProbe();
                _telemetry.Skipped(probe.Backend);
                continue;
            }

            var result = await _timed.RunAsync(probe, _rules.Timeout, run.Stopped).ConfigureAwait(false);
            if (result is not null)
            {
                Interlocked.Increment(ref result.IsSuccess ? ref _succeeded : ref _failed);
                if (result.IsEvidence)
                {
                    ActiveVerdicts.Apply(probe.Backend, result, _rules);
                }

                _telemetry.Probed(probe, result);
            }

            PutDown(run, probe, result);
        }
    }

    /// <param name="isSkipped">Whether there is nothing to do for it: requests have shown what it would.</param>
    private ScheduledProbe? TryTake(ProbeSchedule run, out bool isSkipped)
    {
        ScheduledProbe? probe;
        isSkipped = false;
        (TimeSpan Late, int Backends, int Workers)? behind = null;
        lock (_gate)
        {
            var now = _clock.Milliseconds;
            probe = run.Take(now, out var wasDue);
            if (probe is not null)
            {
                probe.IsBlocked = _givenUp.Count > 0 && IsGivenUp(probe.Backend);
                if (run.FallsBehind(wasDue, now, _rules) is { } late)
                {
                    behind = (late, run.Count, _rules.WorkersFor(run.Count));
                }

                if (run.Skips(probe, now, _rules))
                {
                    isSkipped = true;
                    Dispatch(run, now, isWorker: true);
                }
                else
                {
                    probe.BeganAt = now;
                }
            }
        }

        if (behind is { } it)
        {
            _telemetry.FallsBehind(it.Late, _rules.Interval, it.Backends, it.Workers);
        }

        return probe;
    }

    /// <summary>Ends a worker's work on one probe, and sets the backend's next due time.</summary>
    private void PutDown(ProbeSchedule run, ScheduledProbe probe, ProbeResult? result)
    {
        var isPathMissing = false;
        var isContradicted = false;
        lock (_gate)
        {
            run.PutDown(probe, result);
            _givenUp.Remove(probe);
            // The run itself is asked, not its token: a stop ends the run under this lock and cancels its token after it.
            if (result is not null && run == _running)
            {
                var now = _clock.Milliseconds;
                isPathMissing = run.CompletesAMissingRound(probe, result);
                isContradicted = run.ContradictsTraffic(probe, result, now);
                run.PlanNext(probe, now, _rules);
                NoteSuccesses();
                Dispatch(run, now, isWorker: true);
            }
        }

        if (isPathMissing)
        {
            _telemetry.PathMissing(_rules.Path);
        }

        if (isContradicted)
        {
            _telemetry.Contradicted(result!.Detail);
        }
    }
}
