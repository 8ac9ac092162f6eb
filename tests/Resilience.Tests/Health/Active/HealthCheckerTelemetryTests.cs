using Microsoft.Extensions.Logging;
using Resilience.Tests.Backends;
using Resilience.Tests.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>Who listens to probes is the application's code (law 13).</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class HealthCheckerTelemetryTests
{
    /// <summary>It ended the worker without a word: the backend was never probed again, and a stop waited for ever.</summary>
    [Fact]
    public async Task Listener_Throws_ProbingGoesOnAndSaysSo()
    {
        using var metrics = new MetricRecord("catalog");
        metrics.Heard = _ => throw new InvalidOperationException("listener");
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");

        await world.StartAsync().WaitAsync(TimeSpan.FromSeconds(15));
        await world.PassAsync(20);

        world.Probe.TimesOf("a").Should().Equal(0, 10, 20);
        world["a"].ConsecutiveProbeSuccesses.Should().Be(3);
        world.Logs.Entries.Where(entry => entry.EventId.Id == 207).Should().HaveCount(3);
        await world.Checker.StopAsync();
    }

    [Fact]
    public async Task Skipped_ProbeIsOneDebugLineAndOneCount()
    {
        using var metrics = new MetricRecord("catalog");
        await using var world = new CheckedPool(
            CheckedPool.Exact(options => options.SkipWhileTrafficSucceeds = true),
            "a"
        );
        await world.StartAsync();
        await world.PassAsync(9);
        world["a"].Succeed();

        await world.PassAsync(1);

        world
            .Logs.Entries.Where(entry => entry.EventId.Id == 211)
            .Should()
            .ContainSingle()
            .Which.Level.Should()
            .Be(LogLevel.Debug);
        var lines = await metrics.WhenHeardAsync(2);
        lines[0].Should().StartWith("resilience.probe.duration");
        lines[1].Should().Be("resilience.probe.skips 1 [resilience.backend=a]");
    }
}
