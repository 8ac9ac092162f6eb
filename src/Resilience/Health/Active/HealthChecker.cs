using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Telemetry;
using Resilience.Timeouts;

namespace Resilience.Health.Active;

/// <summary>
/// Probes a pool's backends in the background: each at its own due times, never twice at a time, by a bounded number of
/// workers fed by a channel. One timer serves all backends. Thread-safe.
/// </summary>
public sealed class HealthChecker : IMembershipObserver, IDisposable, IAsyncDisposable
{
    /// <summary>Probes due within this time go out together, so that thousands of due times cost few wake-ups.</summary>
    private const long TickMilliseconds = 50;

    private readonly BackendPool _pool;
    private readonly IHealthProbe _probe;
    private readonly Clock _clock;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private readonly Channel<Schedule> _work = Channel.CreateUnbounded<Schedule>();
    private readonly PriorityQueue<Schedule, long> _due = new();
    private readonly Dictionary<Backend, Schedule> _schedules = [];
    private HealthRules _rules;
    private CancellationTokenSource? _running;
    private TaskCompletionSource? _idle;
    private int _workers;
    private int _stops;
    private bool _isStartWanted;
    private int _firstRoundLeft;
    private int _firstRoundMissing;
    private bool _isDisposed;

    /// <summary>Creates a checker; it probes after <see cref="Start"/>.</summary>
    /// <param name="pool">The pool whose backends it probes.</param>
    /// <param name="options">How; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <param name="probe">The check itself; an <see cref="HttpHealthProbe"/> if <see langword="null"/>. Disposed with the checker if it can be.</param>
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
        _probe = probe ?? new HttpHealthProbe(options);
        _logger = loggerFactory?.CreateLogger(TelemetryNames.HealthLogCategory) ?? NullLogger.Instance;
        _timer = _clock.CreateTimer(static checker => ((HealthChecker)checker!).Tick(), this);
    }

    /// <summary>
    /// Starts probing in the background and returns at once; while a stop is under way, as soon as that has ended. Does
    /// nothing if it runs, if checks are switched off, or after disposal.
    /// </summary>
    public void Start()
    {
        bool begins;
        lock (_gate)
        {
            begins = TryBegin();
        }

        if (begins)
        {
            // Outside our lock: the pool's critical section comes first, ours inside it.
            _pool.Observe(this);
        }
    }

    /// <summary>Stops probing and waits until no probe is under way. A probe that is stopped is no result.</summary>
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
        await _timer.DisposeAsync().ConfigureAwait(false);
        if (isFirst)
        {
            (_probe as IDisposable)?.Dispose();
        }
    }

    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    void IMembershipObserver.OnMembersChanged(IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed)
    {
        lock (_gate)
        {
            if (_running is null)
            {
                return;
            }

            foreach (var backend in removed)
            {
                if (_schedules.Remove(backend, out var schedule))
                {
                    schedule.IsEnded = true;
                }
            }

            var isFirstRound = _schedules.Count == 0;
            var now = _clock.Milliseconds;
            var first = now + (isFirstRound ? (long)_rules.InitialDelay.TotalMilliseconds : 0);
            for (var i = 0; i < added.Count; i++)
            {
                var schedule = new Schedule(added[i], _running) { SecondAt = SecondDue(first, i, added.Count) };
                if (_schedules.TryAdd(added[i], schedule))
                {
                    _due.Enqueue(schedule, first);
                }
            }

            if (isFirstRound)
            {
                _firstRoundLeft = added.Count;
                _firstRoundMissing = 0;
            }

            Dispatch(now);
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
        (_probe as HttpHealthProbe)?.Configure(options);
        bool wasRunning;
        lock (_gate)
        {
            _rules = rules;
            wasRunning = _running is not null;
            if (wasRunning && rules.IsEnabled)
            {
                var now = _clock.Milliseconds;
                var latest = now + (long)rules.Interval.TotalMilliseconds;
                var waiting = _due.UnorderedItems.ToArray();
                _due.Clear();
                foreach (var (schedule, due) in waiting)
                {
                    _due.Enqueue(schedule, Math.Min(due, latest));
                }

                Dispatch(now);
            }
        }

        if (!rules.IsEnabled && wasRunning)
        {
            await StopAsync().ConfigureAwait(false);
            Forget();
        }
        else if (start)
        {
            Start();
        }
    }

    /// <summary>The first step of a stop: from here on nothing of the run begins any more.</summary>
    /// <returns>The run, and what completes when its last worker has ended.</returns>
    internal (CancellationTokenSource? Run, Task Idle) EndRun()
    {
        lock (_gate)
        {
            var run = _running;
            _running = null;
            _stops++;
            _isStartWanted = false;
            _due.Clear();
            _schedules.Clear();
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            while (_work.Reader.TryRead(out _))
            {
                // What has not begun does not begin.
            }

            return (run, WhenIdle());
        }
    }

    /// <summary>The second step of a stop: outside the lock, since cancelling may run a probe's continuation right here.</summary>
    internal async Task FinishStopAsync(CancellationTokenSource? run, Task idle)
    {
        try
        {
            await (run?.CancelAsync() ?? Task.CompletedTask).ConfigureAwait(false);
        }
        finally
        {
            // Also when a probe's own cancellation callback has thrown: nothing may outlive the stop.
            await idle.ConfigureAwait(false);
            run?.Dispose();
            EndStop();
        }
    }

    /// <summary>The stop has ended; a start that was wanted meanwhile begins.</summary>
    private void EndStop()
    {
        bool begins;
        lock (_gate)
        {
            begins = --_stops == 0 && _isStartWanted && TryBegin();
        }

        if (begins)
        {
            _pool.Observe(this);
        }
    }

    /// <summary>Begins a run, or notes that one is wanted when the stop that is under way has ended.</summary>
    private bool TryBegin()
    {
        if (_isDisposed || _running is not null || !_rules.IsEnabled)
        {
            return false;
        }

        if (_stops > 0)
        {
            // Probes of the last run may still be under way, and no backend is probed twice at a time (law 13).
            _isStartWanted = true;
            return false;
        }

        _running = new CancellationTokenSource();
        return true;
    }

    /// <summary>
    /// The second probes are spread over the interval that follows the first; the one of a single backend falls anywhere
    /// in it but at its beginning, where it would only repeat the first.
    /// </summary>
    private long SecondDue(long first, int index, int count)
    {
        var share =
            !_rules.IsSpread ? 1
            : count > 1 ? (index + 1.0) / count
            : Math.Max(HealthCheckDefaults.LeastSpread, _pool.Random.NextDouble());
        return first + (long)(_rules.Interval.TotalMilliseconds * share);
    }

    private void Tick()
    {
        lock (_gate)
        {
            if (_running is not null)
            {
                Dispatch(_clock.Milliseconds);
            }
        }
    }

    /// <summary>Hands what is due to workers, and sets the timer for what comes next.</summary>
    private void Dispatch(long now)
    {
        var most = _rules.WorkersFor(_schedules.Count);
        while (_due.TryPeek(out var schedule, out var due) && due <= now)
        {
            _due.Dequeue();
            if (schedule.IsEnded)
            {
                continue;
            }

            _work.Writer.TryWrite(schedule);
            if (_workers < most)
            {
                _workers++;
                using (
                    ExecutionContext.IsFlowSuppressed() ? default(AsyncFlowControl?) : ExecutionContext.SuppressFlow()
                )
                {
                    _ = Task.Run(WorkAsync);
                }
            }
        }

        if (_due.TryPeek(out _, out var next))
        {
            // Rounded up to the tick, so that due times close to each other share one wake-up.
            var wait = (next - now + TickMilliseconds - 1) / TickMilliseconds * TickMilliseconds;
            _timer.Change(TimeSpan.FromMilliseconds(wait), Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>A worker probes until there is nothing left to do.</summary>
    private async Task WorkAsync()
    {
        while (TryTake() is { } schedule)
        {
            var result = await ProbeAsync(schedule).ConfigureAwait(false);
            if (result is not null)
            {
                Apply(schedule, result);
            }
        }
    }

    /// <summary>
    /// The next piece of work, or the end of this worker: one step under the lock under which work is handed out, so
    /// that nothing is left lying without a worker.
    /// </summary>
    private Schedule? TryTake()
    {
        lock (_gate)
        {
            if (_work.Reader.TryRead(out var schedule))
            {
                return schedule;
            }

            _workers--;
            if (_workers == 0)
            {
                _idle?.TrySetResult();
                _idle = null;
            }

            return null;
        }
    }

    private Task WhenIdle()
    {
        if (_workers == 0)
        {
            return Task.CompletedTask;
        }

        _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _idle.Task;
    }

    /// <returns>The result; <see langword="null"/> if checking has stopped meanwhile.</returns>
    private async Task<ProbeResult?> ProbeAsync(Schedule schedule)
    {
        var timeout = _rules.Timeout;
        var startedAt = _clock.Ticks;
        schedule.BeganAt = _clock.Milliseconds;
        var limit = TimeLimit.Start(_clock, timeout, schedule.Stopped);
        ProbeResult result;
        try
        {
            result = await _probe.ProbeAsync(schedule.Backend, limit.Token).ConfigureAwait(false);
            if (limit.HasEnded)
            {
                // A probe that does not look at its token has no more time than any other.
                result = TimedOut(timeout);
            }
        }
        catch (OperationCanceledException) when (schedule.Stopped.IsCancellationRequested)
        {
            return null;
        }
        catch (OperationCanceledException exception) when (limit.HasEnded)
        {
            result = TimedOut(timeout, exception);
        }
#pragma warning disable CA1031 // Law 13: whatever a user's probe throws is logged and counts as a failure.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            LogMessages.ProbeThrew(_logger, exception, _pool.Name, schedule.Backend.Name);
            result = new ProbeResult(false, $"the probe threw {exception.GetType().Name}", Error: exception);
        }
        finally
        {
            // A probe may have kept the token.
            limit.End(_clock, isTokenFree: _probe is HttpHealthProbe);
        }

        return schedule.Stopped.IsCancellationRequested
            ? null
            : result with
            {
                Duration = TimeSpan.FromTicks(_clock.Ticks - startedAt),
                Time = _clock.UtcNow,
            };
    }

    private static ProbeResult TimedOut(TimeSpan timeout, Exception? exception = null) =>
        new(false, $"no answer within {timeout.TotalSeconds:0.###} s", Error: exception);

    /// <summary>Applies a result as it arrives and sets the backend's next due time.</summary>
    private void Apply(Schedule schedule, ProbeResult result)
    {
        var backend = schedule.Backend;
        Report(backend, result);
        _pool.Change(
            backend,
            (result, _rules),
            static (backend, _, arg) =>
            {
                backend.RecordProbe(arg.result);
                var verdict = arg._rules.VerdictAfter(
                    backend.ActiveVerdict,
                    backend.ConsecutiveProbeSuccesses,
                    backend.ConsecutiveProbeFailures
                );
                var isChanged = verdict != backend.ActiveVerdict;
                if (isChanged)
                {
                    backend.SetActiveVerdict(verdict, arg.result.Detail);
                }

                return isChanged;
            }
        );
        lock (_gate)
        {
            NoteFirstRound(schedule, result);
            // The run, not its token: a stop ends the run under this lock and cancels its token after it, and what is
            // put down in between would be probed by the next run beside that run's own schedule.
            if (schedule.IsEnded || schedule.Run != _running)
            {
                return;
            }

            var now = _clock.Milliseconds;
            _due.Enqueue(schedule, NextDue(schedule, now));
            Dispatch(now);
        }
    }

    private long NextDue(Schedule schedule, long now)
    {
        var backend = schedule.Backend;
        var due = _rules.NextAfter(
            schedule.BeganAt,
            now,
            backend.ActiveVerdict,
            backend.ConsecutiveProbeSuccesses,
            backend.ConsecutiveProbeFailures,
            _pool.Random.NextDouble()
        );
        if (schedule.SecondAt is { } second)
        {
            schedule.SecondAt = null;
            return Math.Max(now, Math.Min(due, second));
        }

        return due;
    }

    /// <summary>If every backend answers the first probe with 404, the path is most likely wrong.</summary>
    private void NoteFirstRound(Schedule schedule, ProbeResult result)
    {
        if (schedule.SecondAt is null || _firstRoundLeft == 0)
        {
            return;
        }

        _firstRoundMissing += result.StatusCode == 404 ? 1 : 0;
        if (--_firstRoundLeft == 0 && _firstRoundMissing == _schedules.Count)
        {
            LogMessages.HealthPathMissing(_logger, _pool.Name, _rules.Path);
        }
    }

    private void Report(Backend backend, ProbeResult result)
    {
        if (result.IsSuccess)
        {
            LogMessages.ProbeSucceeded(_logger, _pool.Name, backend.Name, result.Detail);
        }
        else
        {
            LogMessages.ProbeFailed(_logger, _pool.Name, backend.Name, result.Detail);
        }

        if (Instruments.ProbeDuration.Enabled)
        {
            Instruments.ProbeDuration.Record(
                result.Duration.TotalSeconds,
                new(TelemetryNames.PoolTag, _pool.Name),
                new(TelemetryNames.BackendTag, backend.Name),
                new(TelemetryNames.ResultTag, result.IsSuccess ? "success" : "failure")
            );
        }
    }

    /// <summary>Without probes nothing would ever take an unhealthy verdict back.</summary>
    private void Forget()
    {
        foreach (var backend in _pool.Backends)
        {
            _pool.Change(
                backend,
                0,
                static (backend, _, _) =>
                {
                    backend.RestartActiveVerdict(ActiveVerdict.Unknown, "health checks switched off");
                    return true;
                }
            );
        }
    }

    /// <summary>One backend's place in the schedule; guarded by the checker's lock.</summary>
    private sealed class Schedule(Backend backend, CancellationTokenSource run)
    {
        public Backend Backend { get; } = backend;

        /// <summary>The run of the checker that made this schedule and to which it belongs.</summary>
        public CancellationTokenSource Run { get; } = run;

        /// <summary>Ends when the run ends. Kept, because a source that is disposed gives none.</summary>
        public CancellationToken Stopped { get; } = run.Token;

        /// <summary>When its last probe began; written by the one worker that has it.</summary>
        public long BeganAt { get; set; }

        /// <summary>The latest moment of the second probe; null once that has been set.</summary>
        public long? SecondAt { get; set; }

        /// <summary>Whether the backend has left the pool.</summary>
        public bool IsEnded { get; set; }
    }
}
