using Resilience.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>What served a request is kept for the next one; the backends that it served are not (law 13).</summary>
public sealed class PooledCallTests
{
    [Fact]
    public async Task Pool_DisposedAfterItsRequests_LeavesTheMemory()
    {
        var pool = await UseAndDisposeAsync();

        Garbage
            .IsCollected(() => !pool.TryGetTarget(out _))
            .Should()
            .BeTrue("nothing that outlives the pool refers to it");
    }

    private static async Task<WeakReference<BackendPool>> UseAndDisposeAsync()
    {
        using var rig = new HttpRig();
        (await rig.SendAsync()).Dispose();
        return new WeakReference<BackendPool>(rig.Pool);
    }
}
