using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Tests.Backends;

namespace Resilience.Tests.Health.Active;

/// <summary>What probes' results mean (R5, R23, R53, R54).</summary>
public sealed class HealthCheckerVerdictTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    /// <summary>Options under which every backend is probed once a second.</summary>
    private static HealthCheckOptions EverySecond =>
        CheckedPool.Exact(options =>
        {
            options.Interval = Second;
            options.FailureBackoff = false;
        });

    /// <summary>S1, R181.</summary>
    [Fact]
    public async Task Unknown_TakesTraffic()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");

        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
        world["a"].IsAlive.Should().BeTrue();
        world.Pool.AvailableNames().Should().Equal("a", "b");
    }

    [Fact]
    public async Task FirstSuccess_MakesUnknownHealthyAtOnce()
    {
        await using var world = new CheckedPool(EverySecond, "a");

        await world.StartAsync();

        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
    }

    /// <summary>S2: unhealthy after three failures.</summary>
    [Fact]
    public async Task Failures_AsManyAsTheThreshold_MakeUnhealthy()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        world.Probe.Down.Add("a");

        await world.PassAsync(2);
        world["a"].State.Should().Be(BackendState.Healthy);
        world["a"].ConsecutiveProbeFailures.Should().Be(2);
        await world.PassAsync(1);

        world["a"].ConsecutiveProbeFailures.Should().Be(3);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);
        world["a"].Status.Reason.Should().Be(StateReason.Active);
        world["a"].Status.Detail.Should().Be("down");
        world.Pool.AvailableNames().Should().Equal("b");
    }

    /// <summary>S3: healthy again after two successes.</summary>
    [Fact]
    public async Task Successes_AsManyAsTheThreshold_MakeHealthyAgain()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(2);
        world["a"].State.Should().Be(BackendState.Unhealthy);
        world.Probe.Down.Clear();

        await world.PassAsync(1);
        world["a"].State.Should().Be(BackendState.Unhealthy);
        await world.PassAsync(1);

        world["a"].State.Should().Be(BackendState.Healthy);
        world["a"].ConsecutiveProbeSuccesses.Should().Be(2);
        world.Pool.AvailableNames().Should().Equal("a", "b");
    }

    /// <summary>S4, S9.</summary>
    [Fact]
    public async Task Success_EndsARunOfFailuresAndTheOtherWayRound()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(1);
        world["a"].ConsecutiveProbeFailures.Should().Be(2);

        world.Probe.Down.Clear();
        await world.PassAsync(1);
        (world["a"].ConsecutiveProbeSuccesses, world["a"].ConsecutiveProbeFailures).Should().Be((1, 0));
        world.Probe.Down.Add("a");
        await world.PassAsync(2);

        (world["a"].ConsecutiveProbeSuccesses, world["a"].ConsecutiveProbeFailures).Should().Be((0, 2));
        world["a"].State.Should().Be(BackendState.Healthy);
    }

    /// <summary>What is shown of an unhealthy backend is what its last failed probe found.</summary>
    [Fact]
    public async Task Failures_OfAnotherKind_AreShownAtOnceAndKeepTheStatesAge()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        var detail = "refused";
        world.Probe.Script = (_, _) => Task.FromResult(new ProbeResult(detail.Length == 0, detail));
        await world.StartAsync();
        await world.PassAsync(2);
        var first = world["a"].Status;
        first.Detail.Should().Be("refused");

        detail = "GET /health answered 503";
        await world.PassAsync(1);
        world["a"].Status.Should().Be(first with { Detail = detail });

        detail = "";
        await world.PassAsync(1);
        world["a"].Status.Detail.Should().Be("GET /health answered 503", "one success of two takes nothing back");
    }

    /// <summary>R59: one event a change, however many probes say the same.</summary>
    [Fact]
    public async Task Verdict_UnchangedByFurtherProbes_IsToldOnce()
    {
        var world = new CheckedPool(EverySecond, "a", "b");
        var events = new EventRecord(world.Pool);
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(20);
        world.Probe.Down.Clear();
        await world.PassAsync(20);
        await world.Checker.DisposeAsync();

        (await events.EndAsync())
            .Cast<BackendStateChanged>()
            .Select(change => (change.Backend.Name, change.To.State))
            .Should()
            .Equal(("a", BackendState.Unhealthy), ("a", BackendState.Healthy));
    }

    /// <summary>Only a change of verdict touches the snapshot.</summary>
    [Fact]
    public async Task Probes_OfTheSameResult_DoNotRebuildTheSnapshot()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        await world.PassAsync(1);
        var snapshot = world.Pool.Snapshot;

        await world.PassAsync(60);

        world.Pool.Snapshot.Should().BeSameAs(snapshot);
    }

    /// <summary>R65: a result tells when, how long and what.</summary>
    [Fact]
    public async Task LastProbe_HoldsTheResult()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        world.Probe.Down.Add("a");
        await world.StartAsync();

        world["a"]
            .LastProbe.Should()
            .Be(new ProbeResult(false, "down", TimeSpan.Zero, 503, null, world.Time.GetUtcNow()));
    }

    /// <summary>R22: the time of the last check, success or not.</summary>
    [Fact]
    public async Task LastProbe_HasTheTimeOfEachProbe()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        await world.StartAsync();
        var began = world.Time.GetUtcNow();
        world["a"].LastProbe!.Time.Should().Be(began);
        world.Probe.Down.Add("a");

        await world.PassAsync(1);

        world["a"].LastProbe!.IsSuccess.Should().BeFalse();
        world["a"].LastProbe!.Time.Should().Be(began + TimeSpan.FromSeconds(1));
    }

    /// <summary>R18: by hand beside probes; the counters start anew, and later probes may change it.</summary>
    [Fact]
    public async Task SetAlive_BesideProbes_HoldsUntilProbesSayOtherwise()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        await world.PassAsync(5);

        world["a"].SetAlive(false);
        (world["a"].ConsecutiveProbeSuccesses, world["a"].ConsecutiveProbeFailures).Should().Be((0, 0));
        await world.PassAsync(1);
        world["a"].IsAlive.Should().BeFalse("one success is not enough against the operator's word");
        await world.PassAsync(1);
        world["a"].IsAlive.Should().BeTrue();

        world.Probe.Down.Add("a");
        await world.PassAsync(2);
        world["a"].SetAlive(true);
        await world.PassAsync(2);
        world["a"].IsAlive.Should().BeTrue("the two failures before do not count any more");
        await world.PassAsync(1);
        world["a"].IsAlive.Should().BeFalse();
    }

    /// <summary>R184, R39: a probe that throws is a failure and a log line, and nothing else.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ThrowingProbe_CountsAsFailureAndDoesNotEndTheSchedule(bool isSynchronous)
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Script = (backend, _) =>
            backend.Name != "a" ? Task.FromResult(world.Probe.Answer(backend))
            : isSynchronous ? throw new InvalidOperationException("probe")
            : Task.FromException<ProbeResult>(new InvalidOperationException("probe"));
        await world.StartAsync();

        await world.PassAsync(3);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 2, 3);
        world.Probe.TimesOf("b").Should().Equal(0, 1, 2, 3);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);
        world["b"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
        world["a"].LastProbe!.Detail.Should().Be("the probe threw InvalidOperationException");
        world
            .Logs.Entries.Where(entry => entry.EventId.Id == 204)
            .Should()
            .HaveCount(4)
            .And.OnlyContain(entry => entry.Level == LogLevel.Error && entry.Exception!.Message == "probe");
    }

    /// <summary>It ended the worker without a word: the backend was never probed again, and a stop waited for it.</summary>
    [Fact]
    public async Task ProbeWithoutAResult_CountsAsFailureAndDoesNotEndTheSchedule()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Script = (backend, _) => Task.FromResult(backend.Name == "a" ? null! : world.Probe.Answer(backend));
        await world.StartAsync().WaitAsync(TimeSpan.FromSeconds(15));

        await world.PassAsync(3).WaitAsync(TimeSpan.FromSeconds(15));

        world.Probe.TimesOf("a").Should().Equal(0, 1, 2, 3);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);
        world["a"].LastProbe!.Detail.Should().Be("the probe returned no result");
        world["b"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
    }

    /// <summary>
    /// What a probe has registered with its token runs when its time is up, on a timer's thread: what that threw ended the
    /// process.
    /// </summary>
    [Fact]
    public async Task Timeout_WhatTheProbeRegisteredThrows_CountsAsFailureAndDoesNotEndTheSchedule()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");
        var registered = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Probe.Script = async (_, token) =>
        {
            var delay = Task.Delay(Timeout.InfiniteTimeSpan, token);
            token.Register(() => throw new NotSupportedException("callback"));
            registered.SetResult();
            await delay;
            throw new InvalidOperationException("never here");
        };
        world.Checker.Start();
        await registered.Task.WaitAsync(TimeSpan.FromSeconds(15));

        world.Time.Advance(TimeSpan.FromSeconds(3));
        await world.Checker.WhenIdleAsync().WaitAsync(TimeSpan.FromSeconds(15));
        world["a"].LastProbe!.Detail.Should().Be("no answer within 3 s");
        world.Probe.Script = null;
        await world.PassAsync(1);

        world.Probe.TimesOf("a").Should().Equal(0, 4);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
    }

    /// <summary>Else a client without threads would find all of its backends unhealthy, and bring them back one by one.</summary>
    [Fact]
    public async Task Timeout_InAProcessThatCannotRun_IsNoEvidence()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(options => options.UnhealthyThreshold = 1), "a");
        await world.StartAsync();
        world.Probe.Script = async (_, token) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            throw new InvalidOperationException("never here");
        };
        var before = world.Probe.Count;
        world.Time.Advance(TimeSpan.FromSeconds(10));
        await world.Probe.WhenBegunAsync(before + 1);

        world.Time.HoldsOrdinaryWork = true;
        world.Time.Advance(TimeSpan.FromSeconds(4));
        await world.Checker.WhenIdleAsync();
        world.Time.ReleaseOrdinaryWork();

        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
        world["a"].Probes.Failed.Should().Be(0);
        world.Checker.Statistics.Failed.Should().Be(1, "it was made, and had no answer");
        world.Probe.Script = null;
        await world.PassAsync(10);
        world.Probe.TimesOf("a").Should().Equal([0, 10, 20], "the schedule goes on");
    }

    /// <summary>R49: a probe's own timeout covers every kind of probe, also one that does not look at its token.</summary>
    [Fact]
    public async Task Timeout_OfAProbeThatIgnoresItsToken_CountsAsFailure()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");
        var answer = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            await answer.Task;
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        world.Time.Advance(TimeSpan.FromSeconds(4));
        answer.SetResult();
        await world.Checker.WhenIdleAsync();

        world["a"].LastProbe!.IsSuccess.Should().BeFalse("its answer came after 4 s, and 3 were allowed");
        world["a"].LastProbe!.Detail.Should().Be("no answer within 3 s");
    }

    /// <summary>R13, R15, R47, R165 to R167, C-6: nothing above Debug, whatever a probe finds; the change itself is the pool's line.</summary>
    [Fact]
    public async Task Log_OfEachProbe_IsAtDebug()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(5);

        world.Logs.Entries.Should().HaveCount(13).And.OnlyContain(entry => entry.Level == LogLevel.Debug);
        world
            .Logs.Entries.Select(entry => entry.Message)
            .Distinct()
            .Should()
            .BeEquivalentTo(
                "Pool catalog: probing of 2 backends begins, of each every 00:00:01",
                "Pool catalog: probe of a failed: down",
                "Pool catalog: probe of b succeeded: up"
            );
    }

    [Fact]
    public async Task FirstRound_AllAnswer404_IsOneWarningThatNamesThePath()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b", "c");
        world.Probe.Script = (_, _) => Task.FromResult(new ProbeResult(false, "missing", StatusCode: 404));
        await world.StartAsync();
        await world.PassAsync(10);

        var warning = world
            .Logs.Entries.Where(entry => entry.Level == LogLevel.Warning)
            .Should()
            .ContainSingle()
            .Subject;
        warning.EventId.Id.Should().Be(203);
        warning["Path"].Should().Be("/health");
        world.Pool.Snapshot.IsFailOpen.Should().BeTrue();
        world.Pool.AvailableNames().Should().Equal(["a", "b", "c"], "traffic flows (law 5)");
    }

    [Theory]
    [InlineData(503)]
    [InlineData(200)]
    public async Task FirstRound_OneAnswersOtherwise_IsNoWarning(int status)
    {
        await using var world = new CheckedPool(EverySecond, "a", "b", "c");
        world.Probe.Script = (backend, _) =>
            Task.FromResult(
                new ProbeResult(
                    false,
                    "missing",
                    StatusCode: backend.Name == "b" && world.Probe.Count <= 3 ? status : 404
                )
            );
        await world.StartAsync();
        await world.PassAsync(10);

        world.Logs.Entries.Should().NotContain(entry => entry.Level >= LogLevel.Warning);
    }

    /// <summary>Law 15's sibling: options are read once, when they are handed over.</summary>
    [Fact]
    public async Task Options_ChangedAfterwards_DoNotReachTheChecker()
    {
        var options = EverySecond;
        await using var world = new CheckedPool(options, "a");
        world.Probe.Down.Add("a");

        options.UnhealthyThreshold = 1;
        options.Interval = TimeSpan.FromSeconds(7);
        await world.StartAsync();
        await world.PassAsync(1);

        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
        world.Probe.TimesOf("a").Should().Equal(0, 1);
    }

    [Fact]
    public async Task Constructor_OptionsOutOfRange_NamesEveryOne()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        var options = new HealthCheckOptions
        {
            Path = "health",
            ExpectedStatuses = ["200", "2xx"],
            Interval = TimeSpan.FromDays(10),
            Jitter = 0.6,
            Timeout = TimeSpan.Zero,
            HealthyThreshold = 0,
            UnhealthyThreshold = 1_001,
            InitialDelay = TimeSpan.FromSeconds(-1),
            MaxConcurrency = 0,
        };
        var create = () => new HealthChecker(world.Pool, options, world.Probe);

        var message = create.Should().Throw<ArgumentException>().Which.Message;
        foreach (
            var part in new[]
            {
                "Path is 'health'",
                "ExpectedStatuses:1 is '2xx'",
                "Interval is 10.00:00:00",
                "for 10 seconds write \"00:00:10\"",
                "Jitter is 0.6",
                "Timeout is 00:00:00",
                "HealthyThreshold is 0",
                "UnhealthyThreshold is 1001",
                "InitialDelay is -00:00:01",
                "MaxConcurrency is 0",
            }
        )
        {
            message.Should().Contain(part);
        }
    }

    /// <summary>R74 and the design's defaults.</summary>
    [Fact]
    public void Options_Defaults_AreThoseOfTheDesign()
    {
        var options = new HealthCheckOptions();

        options.Enabled.Should().BeTrue();
        options.Path.Should().Be("/health");
        options.ExpectedStatuses.Should().BeEmpty();
        options.Interval.Should().Be(TimeSpan.FromSeconds(10));
        options.Jitter.Should().Be(0.1);
        options.Timeout.Should().Be(TimeSpan.FromSeconds(3));
        options.HealthyThreshold.Should().Be(2);
        options.UnhealthyThreshold.Should().Be(3);
        options.InitialDelay.Should().Be(TimeSpan.Zero);
        options.FailureBackoff.Should().BeTrue();
        options.Spread.Should().BeTrue();
        options.MaxConcurrency.Should().BeNull();
    }
}
