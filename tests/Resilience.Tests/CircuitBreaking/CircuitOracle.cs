using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// What a circuit breaker has to do, written down from the documentation alone, for one thread, with plain fields. It
/// shares no code with the library's: times are whole seconds, permits are objects that know if their circuit has moved
/// on, windows are lists of calls.
/// </summary>
internal sealed class CircuitOracle
{
    private readonly Terms _terms;
    private readonly List<Counted> _failureWindow = [];
    private readonly List<Counted> _slowWindow = [];
    private object _generation = new();
    private int _run;
    private double _lastFailureAt;
    private double _breakEndsAt;
    private double _lastGrantAt;
    private int _trialsOut;
    private int _trialSuccesses;
    private int _trialFailures;

    public CircuitOracle(Terms terms)
    {
        _terms = terms;
        State = terms.Start;
        if (State == CircuitState.Open)
        {
            Openings = 1;
            _breakEndsAt = terms.Break;
        }
    }

    public CircuitState State { get; private set; }

    public List<(CircuitState From, CircuitState To)> Changes { get; } = [];

    /// <summary>Why each generation began, the first excepted; that of an opening that was not made too.</summary>
    public List<CircuitChangeReason> Reasons { get; } = [];

    /// <summary>How often it would have opened while it only measured.</summary>
    public int WouldOpens { get; private set; }

    /// <summary>Openings that no closing interrupted.</summary>
    public int Openings { get; private set; }

    public int Successes { get; private set; }

    public int Failures { get; private set; }

    public int Ignored { get; private set; }

    public int Rejected { get; private set; }

    public int Stale { get; private set; }

    public int SlowCalls { get; private set; }

    public Exception? LastFailure { get; private set; }

    /// <summary>The run of failures, where one is counted; it may have expired.</summary>
    public int Run => State is CircuitState.Closed or CircuitState.MetricsOnly ? _run : 0;

    public Permit? TryAcquire(double now)
    {
        var permit = Admit(now);
        Rejected += permit is null ? 1 : 0;
        return permit;
    }

    /// <param name="isSlow">Whether the call took as long as a slow one.</param>
    public void Report(Permit permit, CircuitOutcome outcome, double now, bool isSlow = false, Failing? failing = null)
    {
        if (State == CircuitState.Disabled)
        {
            return;
        }

        if (permit.Generation != _generation)
        {
            Stale++;
            return;
        }

        var generation = _generation;
        switch (outcome)
        {
            case CircuitOutcome.Neutral:
                Ignored++;
                _trialsOut -= permit.IsTrial ? 1 : 0;
                return;

            case CircuitOutcome.Success:
                Successes++;
                break;

            default:
                Failures++;
                LastFailure = failing ?? LastFailure;
                break;
        }

        isSlow &= _terms.HasSlowRule;
        SlowCalls += isSlow ? 1 : 0;
        if (permit.IsTrial)
        {
            EndTrial(outcome == CircuitOutcome.Failure || isSlow, now, failing);
            return;
        }

        CountRun(outcome, now, failing);
        if (_generation == generation && _terms.FailureRate > 0)
        {
            CountRate(
                _failureWindow,
                outcome == CircuitOutcome.Failure,
                _terms.FailureRate.Value,
                CircuitChangeReason.FailureRate,
                now,
                failing
            );
        }

        if (_generation == generation && _terms.HasSlowRule)
        {
            CountRate(_slowWindow, isSlow, _terms.SlowRate, CircuitChangeReason.SlowCallRate, now, failing);
        }
    }

    public void ReportLate(Permit permit, double now)
    {
        if (permit.Generation != _generation || State == CircuitState.Disabled)
        {
            return;
        }

        Successes--;
        Failures++;
        if (permit.IsTrial)
        {
            _trialSuccesses--;
            FailTrial(now, null);
            return;
        }

        CountRun(CircuitOutcome.Failure, now, null);
        if (permit.Generation == _generation && _terms.FailureRate is { } rate)
        {
            CountRate(_failureWindow, isBad: true, rate, CircuitChangeReason.FailureRate, now, null);
        }
    }

    public void Hint(double now) => _breakEndsAt = Math.Min(_breakEndsAt, now);

    public void Reset() => Close(CircuitChangeReason.Operator);

    public void Force(CircuitState state)
    {
        if (state != State)
        {
            Openings = 0;
            Turn(state, CircuitChangeReason.Operator);
        }
    }

    /// <summary>How long a call would be refused, in seconds; null for ever.</summary>
    public double? RetryAfter(double now) =>
        State switch
        {
            CircuitState.ForcedOpen => null,
            CircuitState.Open => Math.Max(0, _breakEndsAt - now),
            CircuitState.HalfOpen when !HasFreeTrial => Math.Max(0, _lastGrantAt + _terms.Expiry - now),
            _ => 0,
        };

    public double? FailureShare(double now) =>
        _terms.FailureRate is null ? null : ShareOf(Within(_failureWindow, now), atLeast: 1);

    public double? SlowShare(double now) => _terms.HasSlowRule ? ShareOf(Within(_slowWindow, now), atLeast: 1) : null;

    private bool HasFreeTrial =>
        _trialsOut < _terms.Trials && _trialsOut + _trialSuccesses + _trialFailures < _terms.Tested;

    private Permit? Admit(double now)
    {
        if (State == CircuitState.Open && now >= _breakEndsAt)
        {
            Turn(CircuitState.HalfOpen, CircuitChangeReason.BreakEnded);
        }

        if (State is CircuitState.Closed or CircuitState.Disabled or CircuitState.MetricsOnly)
        {
            return new Permit(_generation, IsTrial: false);
        }

        if (State is CircuitState.Open or CircuitState.ForcedOpen)
        {
            return null;
        }

        if (HasFreeTrial)
        {
            _trialsOut++;
            _lastGrantAt = now;
            return new Permit(_generation, IsTrial: true);
        }

        if (now - _lastGrantAt >= _terms.Expiry)
        {
            Break(CircuitChangeReason.TrialsLost, now, length: null);
        }

        return null;
    }

    private void EndTrial(bool isFailed, double now, Failing? failing)
    {
        _trialsOut--;
        if (isFailed)
        {
            FailTrial(now, failing);
        }
        else if (++_trialSuccesses == _terms.Successes)
        {
            Close(CircuitChangeReason.TrialsSucceeded);
        }
    }

    private void FailTrial(double now, Failing? failing)
    {
        _trialFailures++;
        if (_terms.Tested - _trialFailures < _terms.Successes)
        {
            Break(CircuitChangeReason.TrialsFailed, now, failing?.Asked);
        }
    }

    private void CountRun(CircuitOutcome outcome, double now, Failing? failing)
    {
        if (outcome == CircuitOutcome.Success)
        {
            _run = 0;
            return;
        }

        _run = now - _lastFailureAt > _terms.Window ? 1 : _run + 1;
        _lastFailureAt = now;
        if (_run == _terms.Failures)
        {
            Trip(CircuitChangeReason.ConsecutiveFailures, now, failing);
        }
    }

    private void CountRate(
        List<Counted> window,
        bool isBad,
        double rate,
        CircuitChangeReason reason,
        double now,
        Failing? failing
    )
    {
        window.Add(new Counted(now, _generation, isBad));
        var share = ShareOf(Within(window, now), _terms.Throughput);
        if (share >= rate)
        {
            Trip(reason, now, failing);
        }
    }

    /// <summary>The window moves on in ten steps: a call leaves it with the others of its tenth.</summary>
    private List<Counted> Within(List<Counted> window, double now)
    {
        var tenth = _terms.Sampling / 10;
        return window.FindAll(call =>
            call.Generation == _generation && Math.Floor(call.At / tenth) > Math.Floor(now / tenth) - 10
        );
    }

    private static double? ShareOf(List<Counted> calls, int atLeast) =>
        calls.Count < atLeast ? null : (double)calls.Count(call => call.IsBad) / calls.Count;

    private void Trip(CircuitChangeReason reason, double now, Failing? failing)
    {
        if (State == CircuitState.MetricsOnly)
        {
            WouldOpens++;
            Turn(CircuitState.MetricsOnly, reason);
        }
        else
        {
            Break(reason, now, failing?.Asked);
        }
    }

    private void Break(CircuitChangeReason reason, double now, double? length)
    {
        var computed = _terms.Break;
        for (var i = 0; i < Openings && computed < _terms.MaxBreak; i++)
        {
            computed *= 2;
        }

        Openings++;
        _breakEndsAt = now + Math.Min((_terms.HasGenerator ? length : null) ?? computed, _terms.MaxBreak);
        Turn(CircuitState.Open, reason);
    }

    private void Close(CircuitChangeReason reason)
    {
        Openings = 0;
        Turn(CircuitState.Closed, reason);
    }

    private void Turn(CircuitState to, CircuitChangeReason reason)
    {
        if (to != State)
        {
            Changes.Add((State, to));
        }

        Reasons.Add(reason);
        State = to;
        _generation = new object();
        _run = 0;
        _trialsOut = 0;
        _trialSuccesses = 0;
        _trialFailures = 0;
    }

    public sealed record Permit(object Generation, bool IsTrial);

    /// <summary>A failure that asks for a break of so many seconds, or for none in particular.</summary>
    public sealed class Failing(double? asked) : Exception
    {
        public double? Asked { get; } = asked;
    }

    /// <summary>In seconds. The limits that the library rounds to 64 ms end in a half, the clock moves in whole ones.</summary>
    public sealed record Terms(int Trials, int Successes, int Spare = 0)
    {
        public int? Failures { get; init; }

        public double? FailureRate { get; init; }

        /// <summary>From how long on a call is slow.</summary>
        public double? Slow { get; init; }

        public double SlowRate { get; init; } = 0.5;

        public int Throughput { get; init; } = 4;

        public double Sampling { get; init; } = 60;

        public bool HasGenerator { get; init; }

        public CircuitState Start { get; init; }

        public double Window { get; init; } = 9.5;

        public double Break { get; init; } = 5;

        public double MaxBreak { get; init; } = 20;

        public double Expiry { get; init; } = 30.5;

        public int Tested => Successes + Spare;

        public bool HasSlowRule => Slow is not null;
    }

    private sealed record Counted(double At, object Generation, bool IsBad);
}
