using System.Diagnostics.Metrics;

namespace Resilience.Telemetry;

/// <summary>A pool that can be asked for its present figures.</summary>
internal interface IObservedPool
{
    /// <summary>Adds the figures; called on the thread that collects metrics.</summary>
    void Observe(PoolGauge gauge, List<Measurement<long>> measurements);
}
