using Resilience.Backends;
using Resilience.Selection;
using Resilience.Tests.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>R58: what changes in a pool is counted, with or without a logger.</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class PoolMetricsTests
{
    private const string Name = "metrics-of-a-pool";

    private readonly FakeTime _time = new();

    /// <summary>S11: the states' names.</summary>
    [Fact]
    public async Task StateChanges_WithoutALogger_AreCountedByStateAndReason()
    {
        using var metrics = new MetricRecord(Name);
        using var pool = CreatePool();

        pool.Find("a")!.SetAlive(false);
        pool.Find("b")!.Disable();
        pool.Find("b")!.Drain();
        pool.Find("a")!.SetAlive(true);

        (await metrics.WhenHeardAsync(4))
            .Should()
            .Equal(
                "resilience.backend.state_changes 1 [resilience.backend=a, resilience.state=unhealthy, resilience.reason=active]",
                "resilience.backend.state_changes 1 [resilience.backend=b, resilience.state=unhealthy, resilience.reason=disabled]",
                "resilience.backend.state_changes 1 [resilience.backend=b, resilience.state=draining, resilience.reason=draining]",
                "resilience.backend.state_changes 1 [resilience.backend=a, resilience.state=healthy, resilience.reason=none]"
            );
    }

    [Fact]
    public async Task CircuitTransitions_AreCountedByTheNewState()
    {
        using var metrics = new MetricRecord(Name);
        using var pool = CreatePool();

        pool.Find("a")!.Fail();
        _time.Advance(Pools.Break);
        pool.Find("a")!.Succeed();
        pool.Find("a")!.Succeed();

        (await metrics.WhenHeardAsync(5))
            .Where(line => line.StartsWith("resilience.circuit", StringComparison.Ordinal))
            .Should()
            .Equal(
                "resilience.circuit.transitions 1 [resilience.backend=a, resilience.state=open]",
                "resilience.circuit.transitions 1 [resilience.backend=a, resilience.state=half_open]",
                "resilience.circuit.transitions 1 [resilience.backend=a, resilience.state=closed]"
            );
    }

    [Fact]
    public async Task CircuitTransitions_InADryRun_AreCountedAsWhatWouldHaveBeen()
    {
        using var metrics = new MetricRecord(Name);
        using var pool = CreatePool();
        pool.Find("a")!.Circuit.MeasureOnly();

        pool.Find("a")!.Fail();

        (await metrics.WhenHeardAsync(2))
            .Should()
            .Equal(
                "resilience.circuit.transitions 1 [resilience.backend=a, resilience.state=metrics_only]",
                "resilience.circuit.transitions 1 [resilience.backend=a, resilience.state=would_open]"
            );
    }

    /// <summary>Laws 5 and 15: both have an event, a line and a metric.</summary>
    [Fact]
    public async Task FailOpenAndReloads_AreCounted()
    {
        using var metrics = new MetricRecord(Name);
        using var pool = CreatePool();
        pool.Announce((pool, time) => new ConfigurationReloaded(pool.Name, time, []));
        pool.Announce((pool, time) => new ConfigurationReloaded(pool.Name, time, ["a problem"]));
        pool.Find("b")!.Drain();
        _time.Advance(Pools.Rest);
        pool.Find("a")!.SetAlive(false);
        _time.Advance(Pools.Rest);
        pool.Find("a")!.SetAlive(true);

        (await metrics.WhenHeardAsync(6))
            .Where(line => line.StartsWith("resilience.pool", StringComparison.Ordinal))
            .Should()
            .Equal(
                "resilience.pool.reloads 1 [resilience.result=success]",
                "resilience.pool.reloads 1 [resilience.result=failure]",
                "resilience.pool.fail_opens 1 []"
            );
    }

    /// <summary>Law 13: a listener is the application's code; the pool survives it and says so.</summary>
    [Fact]
    public async Task Listener_Throws_IsLoggedAndHarmsNobody()
    {
        using var metrics = new MetricRecord(Name);
        metrics.Heard = _ => throw new InvalidOperationException("listener");
        var logs = new CollectingLoggerFactory();
        using var pool = CreatePool(logs);

        pool.Find("a")!.SetAlive(false);
        pool.Find("a")!.SetAlive(true);

        await metrics.WhenHeardAsync(2);
        (await logs.WaitForAsync(entry => entry.EventId.Id == 108)).Exception!.Message.Should().Be("listener");
        await logs.WaitForAsync(entry => entry.EventId.Id == 102);
        pool.Find("a")!.IsAlive.Should().BeTrue();
    }

    private BackendPool CreatePool(CollectingLoggerFactory? logs = null)
    {
        var pool = new BackendPool(
            Name,
            [Pools.Definition("a"), Pools.Definition("b")],
            new RoundRobinSelector(),
            Pools.CircuitsOpenAfter(1),
            _time,
            new ScriptedRandom(0),
            logs
        );
        _time.Advance(Pools.RebuildSpacing);
        return pool;
    }
}
