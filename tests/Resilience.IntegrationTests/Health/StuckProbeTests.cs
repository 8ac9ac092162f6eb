using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Selection;

namespace Resilience.IntegrationTests.Health;

/// <summary>On the real clock a probe may run in the timer's own callback, for which a disposal must not wait (law 13).</summary>
public sealed class StuckProbeTests
{
    [Fact]
    public async Task Dispose_ProbeBlocksTheThreadThatBeganIt_EndsAfterTheGrace()
    {
        using var pool = new BackendPool(
            "catalog",
            [new BackendDefinition("http://127.0.0.1:1")],
            new RoundRobinSelector()
        );
        var probe = new StuckProbe();
        var options = new HealthCheckOptions { Interval = TimeSpan.FromMilliseconds(10), Spread = false };
        var checker = new HealthChecker(pool, options, probe);
        checker.Start();
        await probe.WhenStuck;

        try
        {
            await checker.DisposeAsync().AsTask().WaitAsync(Limits.Wait);
        }
        finally
        {
            probe.Release();
        }
    }

    /// <summary>Its first probe succeeds; the second one, which the timer begins, blocks.</summary>
    private sealed class StuckProbe : IHealthProbe
    {
        private readonly TaskCompletionSource _stuck = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new();
        private int _probes;

        public Task WhenStuck => _stuck.Task.WaitAsync(Limits.Wait);

        public void Release() => _released.SetResult();

        public ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken)
        {
            if (Interlocked.Increment(ref _probes) > 1)
            {
                _stuck.TrySetResult();
#pragma warning disable xUnit1031 // Blocking is what it is about.
                _released.Task.Wait(CancellationToken.None);
#pragma warning restore xUnit1031
            }

            return ValueTask.FromResult(new ProbeResult(true, "well"));
        }
    }
}
