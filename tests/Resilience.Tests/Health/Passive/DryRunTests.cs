using System.Diagnostics.Metrics;
using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Telemetry;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Passive;

/// <summary>Detected but not enforced: what the rules would do can be seen before they do it.</summary>
public sealed class DryRunTests
{
    /// <summary>A request that has judged by the old rules may come to the sentence when the new ones hold already.</summary>
    [Theory]
    [InlineData(true, true)]
    [InlineData(false, false)]
    public void Eject_RulesHaveChangedMeanwhile_IsNotCarriedOut(bool isDryRun, bool isEnabled)
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        var old = judged.Checker.Rules;
        judged.Checker.Configure(new PassiveHealthOptions { DryRun = isDryRun, Enabled = isEnabled });

        judged.Checker.Eject(judged["a"], old, new Evidence(EjectionRule.ConsecutiveFailures, Bad: 5));

        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public async Task Failures_InADryRun_AreToldAndNotEnforced()
    {
        var judged = Judge("a", "b");
        var events = new EventRecord(judged.Pool);

        judged["a"].Fail(20);

        judged.Ejected.Should().BeEmpty();
        judged["a"].State.Should().Be(BackendState.Healthy);
        var ejected = (await events.EndAsync())
            .Should()
            .ContainSingle()
            .Which.Should()
            .BeOfType<BackendEjected>()
            .Subject;
        ejected.Backend.Name.Should().Be("a");
        ejected.Rule.Should().Be(EjectionRule.ConsecutiveFailures);
        ejected.Detail.Should().Be("5 consecutive failures, the last: no connection");
        ejected.Duration.Should().Be(TimeSpan.FromSeconds(5));
        ejected.IsEnforced.Should().BeFalse();
    }

    /// <summary>What would have happened, told as it would have happened: one ejection after the other, doubling.</summary>
    [Fact]
    public async Task Failures_ThatGoOn_AreToldAgainWhenTheEjectionWouldHaveEnded()
    {
        var judged = Judge("a", "b");
        var events = new EventRecord(judged.Pool);

        for (var i = 0; i < 200; i++)
        {
            judged["a"].Fail();
            judged.Advance(0.1);
        }

        (await events.EndAsync())
            .OfType<BackendEjected>()
            .Select(each => each.Duration.TotalSeconds)
            .Should()
            .Equal(5, 10, 20);
    }

    /// <summary>Law 6 is kept in the play as well: half of the pool at most.</summary>
    [Fact]
    public async Task Failures_OfAllInADryRun_AreToldOfHalf()
    {
        var judged = Judge("a", "b", "c", "d", "e");
        var events = new EventRecord(judged.Pool);

        foreach (var backend in judged.Pool.Backends)
        {
            backend.Fail(5);
        }

        (await events.EndAsync()).OfType<BackendEjected>().Select(each => each.Backend.Name).Should().Equal("a", "b");
    }

    [Fact]
    public async Task Cooling_InADryRun_IsToldOnce()
    {
        var judged = Judge("a", "b");
        var events = new EventRecord(judged.Pool);

        for (var i = 0; i < 20; i++)
        {
            judged["a"]
                .Lease()
                .End(
                    new AttemptOutcome(
                        OutcomeKind.Neutral,
                        FailureKind.Status,
                        429,
                        RetryAfter: TimeSpan.FromSeconds(10)
                    )
                );
            judged.Advance(0.1);
        }

        var told = (await events.EndAsync()).Should().ContainSingle().Which.Should().BeOfType<BackendEjected>().Subject;
        told.Rule.Should().Be(EjectionRule.Cooling);
        told.Duration.Should().Be(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public void DryRun_SwitchedOn_EndsEjections()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        judged["a"].Fail(5);

        judged.Checker.Configure(new PassiveHealthOptions { DryRun = true });

        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public void DryRun_SwitchedOff_EnforcesAtOnce()
    {
        using var judged = Judge("a", "b");
        judged["a"].Fail(5);

        judged.Checker.Configure(new PassiveHealthOptions { Jitter = 0 });
        judged["a"].Fail(5);

        judged.Ejected.Should().Equal("a");
    }

    [Fact]
    public async Task Ejection_Enforced_IsToldWithItsRule()
    {
        var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        var events = new EventRecord(judged.Pool);

        judged["a"].Fail(5);

        var told = await events.EndAsync();
        told.OfType<BackendEjected>().Should().ContainSingle().Which.IsEnforced.Should().BeTrue();
        told.OfType<BackendStateChanged>().First().To.Reason.Should().Be(StateReason.Passive);
    }

    [Fact]
    public async Task DryRun_WritesOneLine()
    {
        var loggers = new CollectingLoggerFactory();
        using var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b")],
            new RoundRobinSelector(),
            timeProvider: new FakeTime(),
            loggerFactory: loggers
        );
        _ = new PassiveHealthChecker(pool, new PassiveHealthOptions { DryRun = true, Jitter = 0 });

        pool.Find("a")!.Fail(5);

        (await loggers.WaitForAsync(entry => entry.EventId.Id == 121))
            .Message.Should()
            .Be(
                "Pool catalog: backend a would be ejected for 5000 ms, but this is a dry run: 5 consecutive failures, the last: no connection"
            );
        loggers.Entries.Should().NotContain(entry => entry.EventId.Id == 101);
    }

    [Theory]
    [InlineData(false, "a consecutive_failures ejected", "b consecutive_failures refused")]
    [InlineData(true, "a consecutive_failures dry_run", "b consecutive_failures refused")]
    public void Detections_AreCountedByRuleAndResult(bool isDryRun, params string[] expected)
    {
        var name = $"detections-{isDryRun}";
        var seen = new List<string>();
        using var listener = Listen(
            tags =>
                seen.Add(
                    $"{tags[TelemetryNames.BackendTag]} {tags[TelemetryNames.RuleTag]} {tags[TelemetryNames.ResultTag]}"
                ),
            name
        );
        using var pool = new BackendPool(
            name,
            [Pools.Definition("a"), Pools.Definition("b")],
            new RoundRobinSelector(),
            timeProvider: new FakeTime()
        );
        _ = new PassiveHealthChecker(pool, new PassiveHealthOptions { DryRun = isDryRun });

        pool.Find("a")!.Fail(5);
        pool.Find("b")!.Fail(5);

        seen.Should().Equal(expected);
    }

    /// <summary>Listeners are user code on the request path: what they throw costs no lease and no ejection.</summary>
    [Fact]
    public async Task Detections_ListenerThrows_IsLoggedAndSurvived()
    {
        const string Name = "detections-thrown";
        var loggers = new CollectingLoggerFactory();
        using var listener = Listen(_ => throw new InvalidOperationException("the listener's"), Name);
        using var pool = new BackendPool(
            Name,
            [Pools.Definition("a"), Pools.Definition("b")],
            new RoundRobinSelector(),
            timeProvider: new FakeTime(),
            loggerFactory: loggers
        );
        _ = new PassiveHealthChecker(pool);

        pool.Find("a")!.Fail(5);

        pool.Find("a")!.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        pool.Find("a")!.InFlight.Should().Be(0);
        (await loggers.WaitForAsync(entry => entry.EventId.Id == 304)).Exception!.Message.Should().Be("the listener's");
    }

    /// <summary>And if the logger that should say so throws too: neither a request nor the watch's timer hears of it.</summary>
    [Fact]
    public void Detections_ListenerAndLoggerThrow_IsSurvived()
    {
        const string Name = "detections-thrown-twice";
        var time = new FakeTime();
        using var listener = Listen(_ => throw new InvalidOperationException("the listener's"), Name);
        using var pool = new BackendPool(
            Name,
            new[] { "a", "b", "c", "d" }.Select(name => Pools.Definition(name)),
            new RoundRobinSelector(),
            timeProvider: time,
            loggerFactory: new ThrowingLoggerFactory()
        );
        _ = new PassiveHealthChecker(pool);
        BackendLease[] hanging = [.. Enumerable.Range(0, 5).Select(_ => pool.Find("b")!.Lease())];

        pool.Find("a")!.Fail(5);
        for (var i = 0; i < 12; i++)
        {
            pool.Find("c")!.Succeed();
            time.Advance(TimeSpan.FromMilliseconds(250));
        }

        pool.Backends.Where(backend => backend.PassiveVerdict == PassiveVerdict.Ejected)
            .Select(backend => backend.Name)
            .Should()
            .Equal("a", "b");
        pool.Find("a")!.InFlight.Should().Be(0);
        time.ArmedTimers.Should()
            .Be(2, "the pool's for the end of the ejections, and the watch's, since five still wait");
        Array.ForEach(hanging, lease => lease.Return());
    }

    private static MeterListener Listen(Action<Dictionary<string, string?>> onDetection, string pool)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Meter.Name == TelemetryNames.Meter && instrument.Name == TelemetryNames.Detections)
                {
                    self.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>(
            (_, _, tags, _) =>
            {
                var values = tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value?.ToString());
                if (values[TelemetryNames.PoolTag] == pool)
                {
                    onDetection(values);
                }
            }
        );
        listener.Start();
        return listener;
    }

    private static JudgedPool Judge(params string[] names) => new(new PassiveHealthOptions { DryRun = true }, names);
}
