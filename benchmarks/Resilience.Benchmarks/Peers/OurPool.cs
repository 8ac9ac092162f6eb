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

    public OurPool(IReadOnlyList<Uri> addresses)
    {
        _pool = new BackendPool(
            "catalog",
            addresses.Select(address => new BackendDefinition(address)),
            new RoundRobinSelector(),
            new BackendPoolOptions { RetryBudget = new RetryBudgetOptions { Ratio = 2 } }
        );
        _ = new PassiveHealthChecker(_pool);
    }

    public ResilientHandler Wrap(HttpMessageHandler transport, bool tracksBodies = true) =>
        new(_pool, transport, new ResilientHandlerOptions { TrackResponseBodies = tracksBodies });

    public void Dispose() => _pool.Dispose();
}
