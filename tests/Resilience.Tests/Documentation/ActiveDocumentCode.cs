using Resilience.Backends;
using Resilience.Health.Active;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/active-health.md, compiled; <see cref="ActiveHealthPageTests"/> runs it.</summary>
internal static class ActiveDocumentCode
{
    public static async Task<(ProbeResult One, ProbeResult[] All)> OnDemandAsync(
        BackendPool pool,
        HealthChecker checker
    )
    {
        #region On demand
        ProbeResult one = await checker.CheckAsync(pool.Find("a")!);
        ProbeResult[] all = await checker.CheckAllAsync();
        #endregion
        return (one, all);
    }
}
