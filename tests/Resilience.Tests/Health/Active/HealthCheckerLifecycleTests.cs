using System.Diagnostics;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>Law 13: start, stop, reload and members that come and go (R8, R9, R78, R149, R175).</summary>
public sealed class HealthCheckerLifecycleTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);

    private static HealthCheckOptions EverySecond =>
        CheckedPool.Exact(options =>
        {
            options.Interval = Second;
            options.FailureBackoff = false;
        });

    [Fact]
    public async Task Start_Twice_ProbesOnce()
    {
        await using var world = new CheckedPool(EverySecond, "a");

        world.Checker.Start();
        await world.StartAsync();
        await world.PassAsync(2);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 2);
    }

    /// <summary>R25, R35: switched off means no background work at all.</summary>
    [Fact]
    public async Task Start_SwitchedOff_DoesNothing()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(options => options.Enabled = false), "a");

        await world.StartAsync();
        await world.PassAsync(100);

        world.Probe.Count.Should().Be(0);
        world.Time.ArmedTimers.Should().Be(0);
    }

    /// <summary>R7, R51, R75: create, start, stop: nobody flips a state by hand.</summary>
    [Fact]
    public async Task Stop_EndsProbingAndLeavesNoTimer()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        await world.PassAsync(1);

        await world.Checker.StopAsync();
        await world.PassAsync(100);

        world.Probe.Count.Should().Be(4);
        world.Time.ArmedTimers.Should().Be(0);
    }

    /// <summary>R149: stopping waits until no probe is under way, and what is stopped is no result (S20, point 18 of what the peers get
    /// wrong).</summary>
    [Fact]
    public async Task Stop_ProbeUnderWay_WaitsAndDropsItsResult()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            await release.Task;
            return new ProbeResult(false, "down");
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var stopping = world.Checker.StopAsync();
        stopping.IsCompleted.Should().BeFalse();
        release.SetResult();
        await stopping;

        world.Probe.Running.Should().Be(0);
        world["a"].LastProbe.Should().BeNull();
        world["a"].ConsecutiveProbeFailures.Should().Be(0);
    }

    /// <summary>R131: a probe that looks at its token ends at once.</summary>
    [Fact]
    public async Task Stop_CancelsTheProbesUnderWay()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Script = async (_, token) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            throw new InvalidOperationException("never here");
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(2);

        await world.Checker.StopAsync();

        world["a"].LastProbe.Should().BeNull("a cancelled probe is no result (S20)");
        world["b"].LastProbe.Should().BeNull();
        world.Logs.Entries.Should().ContainSingle("it has begun, and nothing more").Which.EventId.Id.Should().Be(213);
    }

    /// <summary>What waits for a worker when probing stops does not begin.</summary>
    [Fact]
    public async Task Stop_ProbesWaitForAWorker_DoNotBegin()
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options => options.MaxConcurrency = 1),
            "a",
            "b",
            "c"
        );
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            await release.Task;
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var stopping = world.Checker.StopAsync();
        release.SetResult();
        await stopping;

        world.Probe.Count.Should().Be(1);
    }

    [Fact]
    public async Task Start_AfterStop_BeginsAFirstRoundAgain()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        await world.PassAsync(1);
        await world.Checker.StopAsync();
        await world.PassAsync(10);

        await world.StartAsync();
        await world.PassAsync(1);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 11, 12);
        world.Probe.TimesOf("b").Should().Equal(0, 1, 11, 12);
    }

    /// <summary>Law 13: one probe per backend at a time, also across a restart that does not wait for the stop.</summary>
    [Fact]
    public async Task Start_WhileStopWaits_BeginsWhenTheOldProbesHaveEnded()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            await release.Task;
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var stopping = world.Checker.StopAsync();
        world.Checker.Start();
        world.Time.Advance(Second);
        for (var i = 0; i < 20; i++)
        {
            // Room for a worker that must not be there to begin a second probe.
            await Task.Run(() => { });
        }

        world.Probe.Count.Should().Be(1);
        release.SetResult();
        await stopping;
        await world.Probe.WhenBegunAsync(2);
        await world.Checker.WhenIdleAsync();

        world.Probe.MostAtOnceOfOne.Should().Be(1);
        world["a"].LastProbe.Should().NotBeNull();
    }

    [Fact]
    public async Task StartAsync_WhileStopWaits_EndsWithTheFirstRoundThatFollows()
    {
        await using var world = HeldUp("a");
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var stopping = world.Checker.StopAsync();
        var starting = world.Checker.StartAsync();
        var wasOver = starting.IsCompleted;
        world.Probe.Release.SetResult();
        await stopping;
        await starting.WaitAsync(Patience);

        wasOver.Should().BeFalse();
        world["a"].LastProbe!.IsSuccess.Should().BeTrue();
    }

    [Fact]
    public async Task StartAsync_BetweenTwoStops_IsCancelled()
    {
        await using var world = HeldUp("a");
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var first = world.Checker.StopAsync();
        var starting = world.Checker.StartAsync();
        var second = world.Checker.StopAsync();
        world.Probe.Release.SetResult();
        await Task.WhenAll(first, second);

        await starting.Invoking(task => task.WaitAsync(Patience)).Should().ThrowAsync<TaskCanceledException>();
    }

    [Fact]
    public async Task Stop_CallbackOnAProbesTokenBlocks_EndsAfterTheGrace()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        using var unblocked = new ManualResetEventSlim();
        var isHung = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Probe.Script = async (backend, token) =>
        {
            using var callback = token.Register(unblocked.Wait);
            isHung.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await isHung.Task.WaitAsync(Patience);

        try
        {
            var stopping = world.Checker.StopAsync();
            await UntilAsync(world, () => stopping.IsCompleted);
            await stopping;
        }
        finally
        {
            unblocked.Set();
        }
    }

    [Fact]
    public async Task Stop_CallbackOnAProbesTokenThrows_IsLoggedAndLeavesNothingUndone() // law 13
    {
        await using var world = new CheckedPool(EverySecond, "a");
        var isHung = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        world.Probe.Script = async (backend, token) =>
        {
            _ = token.Register(() => throw new InvalidOperationException("the application's own"));
            isHung.TrySetResult();
            await Task.Delay(Timeout.Infinite, token);
            return world.Probe.Answer(backend);
        };
        for (var i = 0; i < new HealthCheckOptions().UnhealthyThreshold; i++)
        {
            world.Checker.Record(world["a"], new ProbeResult(false, "elsewhere"));
        }

        var before = world["a"].ActiveVerdict;
        world.Checker.Start();
        await isHung.Task.WaitAsync(Patience);
        await world.Checker.ConfigureAsync(CheckedPool.Exact(options => options.Enabled = false), start: false);
        await world.Checker.DisposeAsync();

        before.Should().Be(ActiveVerdict.Unhealthy);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unknown, "without probes nothing would take it back");
        world.Probe.Disposals.Should().Be(1);
        world
            .Logs.Entries.Should()
            .ContainSingle(entry => entry.EventId.Id == 214)
            .Which.Exception.Should()
            .BeOfType<AggregateException>();
    }

    [Fact]
    public async Task Stop_AfterAStartThatWaits_StaysStopped()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            await release.Task;
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var first = world.Checker.StopAsync();
        world.Checker.Start();
        var second = world.Checker.StopAsync();
        release.SetResult();
        await Task.WhenAll(first, second);
        await world.PassAsync(10);

        world.Probe.Count.Should().Be(1);
    }

    /// <summary>
    /// A stop ends its run under the lock and cancels the run's token after it. A worker that put its schedule down in
    /// between armed the timer of a checker that had stopped, and the next run probed the backend by two schedules.
    /// </summary>
    [Fact]
    public async Task Stop_HeldUpBetweenItsSteps_NoScheduleGetsIntoTheNextRun()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            await release.Task;
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        var (run, idle) = world.Checker.EndRun();
        release.SetResult();
        await idle;
        world.Time.ArmedTimers.Should().Be(0, "nothing is due in a checker that has stopped");
        await world.Checker.FinishStopAsync(run, idle);
        await world.StartAsync();
        await world.PassAsync(3);

        world.Probe.TimesOf("a").Should().Equal(0, 0, 1, 2, 3);
        world.Probe.MostAtOnceOfOne.Should().Be(1);
    }

    /// <summary>
    /// A probe that does not heed its token holds neither the stop nor the application's end for ever; and while it is
    /// still under way, its backend is not probed a second time (law 13).
    /// </summary>
    [Fact]
    public async Task Stop_ProbeDoesNotHeedItsToken_IsGivenUpAndSaidSo()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            if (backend.Name == "a")
            {
                await release.Task;
            }

            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(2);
        await world.WhenProbedNowAsync("b");

        var waiting = world.Checker.CheckAsync(world["a"]);
        var stopping = world.Checker.StopAsync();
        await UntilAsync(world, () => stopping.IsCompleted);
        await stopping;
        await world.Checker.StopAsync();
        await waiting.Invoking(task => task.WaitAsync(Patience)).Should().ThrowAsync<TaskCanceledException>();
        world
            .Logs.Entries.Should()
            .ContainSingle(entry => entry.EventId.Id == 206)
            .Which.Message.Should()
            .Contain("1 probes did not end within 5 s of their cancellation and were given up: a.");

        await world.StartAsync();
        world.Probe.TimesOf("a").Should().ContainSingle("the probe that was given up is still under way");
        world["a"].LastProbe!.Detail.Should().Be("an earlier probe has not ended, though it was cancelled");
        world["b"].LastProbe!.IsSuccess.Should().BeTrue();

        release.SetResult();
        await UntilAsync(world, () => world["a"].LastProbe!.IsSuccess);
        world.Probe.MostAtOnceOfOne.Should().Be(1);
    }

    [Fact]
    public async Task StartAndStop_ByManyThreads_EndStopped()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b", "c");
        await Task.WhenAll(
            Enumerable
                .Range(0, 4)
                .Select(_ =>
                    Task.Run(async () =>
                    {
                        for (var i = 0; i < 100; i++)
                        {
                            world.Checker.Start();
                            await world.Checker.StopAsync();
                        }
                    })
                )
        );

        await world.Checker.StopAsync();
        var count = world.Probe.Count;
        await world.PassAsync(10);

        world.Probe.Count.Should().Be(count);
        world.Probe.Running.Should().Be(0);
        world.Probe.MostAtOnceOfOne.Should().BeLessThanOrEqualTo(1);
    }

    [Fact]
    public async Task Dispose_EndsProbingForGoodAndDisposesTheProbe()
    {
        var world = new CheckedPool(EverySecond, "a");
        await world.StartAsync();

        await world.Checker.DisposeAsync();
        await world.StartAsync();
        await world.PassAsync(10);

        world.Probe.Count.Should().Be(1);
        world.Probe.Disposals.Should().Be(1);
        world.Time.ArmedTimers.Should().Be(0);
        world.Pool.Dispose();
    }

    [Fact]
    public async Task Dispose_Synchronously_DoesTheSame()
    {
        var world = new CheckedPool(EverySecond, "a");
        await world.StartAsync();

#pragma warning disable CA1849 // The blocking way is the subject.
        world.Checker.Dispose();
#pragma warning restore CA1849
        await world.PassAsync(10);

        world.Probe.Count.Should().Be(1);
        world.Probe.Disposals.Should().Be(1);
        world.Pool.Dispose();
    }

    /// <summary>Law 13: probing does not outlive the pool.</summary>
    [Fact]
    public async Task Pool_Disposed_IsProbedNoMore()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();

        world.Pool.Dispose();
        await world.PassAsync(10);
        world.Probe.Count.Should().Be(2);
        await world.Checker.StopAsync();
        await world.StartAsync();

        world.Probe.Count.Should().Be(2, "a pool that has ended has nobody to probe");
    }

    [Fact]
    public async Task Member_Added_IsProbedAtOnceAndOthersKeepTheirTimes()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        await world.StartAsync();
        await world.PassAsync(0.5);

        world.Pool.Add(Pools.Definition("b"));
        await world.Checker.WhenIdleAsync();
        await world.PassAsync(1.5);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 2);
        world.Probe.TimesOf("b").Should().Equal(0.5, 1.5);
        world["b"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
    }

    [Fact]
    public async Task Member_Removed_IsProbedNoMore()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        await world.PassAsync(1);

        world.Pool.Remove("b");
        await world.PassAsync(3);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 2, 3, 4);
        world.Probe.TimesOf("b").Should().Equal(0, 1);
    }

    /// <summary>The result of a probe that was under way when its backend left is dropped.</summary>
    [Fact]
    public async Task Member_RemovedWhileProbed_ResultIsDropped()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        var removed = world["b"];
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            if (backend == removed)
            {
                await release.Task;
            }

            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(2);

        world.Pool.Remove("b");
        release.SetResult();
        await world.Checker.WhenIdleAsync();
        await world.PassAsync(2);

        removed.LastProbe.Should().BeNull();
        removed.ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
        world.Probe.TimesOf("b").Should().Equal(0);
        world.Probe.TimesOf("a").Should().Equal(0, 1, 2);
    }

    /// <summary>It has gone: whoever runs at that address now is not the pool's to ask.</summary>
    [Fact]
    public async Task Member_RemovedWhileItWaitsForAWorker_IsNotProbed()
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options => options.MaxConcurrency = 1),
            "a",
            "b",
            "c"
        );
        world.Probe.Script = async (backend, _) =>
        {
            await world.Probe.Release.Task;
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);
        var leaving = new[] { "a", "b", "c" }.First(name => world.Probe.TimesOf(name).Length == 0);

        world.Pool.Remove(leaving);
        world.Probe.Release.SetResult();
        await world.Checker.WhenIdleAsync();

        world.Probe.TimesOf(leaving).Should().BeEmpty();
        world.Probe.Count.Should().Be(2);
        world.Pool.Backends.Should().OnlyContain(backend => backend.ActiveVerdict == ActiveVerdict.Healthy);
    }

    /// <summary>The same identity elsewhere is another backend: probed at once, though the old probe is still under way.</summary>
    [Fact]
    public async Task Member_ReplacedWhileProbed_TheNewOneIsProbedAtOnce()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        var old = world["a"];
        var release = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            if (backend == old)
            {
                await release.Task;
            }

            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(1);

        world.Pool.Apply([new BackendDefinition("http://elsewhere.test") { Name = "a" }]);
        await world.Probe.WhenBegunAsync(2);
        release.SetResult();
        await world.Checker.WhenIdleAsync();

        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
        old.LastProbe.Should().BeNull();
    }

    /// <summary>R78: draining and disabled backends are probed on, so that their verdict is true when they come back.</summary>
    [Fact]
    public async Task Member_DisabledOrDraining_IsProbedOn()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        world["a"].Disable();
        world["b"].Drain();

        await world.PassAsync(2);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 2);
        world.Probe.TimesOf("b").Should().Equal(0, 1, 2);
    }

    /// <summary>Point 10 of what the peers get wrong: frequent reloads starve nothing, due times survive.</summary>
    [Fact]
    public async Task Configure_Often_DueTimesSurvive()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");
        await world.StartAsync();

        for (var i = 0; i < 25; i++)
        {
            await world.PassAsync(1);
            await world.Checker.ConfigureAsync(CheckedPool.Exact(), start: true);
            await world.Checker.WhenIdleAsync();
        }

        world.Probe.TimesOf("a").Should().Equal(0, 10, 20);
    }

    /// <summary>A new interval is none of a backoff's or of the initial delay's business, and a jitter is not cut off.</summary>
    [Fact]
    public async Task Configure_Often_BackoffJitterAndInitialDelaySurvive()
    {
        var options = CheckedPool.Exact(each => each.InitialDelay = TimeSpan.FromSeconds(30));
        options.Jitter = 0.5;
        await using var world = new CheckedPool(options, new ScriptedRandom(0.75), "a", "b");
        world.Probe.Down.Add("b");
        await world.StartAsync();

        for (var i = 0; i < 70; i++)
        {
            await world.PassAsync(1);
            await world.Checker.ConfigureAsync(options, start: true);
            await world.Checker.WhenIdleAsync();
        }

        world
            .Probe.TimesOf("a")
            .Should()
            .Equal([30, 40, 52.5, 65], "a quarter is added to each interval but the first");
        world.Probe.TimesOf("b").Should().Equal([30, 31.25, 33.75, 38.75, 48.75, 68.75], "and to each backoff");
    }

    [Fact]
    public async Task Configure_BackoffSwitchedOff_NoProbeStaysLaterThanTheInterval()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(16);
        world.Probe.TimesOf("a").Should().Equal(0, 1, 3, 7, 15);

        await world.Checker.ConfigureAsync(CheckedPool.Exact(each => each.FailureBackoff = false), start: true);
        await world.PassAsync(20);

        world.Probe.TimesOf("a").Skip(5).Should().Equal(26, 36);
    }

    /// <summary>R129.</summary>
    [Fact]
    public async Task Configure_ShorterInterval_NoProbeStaysLaterThanItAllows()
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options => options.Interval = TimeSpan.FromHours(1)),
            "a"
        );
        await world.StartAsync();
        await world.PassAsync(5);

        await world.Checker.ConfigureAsync(EverySecond, start: true);
        await world.PassAsync(2);

        world.Probe.TimesOf("a").Should().Equal(0, 6, 7);
    }

    /// <summary>Law 15: what it decides has been decided for this run; the next one begins by it.</summary>
    [Fact]
    public async Task Configure_NewInitialDelay_CountsForTheNextStart()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        await world.StartAsync();

        var options = EverySecond;
        options.InitialDelay = TimeSpan.FromSeconds(5);
        await world.Checker.ConfigureAsync(options, start: true);
        await world.PassAsync(2);
        await world.Checker.StopAsync();
        await world.StartAsync();
        await world.PassAsync(6);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 2, 7, 8);
    }

    [Fact]
    public async Task Configure_SpreadSwitchedOn_CountsForThoseThatJoin()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");
        await world.StartAsync();

        await world.Checker.ConfigureAsync(CheckedPool.Exact(options => options.Spread = true), start: true);
        world.Pool.Add(Pools.Definition("b"));
        await world.Checker.WhenIdleAsync();
        await world.PassAsync(20);

        world.Probe.TimesOf("a").Should().Equal(0, 10, 20);
        world.Probe.TimesOf("b").Should().Equal([0, 5, 15], "the draw is one half");
    }

    [Fact]
    public async Task Configure_NewThreshold_AppliesToTheNextResult()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        await world.StartAsync();
        world.Probe.Down.Add("a");

        await world.Checker.ConfigureAsync(
            CheckedPool.Exact(options =>
            {
                options.Interval = Second;
                options.UnhealthyThreshold = 1;
            }),
            start: true
        );
        await world.PassAsync(1);

        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);
    }

    /// <summary>Without probes nothing would ever take an unhealthy verdict back.</summary>
    [Fact]
    public async Task Configure_SwitchedOff_MakesVerdictsUnknown()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(2);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);

        await world.Checker.ConfigureAsync(CheckedPool.Exact(options => options.Enabled = false), start: true);
        await world.PassAsync(10);

        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
        world["a"].State.Should().Be(BackendState.Healthy);
        world.Pool.AvailableNames().Should().Equal("a", "b");
        world.Probe.TimesOf("a").Should().Equal(0, 1, 2);
        world.Time.ArmedTimers.Should().Be(0);
    }

    /// <summary>What was counted before checks were switched off says nothing about the time after.</summary>
    [Fact]
    public async Task Configure_OffAndOnAgain_CountsFromZero()
    {
        await using var world = new CheckedPool(EverySecond, "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(5);

        await world.Checker.ConfigureAsync(CheckedPool.Exact(options => options.Enabled = false), start: true);
        await world.Checker.ConfigureAsync(EverySecond, start: true);
        await world.Checker.WhenIdleAsync();

        world["a"].ConsecutiveProbeFailures.Should().Be(1);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unknown, "one failure of three");
        await world.PassAsync(2);
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy);
    }

    [Theory]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    public async Task Configure_SwitchedOn_BeginsOnlyIfToldTo(bool start, int probes)
    {
        await using var world = new CheckedPool(CheckedPool.Exact(options => options.Enabled = false), "a");
        await world.StartAsync();

        await world.Checker.ConfigureAsync(EverySecond, start);
        await world.Checker.WhenIdleAsync();

        world.Probe.Count.Should().Be(probes);
    }

    /// <summary>Law 15: an invalid one is refused whole.</summary>
    [Fact]
    public async Task Configure_Invalid_ChangesNothing()
    {
        await using var world = new CheckedPool(EverySecond, "a");
        await world.StartAsync();
        var configure = () => world.Checker.ConfigureAsync(new HealthCheckOptions { Timeout = TimeSpan.Zero }, true);

        await configure.Should().ThrowAsync<ArgumentException>().WithMessage("*Timeout is 00:00:00*");
        await world.PassAsync(1);

        world.Probe.TimesOf("a").Should().Equal(0, 1);
    }

    /// <summary>Lets time pass until something is true.</summary>
    /// <summary>A pool whose probes wait for their release.</summary>
    private static CheckedPool HeldUp(params string[] names)
    {
        var world = new CheckedPool(EverySecond, names);
        world.Probe.Script = async (backend, _) =>
        {
            await world.Probe.Release.Task;
            return world.Probe.Answer(backend);
        };
        return world;
    }

    private static async Task UntilAsync(CheckedPool world, Func<bool> isTrue)
    {
        var waited = Stopwatch.StartNew();
        while (!isTrue())
        {
            waited.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(15));
            world.Time.Advance(Second);
            await Task.Run(() => { });
        }
    }
}
