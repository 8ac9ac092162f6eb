using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>When each backend is probed.</summary>
public sealed class HealthCheckerScheduleTests
{
    /// <summary>
    /// R48, with thresholds 1/1, backoff, jitter and spreading off and an initial delay of 5 s: at 5 all answer 200, at
    /// 10 one times out and is dead, at 15 a request skips it, at 20 its first 200 makes it alive, at 25 the next round.
    /// </summary>
    [Fact]
    public async Task R48_TheTimelineOfTheNote_HoldsExactly()
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options =>
            {
                options.Interval = TimeSpan.FromSeconds(5);
                options.InitialDelay = TimeSpan.FromSeconds(5);
                options.Timeout = TimeSpan.FromSeconds(2);
                options.HealthyThreshold = 1;
                options.UnhealthyThreshold = 1;
                options.FailureBackoff = false;
            }),
            "a",
            "b",
            "c"
        );
        var isHanging = false;
        world.Probe.Script = async (backend, token) =>
        {
            if (backend.Name == "b" && Volatile.Read(ref isHanging))
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, token);
            }

            return world.Probe.Answer(backend);
        };
        await world.StartAsync();
        world.Probe.Count.Should().Be(0);

        await world.PassAsync(5);
        world.Probe.Count.Should().Be(3);
        world.Pool.Backends.Should().OnlyContain(backend => backend.ActiveVerdict == ActiveVerdict.Healthy);

        Volatile.Write(ref isHanging, true);
        world.Time.Advance(TimeSpan.FromSeconds(5));
        await world.Probe.WhenBegunAsync(6);
        await world.WhenProbedNowAsync("a", "c");
        world["b"].IsAlive.Should().BeTrue("at 10 its probe is still waiting for an answer");
        world.Time.Advance(TimeSpan.FromSeconds(2));
        await world.Checker.WhenIdleAsync();
        world["b"].IsAlive.Should().BeFalse("a timeout counts exactly like any other failure (R49)");
        world["b"].LastProbe!.Detail.Should().Be("no answer within 2 s");
        world["b"].LastProbe!.Duration.Should().Be(TimeSpan.FromSeconds(2));

        world.Time.Advance(TimeSpan.FromSeconds(3));
        await world.Probe.WhenBegunAsync(9);
        await world.WhenProbedNowAsync("a", "c");
        Requests(world.Pool, 9).Should().BeEquivalentTo("a", "c");
        world.Time.Advance(TimeSpan.FromSeconds(2));
        await world.Checker.WhenIdleAsync();

        Volatile.Write(ref isHanging, false);
        await world.PassAsync(2.9);
        world["b"].IsAlive.Should().BeFalse();
        await world.PassAsync(0.1);
        world["b"].IsAlive.Should().BeTrue("at 20 its first 200 has come");
        Requests(world.Pool, 9).Should().BeEquivalentTo("a", "b", "c");

        await world.PassAsync(5);
        foreach (var name in new[] { "a", "b", "c" })
        {
            world.Probe.TimesOf(name).Should().Equal(5, 10, 15, 20, 25);
        }
    }

    /// <summary>R19, R20, R21, R23, R179, C-7: 1, 2, 4, 8, then every 16 s; a success ends it.</summary>
    [Fact]
    public async Task Failing_Backend_IsProbedAfter1And2And4And8And16And16()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();

        await world.PassAsync(63);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 3, 7, 15, 31, 47, 63);
        world.Probe.TimesOf("b").Should().Equal(0, 10, 20, 30, 40, 50, 60);
        world["a"].ConsecutiveProbeFailures.Should().Be(8);

        world.Probe.Down.Clear();
        await world.PassAsync(16 + 1 + 10);
        world
            .Probe.TimesOf("a")
            .Skip(8)
            .Should()
            .Equal([79, 80, 90], "while successes are not yet enough it is probed after a second (S3)");
        world["a"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
    }

    /// <summary>The time of a backoff counts from the end of the probe that failed, so that timeouts are no storm.</summary>
    [Fact]
    public async Task Failing_ByTimeout_BacksOffFromTheProbesEnd()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");
        world.Probe.Script = async (_, token) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, token);
            throw new InvalidOperationException("never here");
        };
        world.Checker.Start();
        for (var probes = 1; probes <= 4; probes++)
        {
            await world.Probe.WhenBegunAsync(probes);
            world.Time.Advance(TimeSpan.FromSeconds(3));
            await world.Checker.WhenIdleAsync();
            if (probes < 4)
            {
                world.Time.Advance(world.Time.NextDue!.Value);
            }
        }

        world.Probe.TimesOf("a").Should().Equal(0, 3 + 1, 7 + 2, 12 + 4);
    }

    [Fact]
    public async Task Failing_BackoffOff_IsProbedEveryInterval()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(options => options.FailureBackoff = false), "a", "b");
        world.Probe.Down.Add("a");
        await world.StartAsync();

        await world.PassAsync(30);

        world.Probe.TimesOf("a").Should().Equal(0, 10, 20, 30);
    }

    /// <summary>R6: an interval runs from one probe's beginning to the next, however long the answer takes.</summary>
    [Fact]
    public async Task Healthy_SlowAnswers_DoNotStretchTheInterval()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a");
        world.Probe.Script = async (backend, token) =>
        {
            await Task.Delay(TimeSpan.FromSeconds(2), world.Time, token);
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        for (var probes = 1; probes <= 4; probes++)
        {
            await world.Probe.WhenBegunAsync(probes);
            // Its timeout and its delay.
            await world.Time.WhenTimersArmedAsync(2);
            world.Time.Advance(TimeSpan.FromSeconds(2));
            await world.Checker.WhenIdleAsync();
            world.Time.Advance(TimeSpan.FromSeconds(8));
        }

        world.Probe.TimesOf("a").Take(4).Should().Equal(0, 10, 20, 30);
    }

    /// <summary>R168, C-5: the first round runs immediately at start; it is not spread.</summary>
    [Fact]
    public async Task Start_FirstRound_ProbesEveryBackendAtOnce()
    {
        await using var world = new CheckedPool(new HealthCheckOptions(), "a", "b", "c", "d");

        await world.StartAsync();

        foreach (var backend in world.Pool.Backends)
        {
            world.Probe.TimesOf(backend.Name).Should().Equal(0);
            backend.LastProbe!.IsSuccess.Should().BeTrue();
        }
    }

    /// <summary>The second probes are spread over the interval, and later ones keep the distance.</summary>
    [Fact]
    public async Task Spread_SecondProbes_AreEvenlyOverTheInterval()
    {
        await using var world = new CheckedPool(new HealthCheckOptions { Jitter = 0 }, "a", "b", "c", "d");
        await world.StartAsync();

        await world.PassAsync(20);

        var times = world.Pool.Backends.Select(backend => world.Probe.TimesOf(backend.Name)).ToArray();
        times.Select(each => each[0]).Should().OnlyContain(first => first == 0);
        times.Select(each => each[1]).Order().Should().Equal(2.5, 5, 7.5, 10);
        times.Should().OnlyContain(each => each[2] == each[1] + 10);
    }

    /// <summary>
    /// A first round of thousands takes its time. The second one is even all the same: nobody's second probe follows at
    /// once, and no half second has more than twice the mean.
    /// </summary>
    [Fact]
    public async Task Spread_AfterAFirstRoundThatTookLong_SecondProbesAreEvenToo()
    {
        string[] names = [.. Enumerable.Range(0, 200).Select(i => $"b{i}")];
        await using var world = new CheckedPool(new HealthCheckOptions { Jitter = 0, MaxConcurrency = 1 }, names);
        var firsts = names.Length;
        world.Probe.Script = (backend, _) =>
        {
            // One after the other, each for 30 ms: 6 of the 10 s that an interval has.
            if (firsts-- > 0)
            {
                world.Time.Advance(TimeSpan.FromMilliseconds(30));
            }

            return Task.FromResult(world.Probe.Answer(backend));
        };
        await world.StartAsync();

        await world.PassAsync(20);

        var times = names.Select(world.Probe.TimesOf).ToArray();
        times.Min(each => each[1] - each[0]).Should().BeGreaterThan(0.02);
        var slots = times
            .SelectMany(each => each)
            .Where(time => time is >= 12 and < 22)
            .GroupBy(time => (int)(time * 2))
            .Select(slot => slot.Count());
        slots.Max().Should().BeLessThanOrEqualTo(20, "there are ten in half a second on average");
    }

    /// <summary>
    /// Law 13: probes begin one after the other on one thread, but one that blocks it holds up no other for longer than two
    /// ticks.
    /// </summary>
    [Fact]
    public async Task Probe_ThatBlocksItsThread_HoldsUpNoOther()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b", "c");
        using var release = new ManualResetEventSlim();
        world.Probe.Script = (backend, _) =>
        {
            if (backend.Name == "a")
            {
                release.Wait(TimeSpan.FromSeconds(15)).Should().BeTrue();
            }

            return Task.FromResult(world.Probe.Answer(backend));
        };
        try
        {
            world.Checker.Start();
            await world.Probe.WhenBegunAsync(1);

            world.Time.Advance(TimeSpan.FromMilliseconds(100));
            world.Time.Advance(TimeSpan.FromMilliseconds(100));

            await world.Probe.WhenBegunAsync(3);
        }
        finally
        {
            release.Set();
        }

        await world.Checker.WhenIdleAsync();
        world.Pool.Backends.Should().OnlyContain(backend => backend.ActiveVerdict == ActiveVerdict.Healthy);
    }

    /// <summary>
    /// Jitter moves every probe by itself, so that a slot holds as many as chance puts there: with m on average seldom more
    /// than m + 4 √m. Of two thousand backends every 5 s m is 40.
    /// </summary>
    [Fact]
    public async Task Spread_ThroughManyRounds_NoTenthOfASecondHasTwiceTheMean()
    {
        string[] names = [.. Enumerable.Range(0, 2_000).Select(i => $"b{i}")];
        var options = new HealthCheckOptions { Interval = TimeSpan.FromSeconds(5) };
        await using var world = new CheckedPool(options, new SeededRandom(5), names);
        await world.StartAsync();
        await world.PassAsync(10);

        await world.PassAsync(30);

        var slots = new int[300];
        foreach (var time in names.SelectMany(world.Probe.TimesOf).Where(time => time is >= 10 and < 40))
        {
            // In whole milliseconds: the probes of one tick all lie on one side of a slot's border.
            slots[((int)Math.Round(time * 1_000) - 10_000) / 100]++;
        }

        slots.Average().Should().BeApproximately(40, 1);
        slots.Max().Should().BeLessThan(80);
    }

    /// <summary>A timer that is set for an earlier moment is left alone, and the probe that is due after it still comes.</summary>
    [Fact]
    public async Task Timer_SetForAnotherBackend_DelaysNobody()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b");
        await world.StartAsync();
        await world.PassAsync(4);

        await world.Checker.CheckAsync(world["b"]).WaitAsync(TimeSpan.FromSeconds(15));
        await world.PassAsync(20);

        world.Probe.TimesOf("a").Should().Equal(0, 10, 20);
        world.Probe.TimesOf("b").Should().Equal(0, 4, 14, 24);
    }

    [Fact]
    public async Task Spread_OneBackend_IsPlacedAtRandom()
    {
        await using var world = new CheckedPool(new HealthCheckOptions { Jitter = 0 }, new ScriptedRandom(0.3), "a");
        await world.StartAsync();

        await world.PassAsync(13);

        world.Probe.TimesOf("a").Should().Equal(0, 3, 13);
    }

    /// <summary>A draw near zero made the second probe due together with the first.</summary>
    [Fact]
    public async Task Spread_OneBackendAndADrawOfZero_IsNotProbedTwiceAtOnce()
    {
        await using var world = new CheckedPool(new HealthCheckOptions { Jitter = 0 }, new ScriptedRandom(0), "a");
        await world.StartAsync();

        await world.PassAsync(11);

        world.Probe.TimesOf("a").Should().Equal(0, 1, 11);
    }

    [Fact]
    public async Task Spread_Off_LeavesTheRoundsTogether()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b", "c");
        await world.StartAsync();

        await world.PassAsync(20);

        foreach (var backend in world.Pool.Backends)
        {
            world.Probe.TimesOf(backend.Name).Should().Equal(0, 10, 20);
        }
    }

    /// <summary>R170: every interval is moved by up to ± 10 %.</summary>
    [Theory]
    [InlineData(0.0, 9.0)]
    [InlineData(0.25, 9.5)]
    [InlineData(0.5, 10.0)]
    [InlineData(0.75, 10.5)]
    public async Task Jitter_MovesTheIntervalToEitherSide(double draw, double interval)
    {
        await using var world = new CheckedPool(
            new HealthCheckOptions { Spread = false, Jitter = 0.1 },
            new ScriptedRandom(draw),
            "a"
        );
        await world.StartAsync();
        await world.PassAsync(10);
        var second = world.Probe.TimesOf("a")[1];

        await world.PassAsync(20);

        world.Probe.TimesOf("a")[2].Should().BeApproximately(second + interval, 0.001);
    }

    [Fact]
    public async Task Jitter_OfABackoff_StaysAroundIt()
    {
        await using var world = new CheckedPool(
            new HealthCheckOptions { Spread = false, Jitter = 0.1 },
            new ScriptedRandom(0),
            "a"
        );
        world.Probe.Down.Add("a");
        await world.StartAsync();

        await world.PassAsync(3);

        world.Probe.TimesOf("a").Should().Equal(0, 0.9, 2.7);
    }

    /// <summary>Due times closer than the tick share one wake-up of one timer.</summary>
    [Fact]
    public async Task Timer_ManyBackends_IsOne()
    {
        await using var world = new CheckedPool(
            new HealthCheckOptions(),
            new SeededRandom(3),
            [.. Enumerable.Range(0, 200).Select(i => $"b{i}")]
        );

        await world.StartAsync();
        world.Probe.Count.Should().Be(200);
        await world.PassAsync(Pools.RebuildSpacing);

        world.Time.ArmedTimers.Should().Be(1);
    }

    /// <summary>R10, R114: all at once, so a round takes as long as the slowest of them.</summary>
    [Fact]
    public async Task Round_OfSlowProbes_TakesAsLongAsTheSlowest()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), [.. Enumerable.Range(1, 10).Select(i => $"b{i}")]);
        world.Probe.Script = async (backend, token) =>
        {
            var tenths = int.Parse(backend.Name.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture);
            await Task.Delay(TimeSpan.FromSeconds(tenths / 10.0), world.Time, token);
            return world.Probe.Answer(backend);
        };
        var round = world.Checker.StartAsync();
        // Of each probe its limit, and what it waits for; and the tick that looks whether all have begun.
        await world.Time.WhenTimersArmedAsync(21);

        world.Time.Advance(TimeSpan.FromSeconds(0.9));
        round.IsCompleted.Should().BeFalse("the slowest has not answered");
        world.Time.Advance(TimeSpan.FromSeconds(0.1));
        await round.WaitAsync(TimeSpan.FromSeconds(15));

        world.Probe.MostAtOnce.Should().Be(10);
        world["b10"].LastProbe!.Duration.Should().Be(TimeSpan.FromSeconds(1));
    }

    /// <summary>
    /// R160, R176, in the fifth of an hour: 50 backends every 5 s are 600 probes a minute, never more at once than
    /// workers, none lost and none too many.
    /// </summary>
    [Fact]
    public async Task FiftyBackends_EveryFiveSeconds_AreProbedExactlySoOften()
    {
        string[] names = [.. Enumerable.Range(0, 50).Select(i => $"b{i}")];
        await using var world = new CheckedPool(
            CheckedPool.Exact(options => options.Interval = TimeSpan.FromSeconds(5)),
            names
        );
        await world.StartAsync();

        await world.PassAsync(12 * 60);

        world.Probe.Count.Should().Be(50 + (12 * 600));
        names.Should().OnlyContain(name => world.Probe.TimesOf(name).Length == 145);
        world.Probe.MostAtOnce.Should().BeLessThanOrEqualTo(30, "50 backends × 3 s / 5 s");
        world.Probe.MostAtOnceOfOne.Should().Be(1);
        world.Checker.Statistics.Total.Should().Be(world.Probe.Count);
    }

    /// <summary>R159, R160: as many workers as set, and no more probes at once.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Workers_BoundedByTheOption_NoMoreProbesAtOnce(int most)
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options => options.MaxConcurrency = most),
            [.. Enumerable.Range(0, 20).Select(i => $"b{i}")]
        );
        var release = new SemaphoreSlim(0);
        world.Probe.Script = async (backend, token) =>
        {
            await release.WaitAsync(token);
            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        for (var begun = most; begun <= 20; begun++)
        {
            await world.Probe.WhenBegunAsync(begun);
            world.Probe.Running.Should().BeLessThanOrEqualTo(most);
            release.Release();
        }

        release.Release(most);
        await world.Checker.WhenIdleAsync();

        world.Probe.Count.Should().Be(20);
        world.Probe.MostAtOnce.Should().Be(most);
    }

    /// <summary>R160: max(10, backends × timeout / interval), up to 1,024, unless set.</summary>
    [Theory]
    [InlineData(1, 10)]
    [InlineData(33, 10)]
    [InlineData(34, 11)]
    [InlineData(1_000, 300)]
    [InlineData(10_000, 1_024)]
    public void Workers_NotSet_AreAsManyAsItTakes(int backends, int workers) =>
        new HealthRules(new HealthCheckOptions()).WorkersFor(backends).Should().Be(workers);

    /// <summary>Law 13, R158: a probe that takes longer than the interval is never doubled.</summary>
    [Fact]
    public async Task Probe_LongerThanTheInterval_IsNeverDoubled()
    {
        await using var world = new CheckedPool(
            CheckedPool.Exact(options =>
            {
                options.Interval = TimeSpan.FromSeconds(1);
                options.Timeout = TimeSpan.FromSeconds(60);
            }),
            "a",
            "b"
        );
        var hanging = world.Probe.Release;
        world.Probe.Script = async (backend, _) =>
        {
            if (backend.Name == "a")
            {
                await hanging.Task;
            }

            return world.Probe.Answer(backend);
        };
        world.Checker.Start();
        await world.Probe.WhenBegunAsync(2);
        for (var second = 1; second <= 5; second++)
        {
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await world.Probe.WhenBegunAsync(2 + second);
        }

        world.Probe.TimesOf("a").Should().Equal([0], "its first probe is still under way");
        world
            .Probe.TimesOf("b")
            .Should()
            .Equal([0, 1, 2, 3, 4, 5], "one slow backend does not hold up the others (R39)");
        world.Probe.MostAtOnceOfOne.Should().Be(1);
        hanging.SetResult();
        await world.Checker.WhenIdleAsync();
        world.Probe.TimesOf("a").Should().Equal(0, 5);
    }

    private static HashSet<string> Requests(BackendPool pool, int count)
    {
        var names = new HashSet<string>();
        for (var i = 0; i < count; i++)
        {
            var lease = pool.TryLease()!;
            names.Add(lease.Backend.Name);
            lease.End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
        }

        return names;
    }
}
