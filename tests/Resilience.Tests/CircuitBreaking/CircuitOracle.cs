using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// What a circuit breaker has to do, written down from the documentation alone, for one thread, with plain fields. It
/// shares no code with the library's: times are whole seconds, permits are objects that know if their circuit has moved on.
/// </summary>
internal sealed class CircuitOracle(CircuitOracle.Terms terms)
{
    private object _generation = new();
    private int _openings;
    private int _run;
    private double _lastFailureAt;
    private double _breakEndsAt;
    private double _lastGrantAt;
    private int _trialsOut;
    private int _trialSuccesses;
    private int _trialFailures;

    public CircuitState State { get; private set; } = CircuitState.Closed;

    public List<(CircuitState From, CircuitState To)> Changes { get; } = [];

    /// <summary>How often it would have opened while it only measured.</summary>
    public int WouldOpens { get; private set; }

    public Permit? TryAcquire(double now)
    {
        if (State == CircuitState.Open && now >= _breakEndsAt)
        {
            Turn(CircuitState.HalfOpen);
            _trialsOut = 0;
            _trialSuccesses = 0;
            _trialFailures = 0;
        }

        if (State is CircuitState.Closed or CircuitState.Disabled or CircuitState.MetricsOnly)
        {
            return new Permit(_generation, IsTrial: false);
        }

        if (State is CircuitState.Open or CircuitState.ForcedOpen)
        {
            return null;
        }

        if (_trialsOut < terms.Trials && _trialsOut + _trialSuccesses + _trialFailures < terms.Tested)
        {
            _trialsOut++;
            _lastGrantAt = now;
            return new Permit(_generation, IsTrial: true);
        }

        if (now - _lastGrantAt >= terms.Expiry)
        {
            Break(now);
        }

        return null;
    }

    public void Report(Permit permit, CircuitOutcome outcome, double now)
    {
        if (permit.Generation != _generation)
        {
            return;
        }

        if (!permit.IsTrial)
        {
            Count(outcome, now);
            return;
        }

        _trialsOut--;
        if (outcome == CircuitOutcome.Failure)
        {
            FailTrial(now);
        }
        else if (outcome == CircuitOutcome.Success && ++_trialSuccesses == terms.Successes)
        {
            Close();
        }
    }

    public void ReportLate(Permit permit, double now)
    {
        if (permit.Generation != _generation)
        {
            return;
        }

        if (permit.IsTrial)
        {
            _trialSuccesses--;
            FailTrial(now);
        }
        else
        {
            Count(CircuitOutcome.Failure, now);
        }
    }

    public void Hint(double now) => _breakEndsAt = Math.Min(_breakEndsAt, now);

    public void Reset() => Close();

    public void Force(CircuitState state)
    {
        if (state != State)
        {
            _openings = 0;
            _run = 0;
            Turn(state);
        }
    }

    private void FailTrial(double now)
    {
        _trialFailures++;
        if (terms.Tested - _trialFailures < terms.Successes)
        {
            Break(now);
        }
    }

    private void Count(CircuitOutcome outcome, double now)
    {
        if (State == CircuitState.Disabled)
        {
            return;
        }

        if (outcome == CircuitOutcome.Success)
        {
            _run = 0;
        }
        else if (outcome == CircuitOutcome.Failure)
        {
            _run = now - _lastFailureAt > terms.Window ? 1 : _run + 1;
            _lastFailureAt = now;
            if (_run == terms.Failures && State == CircuitState.MetricsOnly)
            {
                _run = 0;
                WouldOpens++;
                _generation = new object();
            }
            else if (_run == terms.Failures)
            {
                Break(now);
            }
        }
    }

    private void Break(double now)
    {
        var length = terms.Break;
        for (var i = 0; i < _openings && length < terms.MaxBreak; i++)
        {
            length *= 2;
        }

        _openings++;
        _breakEndsAt = now + Math.Min(length, terms.MaxBreak);
        Turn(CircuitState.Open);
    }

    private void Close()
    {
        _openings = 0;
        _run = 0;
        Turn(CircuitState.Closed);
    }

    private void Turn(CircuitState to)
    {
        if (to != State)
        {
            Changes.Add((State, to));
        }

        State = to;
        _generation = new object();
    }

    public sealed record Permit(object Generation, bool IsTrial);

    /// <summary>In seconds. The limits that the library rounds to 64 ms end in a half, the clock moves in whole ones.</summary>
    public sealed record Terms(
        int Failures,
        int Trials,
        int Successes,
        double Window = 9.5,
        double Break = 5,
        double MaxBreak = 20,
        double Expiry = 30.5,
        int Spare = 0
    )
    {
        public int Tested => Successes + Spare;
    }
}
