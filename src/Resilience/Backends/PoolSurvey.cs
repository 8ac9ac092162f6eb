using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>One pass over a pool's backends: who may take traffic, who may not and why, and when that changes by itself.</summary>
internal struct PoolSurvey(Backend[] backends, double failOpenThreshold)
{
    private readonly Backend[] _admissible = new Backend[backends.Length];
    private int _admissibleCount;
    private int _healthyCount;
    private int _disabled;
    private int _draining;
    private int _weightless;
    private int _circuitOpen;
    private int _awaitingTrial;
    private int _ejected;
    private int _unhealthy;

    /// <summary>The next moment at which an ejection or a break ends, in the clock's milliseconds.</summary>
    public long NextChange { get; private set; } = long.MaxValue;

    /// <summary>Those that only health objects to are refused nothing while health is ignored.</summary>
    public readonly Refusals Refusals =>
        new(
            _disabled,
            _draining,
            _weightless,
            _circuitOpen,
            _awaitingTrial,
            IsFailOpen ? 0 : _ejected,
            IsFailOpen ? 0 : _unhealthy
        );

    /// <summary>Of the backends that the operator lets take traffic, so many must be left, or health is not believed.</summary>
    private readonly bool IsFailOpen =>
        _admissibleCount > _healthyCount
        && (
            _healthyCount == 0 || _healthyCount < failOpenThreshold * (_admissibleCount + _circuitOpen + _awaitingTrial)
        );

    public void Add(Backend backend, long now)
    {
        var isEjected = backend.PassiveVerdict == PassiveVerdict.Ejected;
        if (isEjected)
        {
            NextChange = Math.Min(NextChange, backend.EjectedUntil);
        }

        if (backend.Administration != AdministrativeState.Enabled)
        {
            _ = backend.Administration == AdministrativeState.Disabled ? _disabled++ : _draining++;
        }
        else if (backend.Definition.Weight == 0)
        {
            _weightless++;
        }
        else if (!backend.Circuit.Admits(now))
        {
            _ = backend.Circuit.State == CircuitState.HalfOpen ? _awaitingTrial++ : _circuitOpen++;
            NextChange = Math.Min(NextChange, backend.Circuit.AdmitsFrom(now));
        }
        else
        {
            // Those that health does not object to stand in front, so that they are the first of one array.
            _admissible[_admissibleCount++] = backend;
            if (!backend.IsHealthObjecting)
            {
                (_admissible[_healthyCount], _admissible[_admissibleCount - 1]) = (
                    _admissible[_admissibleCount - 1],
                    _admissible[_healthyCount]
                );
                _healthyCount++;
            }
            else
            {
                _ = isEjected ? _ejected++ : _unhealthy++;
            }
        }
    }

    /// <summary>
    /// Who takes traffic: those that nothing objects to; if health alone would leave none, or too few, those that only
    /// health objects to as well (law 5).
    /// </summary>
    public readonly (Backend[] Backends, bool IsFailOpen) Available() =>
        _healthyCount == backends.Length
            ? (backends, false)
            : (_admissible[..(IsFailOpen ? _admissibleCount : _healthyCount)], IsFailOpen);
}
