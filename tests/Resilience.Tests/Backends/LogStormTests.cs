using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.Selection;
using Resilience.Telemetry;
using Resilience.Tests.Health.Active;
using Resilience.Tests.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>Whatever happens, and however often, the log stays readable, and says what it does not show (R165).</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class LogStormTests
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly FakeTime _time = new();
    private readonly CollectingLoggerFactory _logs = new() { MinimumLevel = LogLevel.Information };

    [Fact]
    public async Task State_ThousandsOfBackendsTurnAtOnce_AHundredLinesAndACount()
    {
        await using var pool = Create(5_000);
        await SettleAsync(pool);
        var before = _logs.Entries.Count;

        foreach (var backend in pool.Backends)
        {
            backend.SetAlive(false);
        }

        await SettleAsync(pool);

        var lines = _logs.Entries.Skip(before).ToArray();
        lines.Count(entry => entry.EventId.Id == 101).Should().BeInRange(1, PoolLogger.MostLines);
        lines.Should().HaveCountLessThan(3 * PoolLogger.MostLines, "the queue's own losses are counted in lines, too");
        lines.Should().Contain(entry => entry.EventId.Id == 106, "that health is ignored is not lost among them");
        lines.Where(entry => entry.EventId.Id is 110 or 112).Should().NotBeEmpty("what is not shown is counted");
    }

    [Fact]
    public async Task State_BackendFlapsForAnHour_IsBounded()
    {
        await using var pool = Create(2);
        await SettleAsync(pool);
        var before = _logs.Entries.Count;
        var flapping = pool.Backends[0];

        for (var second = 0; second < 360; second++)
        {
            for (var turn = 0; turn < 20; turn++)
            {
                flapping.SetAlive(false);
                flapping.SetAlive(true);
            }

            await SettleAsync(pool);
        }

        // Each time health turns there are two lines; what is beyond the limit is one line in ten seconds.
        (_logs.Entries.Count - before)
            .Should()
            .BeLessThanOrEqualTo(360 * ((2 * PoolLogger.MostLines) + 4));
        var shown = _logs.Entries.Count(entry => entry.EventId.Id is 101 or 102);
        var counted = _logs
            .Entries.Where(entry => entry.EventId.Id == 112 && entry["Event"] is 101 or 102)
            .Sum(entry => (int)entry["Count"]!);
        (shown + counted).Should().Be(360 * 40);
    }

    [Fact]
    public async Task Subscriber_ThrowsAtEachOfAThousandEvents_TenLinesInAPeriod()
    {
        await using var pool = Create(2);
        await SettleAsync(pool);
        var told = 0;
        using var subscription = pool.Subscribe(_ =>
        {
            Interlocked.Increment(ref told);
            throw new InvalidOperationException("subscriber");
        });

        for (var turn = 0; turn < 500; turn++)
        {
            pool.Backends[0].SetAlive(turn % 2 == 1);
        }

        await HttpRig.UntilAsync(() => Volatile.Read(ref told) >= 500);
        _logs.Entries.Count(entry => entry.EventId.Id == 108).Should().BeInRange(1, PoolLogger.MostExceptions);
    }

    [Fact]
    public async Task Listener_ThrowsAtEachOfAThousandRequests_TenLinesInAPeriod()
    {
        using var metrics = new MetricRecord("catalog");
        metrics.Heard = _ => throw new InvalidOperationException("listener");
        using var rig = new HttpRig(2, loggers: _logs);

        for (var i = 0; i < 1_000; i++)
        {
            using var response = await rig.SendAsync();
        }

        _logs.Entries.Count(entry => entry.EventId.Id == 304).Should().Be(PoolLogger.MostExceptions);
        rig.Time.Advance(Period);
        _logs.Entries.Should().ContainSingle(entry => entry.EventId.Id == 112).Which["Event"].Should().Be(304);
    }

    [Fact]
    public async Task Probe_ThrowsForEachOfAThousandBackends_TenLinesInAPeriod()
    {
        var names = Enumerable.Range(1, 1_000).Select(number => $"b{number}").ToArray();
        await using var world = new CheckedPool(CheckedPool.Exact(), names);
        world.Probe.Script = (_, _) => throw new InvalidOperationException("probe");

        await world.StartAsync();

        world.Logs.Entries.Count(entry => entry.EventId.Id == 204).Should().Be(PoolLogger.MostExceptions);
        world.Pool.Backends.Should().OnlyContain(backend => !backend.LastProbe!.IsSuccess);
    }

    /// <summary>A logger is the application's code, also on a request's way (law 13).</summary>
    [Theory]
    [InlineData(503)]
    [InlineData(200)]
    public async Task Request_TheLoggerThrows_IsAnsweredAllTheSame(int first)
    {
        using var loggers = new ThrowingLoggerFactory();
        using var rig = new HttpRig(
            2,
            options => options.OnRetry = _ => throw new InvalidOperationException("callback"),
            loggers: loggers
        ).On("b1", Answers.Status(first));

        using (var response = await rig.SendAsync())
        {
            ((int)response.StatusCode).Should().Be(200);
        }

        rig.InFlight.Should().Be(0);
    }

    private BackendPool Create(int backends) =>
        new(
            "catalog",
            Enumerable.Range(1, backends).Select(number => Pools.Definition($"b{number}")),
            new RoundRobinSelector(),
            timeProvider: _time,
            random: new ScriptedRandom(0),
            loggerFactory: _logs
        );

    /// <summary>Lets the log's period pass, and whatever happened before come to the log.</summary>
    private async Task SettleAsync(BackendPool pool)
    {
        var marker = $"http://marker-{_logs.Entries.Count}-{_time.GetTimestamp()}";
        _time.Advance(Pools.Rest);
        pool.Announce((pool, time) => new ConfigurationReloaded(pool.Name, time, [marker]));
        await _logs.WaitForAsync(entry => entry.EventId.Id == 402 && entry.Message.Contains(marker));
        _time.Advance(Period);
    }
}
