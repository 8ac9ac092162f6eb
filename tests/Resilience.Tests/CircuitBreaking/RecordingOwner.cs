using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>Keeps what a circuit tells its owner. Thread-safe.</summary>
internal sealed class RecordingOwner : ICircuitOwner
{
    private readonly Lock _gate = new();
    private readonly List<(CircuitState From, CircuitState To)> _changes = [];

    /// <summary>All calls, also those where only the trials changed.</summary>
    public int Calls
    {
        get
        {
            lock (_gate)
            {
                return _changes.Count;
            }
        }
    }

    /// <summary>The changes of state, in the order in which they were told.</summary>
    public IReadOnlyList<(CircuitState From, CircuitState To)> Changes
    {
        get
        {
            lock (_gate)
            {
                return [.. _changes.Where(change => change.From != change.To)];
            }
        }
    }

    /// <summary>How often a circuit that only measures told that it would have opened.</summary>
    public int WouldOpens
    {
        get
        {
            lock (_gate)
            {
                return _changes.Count(change => change == (CircuitState.MetricsOnly, CircuitState.MetricsOnly));
            }
        }
    }

    public void OnCircuitChanged(CircuitState from, CircuitState to, CircuitChangeReason reason)
    {
        lock (_gate)
        {
            _changes.Add((from, to));
        }
    }
}
