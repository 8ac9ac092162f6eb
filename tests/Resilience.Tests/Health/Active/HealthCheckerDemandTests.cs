using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Tests.Backends;

namespace Resilience.Tests.Health.Active;

/// <summary>Checks that somebody asks for (R25, R42, R65, R66), the awaited start, and what is counted (R79, R122).</summary>
public sealed class HealthCheckerDemandTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    private static HealthCheckOptions EverySecond =>
        CheckedPool.Exact(options =>
        {
            options.Interval = TimeSpan.FromSeconds(1);
            options.FailureBackoff = false;
        });

    /// <summary>One worker, which is too few where a probe takes a second or more.</summary>
    private static HealthCheckOptions OneWorker =>
        CheckedPool.Exact(options =>
        {
            options.Interval = TimeSpan.FromSeconds(1);
            options.Timeout = TimeSpan.FromSeconds(10);
            options.MaxConcurrency = 1;
            options.FailureBackoff = false;
        });

    /// <summary>R25, R35: without any background work.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task CheckAsync_NeverStarted_ProbesOnceAndAppliesTheResult(bool isEnabled)
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options =>
            {
                options.Enabled = isEnabled;
                options.UnhealthyThreshold = 1;
            }),
            "a",
            "b"
        );
        world.Probe.Down.Add("a");

        var result = await world.Checker.CheckAsync(world["a"]).WaitAsync(Limit);
        await world.PassAsync(100);

        result.IsSuccess.Should().BeFalse();
        result.StatusCode.Should().Be(503);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);
        world["a"].LastProbe.Should().Be(result);
        world.Probe.Count.Should().Be(1);
        world.Time.ArmedTimers.Should().Be(0);
    }

    /// <summary>Nobody tells a checker that was never started who leaves the pool; the run that follows finds out.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Start_BackendLeftWhileItWasChecked_IsNotProbedAnyMore(bool isPoolDisposed)
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options => options.Interval = TimeSpan.FromSeconds(1)),
            "a",
            "b"
        );
        var b = world["b"];
        world.Probe.Script = async (backend, _) =>
        {
            await (backend == b ? world.Probe.Release.Task : Task.CompletedTask);
            return world.Probe.Answer(backend);
        };
        var checking = world.Checker.CheckAsync(b);
        await world.Probe.WhenBegunAsync(1);

        if (isPoolDisposed)
        {
            await world.Pool.DisposeAsync();
        }
        else
        {
            world.Pool.Remove("b");
        }

        world.Checker.Start();
        world.Probe.Release.SetResult();
        await Task.WhenAny(checking);
        await world.Checker.WhenIdleAsync();
        await world.PassAsync(5);

        world.Probe.TimesOf("b").Should().ContainSingle();
    }

    [Fact]
    public async Task CheckAllAsync_GivesTheResultsInThePoolsOrder()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b", "c");
        world.Probe.Down.Add("b");

        var results = await world.Checker.CheckAllAsync().WaitAsync(Limit);

        results.Select(result => result.IsSuccess).Should().Equal(true, false, true);
    }

    /// <summary>S18.</summary>
    [Fact]
    public async Task CheckAsync_OfSeveral_GivesTheResultsInTheirOrder()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b", "c");
        world.Probe.Down.Add("c");

        var results = await world.Checker.CheckAsync([world["c"], world["a"]]).WaitAsync(Limit);

        results.Select(result => result.IsSuccess).Should().Equal(false, true);
        world.Probe.TimesOf("b").Should().BeEmpty();
    }

    [Fact]
    public async Task CheckAsync_WhileAProbeIsUnderWay_JoinsIt()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        world.Probe.Script = async (backend, token) =>
        {
            await world.Probe.Release.Task.WaitAsync(token);
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var first = world.Checker.CheckAsync(world["a"]);
        var second = world.Checker.CheckAsync(world["a"]);
        world.Probe.Release.SetResult();

        (await first.WaitAsync(Limit)).Should().BeSameAs(await second.WaitAsync(Limit));
        world.Probe.Count.Should().Be(1);
    }

    [Fact]
    public async Task CheckAsync_BetweenTwoProbes_CountsAsOneOfThem()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        await world.StartAsync();
        await world.PassAsync(0.6);

        await world.Checker.CheckAsync(world["a"]).WaitAsync(Limit);
        await world.Checker.WhenIdleAsync();
        await world.PassAsync(1.5);

        world.Probe.TimesOf("a").Should().Equal(0, 0.6, 1.6);
    }

    [Fact]
    public async Task Start_AfterACheckWithoutIt_ProbesAsEver()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.Checker.CheckAsync(world["a"]).WaitAsync(Limit);
        await world.Checker.WhenIdleAsync();
        await world.PassAsync(5);

        await world.StartAsync();
        await world.PassAsync(1);

        world.Probe.TimesOf("a").Should().Equal(0, 5, 6);
        world.Probe.TimesOf("b").Should().Equal(5, 6);
    }

    [Fact]
    public async Task Start_WhileACheckWithoutItIsUnderWay_NeverProbesTwiceAtATime()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Script = async (backend, token) =>
        {
            await world.Probe.Release.Task.WaitAsync(token);
            return world.Probe.Answer(backend);
        };
        var check = world.Checker.CheckAsync(world["a"]);
        await world.Probe.WhenBegunAsync(1);

        world.Checker.Start();
        await world.Probe.WhenBegunAsync(2);
        world.Probe.Release.SetResult();
        await check.WaitAsync(Limit);
        await world.Checker.WhenIdleAsync();
        await world.PassAsync(1);

        world.Probe.MostAtOnceOfOne.Should().Be(1);
        world.Probe.TimesOf("a").Should().Equal(0, 1);
    }

    [Fact]
    public async Task CheckAsync_CallerGivesUp_EndsTheWaitingAlone()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        using var caller = new CancellationTokenSource();
        world.Probe.Script = async (backend, token) =>
        {
            await world.Probe.Release.Task.WaitAsync(token);
            return world.Probe.Answer(backend);
        };
        var check = world.Checker.CheckAsync(world["a"], caller.Token);
        await world.Probe.WhenBegunAsync(1);

        await caller.CancelAsync();

        await FluentActions.Awaiting(() => check).Should().ThrowAsync<TaskCanceledException>();
        world.Probe.Release.SetResult();
        await world.Checker.WhenIdleAsync();
        world["a"].LastProbe!.IsSuccess.Should().BeTrue();
    }

    /// <summary>Our own stop is no result.</summary>
    [Fact]
    public async Task CheckAsync_StoppedMeanwhile_IsCancelled()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        world.Probe.Script = async (_, token) =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return new ProbeResult(true, "never");
        };
        var check = world.Checker.CheckAsync(world["a"]);
        await world.Probe.WhenBegunAsync(1);

        await world.Checker.StopAsync().WaitAsync(Limit);

        await FluentActions.Awaiting(() => check).Should().ThrowAsync<TaskCanceledException>();
        world["a"].LastProbe.Should().BeNull();
        world.Checker.Statistics.Total.Should().Be(0);
    }

    [Fact]
    public async Task CheckAsync_WaitingForAWorkerWhenItsBackendLeaves_IsCancelled()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(options => options.MaxConcurrency = 1), "a", "b");
        world.Probe.Script = async (backend, token) =>
        {
            await world.Probe.Release.Task.WaitAsync(token);
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);
        var leaving = world.Probe.TimesOf("a").Length == 1 ? "b" : "a";
        var check = world.Checker.CheckAsync(world[leaving]);

        world.Pool.Remove(leaving);

        await FluentActions.Awaiting(() => check.WaitAsync(Limit)).Should().ThrowAsync<TaskCanceledException>();
        world.Probe.Release.SetResult();
    }

    [Fact]
    public async Task CheckAsync_OfAnotherPoolsBackend_IsRefused()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        await using var other = new CheckedPool(EverySecond, "a");

        var check = () => world.Checker.CheckAsync(other["a"]);

        await check.Should().ThrowAsync<ArgumentException>().WithMessage("'a' is no backend of the pool 'catalog'*");
    }

    [Fact]
    public async Task CheckAsync_AfterDisposal_IsRefused()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        await world.Checker.DisposeAsync();

        var check = () => world.Checker.CheckAsync(world["a"]);

        await check.Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task StartAsync_EndsWithTheFirstRound()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Script = async (backend, token) =>
        {
            if (backend.Name == "b")
            {
                await world.Probe.Release.Task.WaitAsync(token);
            }

            return world.Probe.Answer(backend);
        };

        var started = world.Checker.StartAsync();
        await world.Probe.WhenBegunAsync(2);
        started.IsCompleted.Should().BeFalse();
        world.Probe.Release.SetResult();
        await started.WaitAsync(Limit);

        world.Pool.Backends.Should().OnlyContain(backend => backend.ActiveVerdict == ActiveVerdict.Healthy);
        (await world.Checker.StartAsync().WaitAsync(Limit).ContinueWith(each => each.Status))
            .Should()
            .Be(TaskStatus.RanToCompletion);
    }

    [Fact]
    public async Task StartAsync_BackendOfTheFirstRoundLeaves_IsNotWaitedFor()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Script = async (backend, token) =>
        {
            await (backend.Name == "b" ? Task.Delay(Timeout.Infinite, token) : Task.CompletedTask);
            return world.Probe.Answer(backend);
        };
        var started = world.Checker.StartAsync();
        await world.Probe.WhenBegunAsync(2);

        world.Pool.Remove("b");

        await started.WaitAsync(Limit);
    }

    [Fact]
    public async Task StartAsync_StoppedBefore_IsCancelled()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        world.Probe.Script = async (_, token) =>
        {
            await Task.Delay(Timeout.Infinite, token);
            return new ProbeResult(true, "never");
        };
        var started = world.Checker.StartAsync();
        await world.Probe.WhenBegunAsync(1);

        await world.Checker.StopAsync().WaitAsync(Limit);

        await FluentActions.Awaiting(() => started).Should().ThrowAsync<TaskCanceledException>();
    }

    [Fact]
    public async Task StartAsync_SwitchedOffOrDisposedPool_EndsAtOnce()
    {
        await using var off = new CheckedPool(CheckedPool.Exact(options => options.Enabled = false), "a");
        await using var gone = new CheckedPool(EverySecond, "a");
        gone.Pool.Dispose();

        await off.Checker.StartAsync().WaitAsync(Limit);
        await gone.Checker.StartAsync().WaitAsync(Limit);
    }

    /// <summary>R122: total, succeeded, failed; 0/0 is no number.</summary>
    [Fact]
    public async Task Statistics_CountEachResult()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Checker.Statistics.SuccessRate.Should().Be(double.NaN);
        world.Probe.Down.Add("b");

        await world.StartAsync();
        await world.PassAsync(3);

        world.Checker.Statistics.Should().Be(new ProbeStatistics(4, 4));
        world.Checker.Statistics.SuccessRate.Should().Be(0.5);
        world["a"].Probes.Should().Be(new ProbeStatistics(4, 0));
        world["b"].Probes.Should().Be(new ProbeStatistics(0, 4));
        world["b"].Probes.Total.Should().Be(4);
    }

    /// <summary>R55, S2, S3, S9: results that were found elsewhere count by the same thresholds.</summary>
    [Fact]
    public async Task Record_ResultsFoundElsewhere_CountAsProbesDo()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b");
        var up = new ProbeResult(true, "agent says up");
        var down = new ProbeResult(false, "agent says down");

        world.Checker.Record(world["a"], down);
        world.Checker.Record(world["a"], down);
        world["a"].IsAlive.Should().BeTrue();
        world.Checker.Record(world["a"], down);
        world["a"].IsAlive.Should().BeFalse();
        world["a"].Status.Detail.Should().Be("agent says down");
        world["a"].ConsecutiveProbeFailures.Should().Be(3);
        world["a"].LastProbe!.Time.Should().Be(world.Time.GetUtcNow());
        world.Checker.Record(world["a"], up);
        world["a"].IsAlive.Should().BeFalse();
        world.Checker.Record(world["a"], up with { Time = DateTimeOffset.UnixEpoch });

        world["a"].IsAlive.Should().BeTrue();
        world["a"].ConsecutiveProbeSuccesses.Should().Be(2);
        world["a"].LastProbe!.Time.Should().Be(DateTimeOffset.UnixEpoch, "it brought a time of its own");
        world["a"].Probes.Should().Be(new ProbeStatistics(2, 3));
        world.Checker.Statistics.Total.Should().Be(0, "none was its own");
        world.Probe.Count.Should().Be(0);
    }

    [Fact]
    public async Task Record_OfAStrangerOrOneThatHasLeft_ChangesNothing()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b");
        await using var other = new CheckedPool(CheckedPool.Exact(), "a");
        var gone = world["b"];
        world.Pool.Remove("b");

        world.Checker.Record(gone, new ProbeResult(true, "up"));
        var foreign = () => world.Checker.Record(other["a"], new ProbeResult(true, "up"));

        gone.LastProbe.Should().BeNull();
        foreign.Should().Throw<ArgumentException>().WithMessage("'a' is no backend of the pool 'catalog'.*");
    }

    /// <summary>"Every probe fails while traffic succeeds" is a named warning, once until a probe succeeds.</summary>
    [Fact]
    public async Task Probes_AllFailWhileTrafficSucceeds_IsSaidOnce()
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options =>
            {
                options.Interval = TimeSpan.FromSeconds(1);
                options.FailureBackoff = false;
                options.UnhealthyThreshold = 1;
            }),
            "a",
            "b"
        );
        world.Probe.Down.UnionWith(["a", "b"]);
        await world.StartAsync();
        await world.PassAsync(3);
        Said().Should().Be(0, "no request has succeeded");

        Answer(world["a"]);
        await world.PassAsync(5);
        Said().Should().Be(1);

        world.Probe.Down.Clear();
        await world.PassAsync(3);
        world.Probe.Down.UnionWith(["a", "b"]);
        await world.PassAsync(2);
        Answer(world["b"]);
        await world.PassAsync(2);
        Said().Should().Be(2);

        int Said() => world.Logs.Entries.Count(entry => entry.EventId.Id == 210);

        static void Answer(Backend backend)
        {
            var lease = backend.TryAcquire(new PickContext(null, Random.Shared))!;
            lease.Report(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
            lease.Return();
        }
    }

    /// <summary>Nobody has got anything: callers who gave up are no reason to doubt the probes.</summary>
    [Fact]
    public async Task Probes_AllFailWhileCallersGiveUp_IsNotSaid()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Down.UnionWith(["a", "b"]);
        await world.StartAsync();
        await world.PassAsync(5);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);

        world["a"].Lease().End(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled));
        await world.PassAsync(30);

        world.Logs.Entries.Should().NotContain(entry => entry.EventId.Id == 210);
    }

    /// <summary>One that joins has not been probed, and one that has left no longer counts.</summary>
    [Fact]
    public async Task Probes_AllFailWhileTrafficSucceeds_CountsMembersAsTheyAre()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b", "c");
        world.Probe.Down.UnionWith(["a", "b"]);
        await world.StartAsync();
        await world.PassAsync(5);
        world["a"].Succeed();
        await world.PassAsync(20);
        Said().Should().Be(0, "one of three is healthy");

        world.Pool.Remove("c");
        world["a"].Succeed();
        await world.PassAsync(20);

        Said().Should().Be(1);
        world.Pool.NotesSuccesses.Should().BeTrue();
        world.Probe.Down.Clear();
        await world.PassAsync(20);
        world.Pool.NotesSuccesses.Should().BeFalse("all is well, and nobody asks");

        int Said() => world.Logs.Entries.Count(entry => entry.EventId.Id == 210);
    }

    [Fact]
    public async Task Probes_OneOfTwoFailsWhileTrafficSucceeds_IsNotSaid()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(5);
        var lease = world["a"].TryAcquire(new PickContext(null, Random.Shared))!;
        lease.Return();
        await world.PassAsync(5);

        world.Logs.Entries.Should().NotContain(entry => entry.EventId.Id == 210);
    }

    /// <summary>R169: said again when it happens again, after probing has caught up.</summary>
    [Fact]
    public async Task Probing_CatchesUpAndFallsBehindAgain_SaysSoAgain()
    {
        await using var world = new CheckedPool(OneWorker, "a", "b");
        var slow = 6;
        world.Probe.Script = (backend, _) =>
        {
            if (slow-- > 0)
            {
                world.Time.Advance(TimeSpan.FromSeconds(2));
            }

            return Task.FromResult(world.Probe.Answer(backend));
        };
        await world.StartAsync();
        await world.PassAsync(5);
        Said().Should().Be(1);

        slow = 6;
        await world.Checker.CheckAsync(world["a"]).WaitAsync(Limit);
        await world.Checker.WhenIdleAsync();

        Said().Should().Be(2);

        int Said() => world.Logs.Entries.Count(entry => entry.EventId.Id == 208);
    }

    /// <summary>All are late by the same: none is probed often at the cost of others.</summary>
    [Fact]
    public async Task Probing_FallsBehind_IsEven()
    {
        string[] names = [.. Enumerable.Range(0, 20).Select(i => $"b{i}")];
        await using var world = new CheckedPool(OneWorker, names);
        world.Probe.Down.UnionWith(names[..5]);
        world.Probe.Script = async (backend, token) =>
        {
            if (world.Probe.Count > 200)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, token);
            }

            world.Time.Advance(TimeSpan.FromSeconds(1));
            return world.Probe.Answer(backend);
        };

        world.Checker.Start();
        await world.Probe.WhenBegunAsync(201);

        var times = names.Select(name => world.Probe.TimesOf(name)).ToArray();
        times.Should().OnlyContain(each => each.Length == 10 || each.Length == 11);
        // From the second round on; after the first those that failed in it come before those that did not.
        times
            .SelectMany(each => each.Skip(2).Zip(each.Skip(1), (next, one) => next - one))
            .Should()
            .OnlyContain(gap => gap == 20, "one worker takes a second for each of twenty");
    }

    /// <summary>R169: said once, however long it lasts.</summary>
    [Fact]
    public async Task Probing_FallsBehind_SaysSoOnce()
    {
        await using var world = new CheckedPool(OneWorker, "a", "b");
        // Each probe takes two seconds of the only worker.
        using var waiting = new SemaphoreSlim(0);
        world.Probe.Script = async (backend, token) =>
        {
            var wait = Task.Delay(TimeSpan.FromSeconds(2), world.Time, token);
            waiting.Release();
            await wait;
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        for (var probe = 1; probe <= 6; probe++)
        {
            (await waiting.WaitAsync(Limit)).Should().BeTrue("the probe waits for its answer");
            world.Time.Advance(TimeSpan.FromSeconds(2));
        }

        await world.Probe.WhenBegunAsync(7);

        var lines = world.Logs.Entries.Where(entry => entry.EventId.Id == 208).ToArray();
        lines.Should().ContainSingle().Which.Level.Should().Be(LogLevel.Warning);
        lines[0].Message.Should().Contain("began 00:00:02 late where one is due every 00:00:01 (2 backends, at most 1");
    }
}
