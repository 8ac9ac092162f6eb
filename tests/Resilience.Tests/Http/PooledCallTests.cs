using Resilience.Backends;

namespace Resilience.Tests.Http;

/// <summary>What served a request is kept for the next one; the backends that it served are not (law 13).</summary>
public sealed class PooledCallTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    [Fact]
    public async Task Pool_DisposedAfterItsRequests_LeavesTheMemory()
    {
        var pool = await UseAndDisposeAsync();

        // What other threads have still to do for it ends soon; what is kept for ever never lets go.
        SpinWait
            .SpinUntil(() => IsCollected(pool), Limit)
            .Should()
            .BeTrue("nothing that outlives the pool refers to it");
    }

    private static bool IsCollected(WeakReference<BackendPool> pool)
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return !pool.TryGetTarget(out _);
    }

    private static async Task<WeakReference<BackendPool>> UseAndDisposeAsync()
    {
        using var rig = new HttpRig();
        (await rig.SendAsync()).Dispose();
        return new WeakReference<BackendPool>(rig.Pool);
    }
}
