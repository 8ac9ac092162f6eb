using Resilience.Backends;
using Resilience.Telemetry;

namespace Resilience.Health.Passive;

/// <summary>
/// Learns from real traffic: a backend that fails too often, or answers too slowly, is ejected for a growing while and
/// re-admitted by time. Never ejects the last backend that would still take traffic, nor more than half of the enabled
/// ones (at least one). Lock-free on the request path, where it allocates nothing. Thread-safe.
/// </summary>
public sealed class PassiveHealthChecker : IOutcomeObserver
{
    private readonly BackendPool _pool;
    private readonly PassiveWatch _watch;
    private PassiveRules _rules;

    /// <summary>Creates the checker and attaches it to the pool, whose attempts it learns from until the pool ends.</summary>
    /// <param name="pool">The pool; it can have one passive checker.</param>
    /// <param name="options">The rules; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    /// <exception cref="InvalidOperationException">The pool has a passive checker already.</exception>
    public PassiveHealthChecker(BackendPool pool, PassiveHealthOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        _pool = pool;
        _rules = new PassiveRules(options ?? new PassiveHealthOptions());
        if (pool.Observer is not null)
        {
            throw new InvalidOperationException($"The pool '{pool.Name}' has a passive health checker already.");
        }

        _watch = new PassiveWatch(this, pool);
        pool.Observer = this;
    }

    internal PassiveRules Rules => Volatile.Read(ref _rules);

    /// <summary>
    /// Records a good response that did not come through the pool's own handler, by the same rules as those that did.
    /// </summary>
    /// <param name="backend">The backend that gave it; of this pool.</param>
    /// <param name="responseTime">The time to its headers.</param>
    /// <exception cref="ArgumentException">The backend is another pool's.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    public void RecordSuccess(Backend backend, TimeSpan responseTime)
    {
        ThrowIfForeign(backend);
        ArgumentOutOfRangeException.ThrowIfLessThan(responseTime, TimeSpan.Zero);
        var outcome = new AttemptOutcome(OutcomeKind.Success);
        WakeWatch();
        backend.NoteSuccess();
        Answered(backend, outcome, responseTime);
        _ = Judge(backend, outcome);
    }

    /// <summary>Records a failure that did not come through the pool's own handler, by the same rules.</summary>
    /// <param name="backend">The backend that failed; of this pool.</param>
    /// <returns>
    /// Whether a rule now finds the backend wanting. It is ejected then, unless it is the last or too many are out.
    /// </returns>
    /// <exception cref="ArgumentException">The backend is another pool's.</exception>
    public bool RecordFailure(Backend backend)
    {
        ThrowIfForeign(backend);
        WakeWatch();
        return Judge(backend, new AttemptOutcome(OutcomeKind.Failure, FailureKind.Other));
    }

    /// <summary>What traffic has shown of a backend so far, as far as the rules that are on keep count of it.</summary>
    /// <exception cref="ArgumentException">The backend is another pool's.</exception>
    public PassiveFigures FiguresOf(Backend backend)
    {
        ThrowIfForeign(backend);
        var record = backend.Passive;
        var (requests, failures) = record.Outcomes(_pool.Clock.Milliseconds);
        return new PassiveFigures(
            record.ConsecutiveFailures,
            record.ConsecutiveSuccesses,
            requests,
            failures,
            record.MeanResponseTime
        );
    }

    /// <summary>Forgets the evidence and the earlier ejections of a backend, and ends the one under way.</summary>
    /// <exception cref="ArgumentException">The backend is another pool's.</exception>
    public void Reset(Backend backend)
    {
        ThrowIfForeign(backend);
        _pool.Change(
            backend,
            0,
            static (backend, _, _) =>
            {
                backend.Passive.Ejections = 0;
                return Acquit(backend);
            }
        );
    }

    /// <summary><see cref="Reset"/> of every backend of the pool.</summary>
    public void ResetAll()
    {
        foreach (var backend in _pool.Backends)
        {
            Reset(backend);
        }
    }

    bool IOutcomeObserver.OnStarted(Backend backend)
    {
        if (!Rules.IsWatching)
        {
            return false;
        }

        backend.Passive.BeginWait();
        _watch.Wake();
        return true;
    }

    void IOutcomeObserver.OnAnswered(Backend backend, in AttemptOutcome outcome, TimeSpan duration) =>
        Answered(backend, outcome, duration);

    void IOutcomeObserver.OnOutcome(Backend backend, in AttemptOutcome outcome) => _ = Judge(backend, outcome);

    /// <summary>Applies new rules; evidence and ejections stay, unless detection is switched off.</summary>
    internal void Configure(PassiveHealthOptions options)
    {
        var rules = new PassiveRules(options);
        Volatile.Write(ref _rules, rules);
        foreach (var backend in _pool.Backends)
        {
            _pool.Change(backend, rules, static (backend, _, rules) => Follow(backend, rules));
        }
    }

    /// <summary>
    /// Ejects a backend if law 6 allows it; or only says so, in a dry run. For what the rules have found out on the request
    /// path, and for what the watch has.
    /// </summary>
    internal void Eject(Backend backend, PassiveRules rules, in Evidence evidence)
    {
        if (evidence.Rule != EjectionRule.Cooling && Ejection.IsOut(backend, _pool.Clock.Milliseconds))
        {
            return;
        }

        var ejection = new Ejection(rules, evidence);
        _pool.Change(
            backend,
            (Checker: this, Rules: rules, Ejection: ejection),
            // By rules that are no more nobody is ejected: nobody would take it back where the new ones eject nobody.
            static (backend, now, it) => it.Checker.Rules == it.Rules && it.Ejection.CarryOut(backend, now)
        );
        RecordDetection(backend, ejection);
    }

    private static bool Follow(Backend backend, PassiveRules rules)
    {
        if (!rules.IsDryRun || !rules.IsEnabled)
        {
            backend.Passive.WouldBeOutUntil = long.MinValue;
        }

        if (!rules.IsEnabled)
        {
            return Acquit(backend);
        }

        return rules.IsDryRun && backend.PassiveVerdict == PassiveVerdict.Ejected && Acquit(backend);
    }

    /// <summary>Inside the critical section: nothing is held against the backend now.</summary>
    private static bool Acquit(Backend backend)
    {
        var wasEjected = backend.PassiveVerdict == PassiveVerdict.Ejected;
        backend.Readmit();
        return wasEjected;
    }

    /// <summary>A response has come, or an attempt has failed without one.</summary>
    private void Answered(Backend backend, in AttemptOutcome outcome, TimeSpan duration)
    {
        var rules = Rules;
        if (!rules.IsEnabled || (outcome.StatusCode == 0 && outcome.Kind != OutcomeKind.Success))
        {
            return;
        }

        var record = backend.Passive;
        if (outcome.Kind == OutcomeKind.Success)
        {
            record.CountTime(duration);
        }

        if (!rules.FindsSilence && !rules.CountsSlow)
        {
            return;
        }

        var now = _pool.Clock.Milliseconds;
        record.NoteAnswer(now, isGood: outcome.Kind == OutcomeKind.Success);
        if (rules.CountsSlow)
        {
            var isSlow = duration > rules.SlowResponseTime;
            record.CountAnswer(now, isSlow, rules.Epochs);
            if (isSlow && record.MayAsk(now))
            {
                JudgeSlow(backend, rules, now);
            }
        }
    }

    /// <summary>Learns from an outcome.</summary>
    /// <returns>Whether a rule finds the backend wanting.</returns>
    private bool Judge(Backend backend, in AttemptOutcome outcome)
    {
        var rules = Rules;
        if (!rules.IsEnabled)
        {
            return false;
        }

        if (outcome.Kind == OutcomeKind.Success)
        {
            CountSuccess(backend, rules);
            return false;
        }

        var isWanting = outcome.IsFailure && JudgeFailure(backend, rules);
        if (rules.CoolingTime(outcome) is var cooling && cooling > TimeSpan.Zero)
        {
            Cool(backend, rules, outcome.StatusCode, cooling);
        }

        return isWanting;
    }

    private void CountSuccess(Backend backend, PassiveRules rules)
    {
        var record = backend.Passive;
        record.CountSuccess();
        if (rules.CountsOutcomes)
        {
            record.CountOutcome(_pool.Clock.Milliseconds, hasFailed: false, rules.Epochs);
        }

        if (
            rules.ConsecutiveSuccesses > 0
            && backend.PassiveVerdict == PassiveVerdict.Ejected
            && record.ConsecutiveSuccesses >= rules.ConsecutiveSuccesses
        )
        {
            _pool.Change(backend, 0, static (backend, _, _) => Acquit(backend));
        }
    }

    private bool JudgeFailure(Backend backend, PassiveRules rules)
    {
        var record = backend.Passive;
        var now = _pool.Clock.Milliseconds;
        var failures = record.CountFailure();
        if (rules.CountsOutcomes)
        {
            record.CountOutcome(now, hasFailed: true, rules.Epochs);
        }

        // Every so many failures it is asked anew: an ejection that was refused, because the backend was the last one,
        // may be possible later, and a storm of failures does not queue for the pool.
        if (rules.ConsecutiveFailures > 0 && failures >= rules.ConsecutiveFailures)
        {
            if (failures % rules.ConsecutiveFailures == 0)
            {
                Eject(backend, rules, new Evidence(EjectionRule.ConsecutiveFailures, failures));
            }

            return true;
        }

        return rules.FailureRate > 0 && JudgeShare(backend, rules, now);
    }

    private bool JudgeShare(Backend backend, PassiveRules rules, long now)
    {
        var (requests, failures) = backend.Passive.Outcomes(now);
        if (!rules.IsTooLarge(failures, requests, rules.FailureRate))
        {
            return false;
        }

        if (backend.Passive.MayAsk(now))
        {
            Eject(backend, rules, new Evidence(EjectionRule.FailureRate, failures, requests, rules.Window));
        }

        return true;
    }

    private void JudgeSlow(Backend backend, PassiveRules rules, long now)
    {
        var (answers, slow) = backend.Passive.Answers(now);
        if (rules.IsTooLarge(slow, answers, rules.SlowResponseRate))
        {
            Eject(
                backend,
                rules,
                new Evidence(EjectionRule.SlowResponses, slow, answers, rules.Window, rules.SlowResponseTime)
            );
        }
    }

    private void Cool(Backend backend, PassiveRules rules, int status, TimeSpan time)
    {
        var now = _pool.Clock.Milliseconds;
        var asksForNothingNew =
            Ejection.IsOut(backend, now)
            && (rules.IsDryRun || !Ejection.IsProlonged(backend, now + (long)time.TotalMilliseconds));
        if (!asksForNothingNew && backend.Passive.MayAsk(now))
        {
            Eject(backend, rules, new Evidence(EjectionRule.Cooling, status, Time: time));
        }
    }

    private void RecordDetection(Backend backend, Ejection ejection)
    {
        if (ejection.Result == EjectionResult.None)
        {
            return;
        }

        if (Instruments.Ejections.Enabled || Instruments.Detections.Enabled)
        {
            Listeners.Tell(
                _pool.Logger,
                _pool.Name,
                (Backend: backend, Ejection: ejection),
                static found => Record(found.Backend, found.Ejection)
            );
        }
    }

    private static void Record(Backend backend, Ejection ejection)
    {
        var pool = new KeyValuePair<string, object?>(TelemetryNames.PoolTag, backend.Pool.Name);
        var name = new KeyValuePair<string, object?>(TelemetryNames.BackendTag, backend.Name);
        if (ejection.Result == EjectionResult.Ejected)
        {
            Instruments.Ejections.Add(1, pool, name);
        }

        Instruments.Detections.Add(
            1,
            pool,
            name,
            new(TelemetryNames.RuleTag, Tag(ejection.Rule)),
            new(TelemetryNames.ResultTag, Tag(ejection.Result))
        );
    }

    private static string Tag(EjectionRule rule) =>
        rule switch
        {
            EjectionRule.ConsecutiveFailures => "consecutive_failures",
            EjectionRule.FailureRate => "failure_rate",
            EjectionRule.SlowResponses => "slow_responses",
            EjectionRule.Silence => "silence",
            EjectionRule.RelativeFailures => "relative_failures",
            EjectionRule.RelativeTime => "relative_time",
            _ => "cooling",
        };

    private static string Tag(EjectionResult result) =>
        result switch
        {
            EjectionResult.Ejected => "ejected",
            EjectionResult.DryRun => "dry_run",
            _ => "refused",
        };

    /// <summary>Traffic that comes by hand begins no wait, and is looked at all the same.</summary>
    private void WakeWatch()
    {
        if (Rules.IsWatching)
        {
            _watch.Wake();
        }
    }

    private void ThrowIfForeign(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        if (backend.Pool != _pool)
        {
            throw new ArgumentException(
                $"The backend '{backend.Name}' belongs to the pool '{backend.Pool.Name}', not to '{_pool.Name}'.",
                nameof(backend)
            );
        }
    }
}
