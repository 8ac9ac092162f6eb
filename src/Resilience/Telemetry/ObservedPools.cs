using System.Diagnostics.Metrics;

namespace Resilience.Telemetry;

/// <summary>
/// The pools there are, for gauges, which are read from outside. Holds them weakly: a pool that nobody disposed of must
/// not be kept alive by being measurable. Thread-safe.
/// </summary>
internal sealed class ObservedPools
{
    private readonly Lock _gate = new();
    private readonly List<WeakReference<IObservedPool>> _pools = [];

    public void Add(IObservedPool pool)
    {
        lock (_gate)
        {
            _pools.RemoveAll(static each => !each.TryGetTarget(out _));
            _pools.Add(new WeakReference<IObservedPool>(pool));
        }
    }

    public void Remove(IObservedPool pool)
    {
        lock (_gate)
        {
            _pools.RemoveAll(each => !each.TryGetTarget(out var other) || ReferenceEquals(other, pool));
        }
    }

    public List<Measurement<long>> Observe(PoolGauge gauge)
    {
        WeakReference<IObservedPool>[] pools;
        lock (_gate)
        {
            pools = [.. _pools];
        }

        var measurements = new List<Measurement<long>>();
        foreach (var each in pools)
        {
            if (each.TryGetTarget(out var pool))
            {
                pool.Observe(gauge, measurements);
            }
        }

        return measurements;
    }
}
