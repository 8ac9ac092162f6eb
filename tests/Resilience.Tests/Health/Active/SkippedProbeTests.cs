using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>
/// Probes that are left out because requests have just shown the same: only then, and never for longer than an interval
/// after the last good response (R171).
/// </summary>
public sealed class SkippedProbeTests
{
    [Fact]
    public async Task Traffic_ThatSucceeds_StandsForProbesUntilAnIntervalAfterTheLastOne()
    {
        await using var world = Skipping("a", "b");
        await world.StartAsync();

        await world.PassAsync(9);
        world["a"].Succeed();
        await world.PassAsync(9);
        world["a"].Succeed();
        await world.PassAsync(22);

        world.Probe.TimesOf("a").Should().Equal([0, 28, 38], "the last request succeeded at 18");
        world.Probe.TimesOf("b").Should().Equal([0, 10, 20, 30, 40], "it has had no request");
        world["a"].Probes.Should().Be(new ProbeStatistics(3, 0, 2));
        world["b"].Probes.Skipped.Should().Be(0);
        world.Checker.Statistics.Should().Be(new ProbeStatistics(8, 0, 2));
        world.Checker.Statistics.Total.Should().Be(8, "what was not sent has not ended");
    }

    [Fact]
    public async Task Off_WhichIsTheDefault_ProbesAllTheSameAndNotesNothing()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b");
        await world.StartAsync();

        await world.PassAsync(9);
        world["a"].Succeed();
        await world.PassAsync(11);

        world.Probe.TimesOf("a").Should().Equal(0, 10, 20);
        world["a"].Passive.SucceededAt.Should().Be(long.MinValue);
        world.Checker.Statistics.Skipped.Should().Be(0);
    }

    [Fact]
    public async Task OneFailedRequest_AmongSuccesses_IsReasonToProbe()
    {
        await using var world = Skipping("a", "b");
        await world.StartAsync();

        await world.PassAsync(8);
        world["a"].FailInApplication();
        world["a"].Succeed();
        await world.PassAsync(2);
        world.Probe.TimesOf("a").Should().Equal([0, 10], "the success came after a failure");

        world["a"].Succeed();
        await world.PassAsync(10);
        world.Probe.TimesOf("a").Should().Equal([0, 10, 20], "the success came in the same moment as the probe");
        await world.PassAsync(1);
        world["a"].Succeed();
        await world.PassAsync(9.5);
        world.Probe.TimesOf("a").Should().Equal([0, 10, 20], "the failure has been looked into");
    }

    /// <summary>An active verdict, a probe that failed, an ejection, an open circuit: what is in doubt is probed.</summary>
    [Fact]
    public async Task ProbeThatFailed_IsFollowedByProbes_ThoughRequestsSucceed()
    {
        await using var world = Skipping("a", "b");
        await world.StartAsync();
        world.Probe.Down.Add("a");
        await world.PassAsync(10);
        world.Probe.TimesOf("a").Should().Equal(0, 10);

        for (var second = 0; second < 8; second++)
        {
            world["a"].Succeed();
            await world.PassAsync(1);
        }

        world.Probe.TimesOf("a").Should().Equal([0, 10, 11, 13, 17], "a failing backend has its own schedule");
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);
        world.Probe.Down.Clear();
        await world.PassAsync(7);
        world["a"].Succeed();
        await world.PassAsync(0.5);
        world.Probe.TimesOf("a").Should().Equal([0, 10, 11, 13, 17, 25], "one success is not yet enough");
    }

    [Fact]
    public async Task EjectedBackend_IsProbed_ThoughALastRequestSucceeds()
    {
        await using var world = Skipping("a", "b", "c");
        _ = new PassiveHealthChecker(world.Pool, new PassiveHealthOptions { ConsecutiveFailures = 2 });
        await world.StartAsync();
        await world.PassAsync(1);
        world["a"].Fail();
        await world.PassAsync(10);
        world.Probe.TimesOf("a").Should().Equal(0, 10);

        await world.PassAsync(8);
        world["a"].Fail();
        world["a"].PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        world["a"].Succeed();
        await world.PassAsync(1);

        world.Probe.TimesOf("a").Should().Equal(0, 10, 20);
    }

    [Fact]
    public async Task DrainedBackend_IsProbed()
    {
        await using var world = Skipping("a", "b");
        await world.StartAsync();
        await world.PassAsync(9);
        world["a"].Succeed();
        world["a"].Drain();

        await world.PassAsync(1);

        world.Probe.TimesOf("a").Should().Equal(0, 10);
    }

    [Fact]
    public async Task FirstRound_IsSent_ThoughRequestsSucceeded()
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options =>
            {
                options.SkipWhileTrafficSucceeds = true;
                options.InitialDelay = TimeSpan.FromSeconds(5);
            }),
            "a"
        );
        await world.StartAsync();
        world["a"].SetAlive(true);
        await world.PassAsync(4);
        world["a"].Succeed();

        await world.PassAsync(1);

        world.Probe.TimesOf("a").Should().Equal(5);
        world.Checker.StartAsync().IsCompletedSuccessfully.Should().BeTrue("the first round has come to its end");
    }

    [Fact]
    public async Task Check_OnDemand_IsNeverLeftOut()
    {
        await using var world = Skipping("a");
        await world.StartAsync();
        await world.PassAsync(3);
        world["a"].Succeed();

        var result = await world.Checker.CheckAsync(world["a"]);

        result.IsSuccess.Should().BeTrue();
        world.Probe.TimesOf("a").Should().Equal(0, 3);
    }

    /// <summary>What is reported by hand is traffic like any other, with passive detection on or off.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RecordSuccess_ByHand_CountsToo(bool isPassiveOn)
    {
        await using var world = Skipping("a");
        var passive = new PassiveHealthChecker(world.Pool, new PassiveHealthOptions { Enabled = isPassiveOn });
        await world.StartAsync();
        await world.PassAsync(9);
        passive.RecordSuccess(world["a"], TimeSpan.FromMilliseconds(5));

        await world.PassAsync(9);

        world.Probe.TimesOf("a").Should().Equal(0);
    }

    /// <summary>Each due time is drawn once: drawing again at each look would stretch every interval to its longest.</summary>
    [Fact]
    public async Task OneSuccess_UnderJitter_IsTakenOnce()
    {
        await using var world = new CheckedPool(
            new HealthCheckOptions
            {
                SkipWhileTrafficSucceeds = true,
                Spread = false,
                Jitter = 0.5,
            },
            new SeededRandom(7),
            "a"
        );
        await world.StartAsync();

        for (var round = 0; round < 200; round++)
        {
            var before = (Sent: world.Probe.Count, world["a"].Probes.Skipped);
            await world.PassAsync(1);
            world["a"].Succeed();
            await world.PassAsync(15.1);
            world.Probe.Count.Should().BeGreaterThan(before.Sent, "15 s is the longest that one success may stand for");
            (world["a"].Probes.Skipped - before.Skipped).Should().BeInRange(0, 1);
        }

        world["a"].Probes.Skipped.Should().BePositive();
    }

    [Fact]
    public async Task Reload_ThatSwitchesItOff_ForgetsNoProbe()
    {
        await using var world = Skipping("a");
        await world.StartAsync();
        await world.PassAsync(9);
        world["a"].Succeed();
        await world.PassAsync(2);

        await world.Checker.ConfigureAsync(CheckedPool.Exact(), start: true);
        world["a"].Succeed();
        await world.PassAsync(18);

        world.Probe.TimesOf("a").Should().Equal(0, 19, 29);
    }

    private static CheckedPool Skipping(params string[] names) =>
        new(CheckedPool.Exact(options => options.SkipWhileTrafficSucceeds = true), names);
}
