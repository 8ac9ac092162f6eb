using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Retries;
using Resilience.Selection;

namespace Resilience.Benchmarks.Peers;

/// <summary>
/// Ours as an application gets it: round-robin, circuit, passive detection, retry, budget and timeouts at their defaults,
/// but for a budget that does not run out when every request fails over.
/// </summary>
internal sealed class OurPool : IDisposable
{
    private readonly BackendPool _pool;

    /// <param name="everySecondSendingFails">
    /// Whether half of all sendings fail, which the rule of the failure rate would not stand by and watch.
    /// </param>
    public OurPool(IReadOnlyList<Uri> addresses, bool everySecondSendingFails = false)
    {
        _pool = new BackendPool(
            "catalog",
            addresses.Select(address => new BackendDefinition(address)),
            new RoundRobinSelector(),
            new BackendPoolOptions { RetryBudget = new RetryBudgetOptions { Ratio = 2 } }
        );
        var passive = new PassiveHealthOptions();
        if (everySecondSendingFails)
        {
            passive.FailureRate = 0;
        }

        _ = new PassiveHealthChecker(_pool, passive);
    }

    public ResilientHandler Wrap(HttpMessageHandler transport, bool tracksBodies = true) =>
        new(_pool, transport, new ResilientHandlerOptions { TrackResponseBodies = tracksBodies });

    public void Dispose() => _pool.Dispose();
}
