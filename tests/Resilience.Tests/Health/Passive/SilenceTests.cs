using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Tests.Backends;
using Resilience.Tests.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Passive;

/// <summary>A backend that has stopped answering is found before its requests time out, and no other is taken for one.</summary>
public sealed class SilenceTests
{
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(10);
    private static readonly AttemptOutcome Cancelled = new(OutcomeKind.Neutral, FailureKind.Cancelled);

    [Fact]
    public void Waiting_FiveForTwoSecondsWhileAnotherAnswers_Ejects()
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 5);
        judged.Advance(2);
        judged.Answer("b", Quick);
        judged.Ejected.Should().BeEmpty();

        judged.Advance(0.25);

        judged.Ejected.Should().Equal("a");
        judged["a"].Status.Detail.Should().Be("silent: 5 requests waiting for 2 s; ejected for 5000 ms");
        judged["a"].Status.Reason.Should().Be(StateReason.Passive);
    }

    /// <summary>The figure that counts: under load it takes about three seconds, attempt timeouts ten.</summary>
    [Theory]
    [InlineData(5)]
    [InlineData(20)]
    [InlineData(200)]
    public void Waiting_UnderLoad_EjectsWithinAboutThreeSeconds(int requestsPerSecond)
    {
        using var judged = Judge("a", "b", "c");
        var time = 0.0;
        var seen = false;
        for (var i = 0; i < 4 * requestsPerSecond && !seen; i++)
        {
            Hang(judged["a"], 1);
            judged.Answer("b", Quick);
            judged.Answer("c", Quick);
            judged.Advance(1.0 / requestsPerSecond);
            time += 1.0 / requestsPerSecond;
            seen = judged.Ejected.Contains("a");
        }

        judged.Ejected.Should().Equal("a");
        time.Should().BeInRange(2, 2 + 0.5 + (5.0 / requestsPerSecond));
    }

    [Fact]
    public void Waiting_Four_AreTooFew()
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 4);

        AnswerForAWhile(judged, "b", seconds: 60);

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>They must have waited that long themselves: a burst on a backend that was idle is no silence.</summary>
    [Fact]
    public void Waiting_FiveButOneSince_IsTooShort()
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 4);
        AnswerForAWhile(judged, "b", seconds: 60);

        Hang(judged["a"], 1);
        AnswerForAWhile(judged, "b", seconds: 2);
        judged.Ejected.Should().BeEmpty();
        AnswerForAWhile(judged, "b", seconds: 0.5);

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>Where nobody answers it is the network, or work that takes long.</summary>
    [Fact]
    public void Waiting_NobodyElseAnswers_EjectsNobody()
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 20);
        Hang(judged["b"], 20);

        judged.Advance(60);

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>
    /// A client that could not run has read no answer of anybody: whose is read first afterwards shows nothing of the others.
    /// </summary>
    [Theory]
    [InlineData(1.5)]
    [InlineData(5)]
    [InlineData(60)]
    public void Waiting_ClientCouldNotRun_BeginsAnew(double seconds)
    {
        using var judged = Judge("a", "b");
        AnswerForAWhile(judged, "b", seconds: 3);
        Hang(judged["a"], 20);
        AnswerForAWhile(judged, "b", seconds: 0.75);
        judged.Time.Stall(TimeSpan.FromSeconds(seconds));
        judged.Answer("b", Quick);
        judged.Advance(0);
        judged.Ejected.Should().BeEmpty("nothing that came could be read");

        AnswerForAWhile(judged, "b", seconds: 1.75);
        judged.Ejected.Should().BeEmpty("it has to be silent for two seconds that were seen");
        AnswerForAWhile(judged, "b", seconds: 0.75);

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>Looks that are late each time, since it may be the silent one who takes the threads, hide no silence.</summary>
    [Theory]
    [InlineData(0.9)]
    [InlineData(1.5)]
    [InlineData(4)]
    public void Waiting_EveryLookIsLate_EjectsAllTheSame(double seconds)
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 5);
        for (var look = 0; look < 6 && !judged.Ejected.Any(); look++)
        {
            judged.Time.Stall(TimeSpan.FromSeconds(seconds));
            judged.Answer("b", Quick);
            judged.Advance(0);
        }

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>Quick refusals of the others are no sign that this one should have answered.</summary>
    [Fact]
    public void Waiting_OthersOnlyFail_EjectsNobody()
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 20);

        for (var i = 0; i < 20; i++)
        {
            judged.Answer("b", Quick, status: 500);
            judged.Advance(0.25);
        }

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>A single answer, be it an error, shows that the backend is not silent.</summary>
    [Theory]
    [InlineData(200)]
    [InlineData(500)]
    public void Waiting_ItAnswersSomethingNowAndThen_IsNotSilent(int status)
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 20);

        for (var i = 0; i < 20; i++)
        {
            judged.Answer("a", Quick, status);
            AnswerForAWhile(judged, "b", seconds: 1.75);
        }

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>A pool of long polls is left in peace.</summary>
    [Fact]
    public void Waiting_InAPoolOfLongPolls_IsUsual()
    {
        using var judged = Judge("a", "b");
        judged.Answer("a", TimeSpan.FromSeconds(30));
        judged.Answer("b", TimeSpan.FromSeconds(30));
        Hang(judged["a"], 20);

        for (var i = 0; i < 118; i++)
        {
            judged.Answer("b", TimeSpan.FromSeconds(30));
            judged.Advance(1);
        }

        judged.Ejected.Should().BeEmpty("four times the usual time are 120 s");
        for (var i = 0; i < 3; i++)
        {
            judged.Answer("b", TimeSpan.FromSeconds(30));
            judged.Advance(1);
        }

        judged.Ejected.Should().Equal("a");
        judged["a"].Status.Detail.Should().StartWith("silent: 20 requests waiting for 120 s");
    }

    /// <summary>Who reads a body waits no longer: a backend that serves streams is not silent.</summary>
    [Fact]
    public void Waiting_BodiesBeingRead_DoNotCount()
    {
        using var judged = Judge("a", "b");
        var leases = Hang(judged["a"], 20);
        foreach (var lease in leases)
        {
            lease.Answer(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
        }

        AnswerForAWhile(judged, "b", seconds: 60);

        judged.Ejected.Should().BeEmpty();
        judged["a"].InFlight.Should().Be(20);
        judged["a"].Passive.Waiting.Should().Be(0);
    }

    /// <summary>Law 3: those whose caller gave up wait no longer, and are nobody's evidence.</summary>
    [Fact]
    public void Waiting_CallersGiveUp_DoNotCount()
    {
        using var judged = Judge("a", "b");
        for (var i = 0; i < 30; i++)
        {
            var leases = Hang(judged["a"], 4);
            AnswerForAWhile(judged, "b", seconds: 1);
            foreach (var lease in leases)
            {
                lease.End(Cancelled);
            }
        }

        judged.Ejected.Should().BeEmpty();
        judged["a"].Passive.Waiting.Should().Be(0);
    }

    /// <summary>Law 6: the last that takes traffic stays, however silent.</summary>
    [Fact]
    public void Waiting_OnTheLastThatTakesTraffic_DoesNotEject()
    {
        using var judged = Judge("a", "b");
        var others = Enumerable.Range(0, 20).Select(_ => judged["b"].Lease()).ToArray();
        judged["b"].Drain();
        Hang(judged["a"], 20);

        foreach (var lease in others)
        {
            lease.End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
            judged.Advance(0.25);
        }

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>A backend that is drained finishes what it has, in its own time.</summary>
    [Fact]
    public void Waiting_OnABackendThatDrains_IsLeftAlone()
    {
        using var judged = Judge("a", "b", "c");
        Hang(judged["a"], 20);
        judged["a"].Drain();

        AnswerForAWhile(judged, "b", seconds: 10);

        judged["a"].PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
    }

    /// <summary>What waited when it was ejected is old evidence: the re-admitted backend gets its chance.</summary>
    [Fact]
    public void Readmission_OldOnesStillWait_NeedsFiveNewOnes()
    {
        using var judged = Judge("a", "b");
        Hang(judged["a"], 8);
        AnswerForAWhile(judged, "b", seconds: 2.5);
        judged.Ejected.Should().Equal("a");

        AnswerForAWhile(judged, "b", seconds: 60);
        judged.Ejected.Should().BeEmpty("the same eight wait, and nobody else");
        Hang(judged["a"], 4);
        AnswerForAWhile(judged, "b", seconds: 10);
        judged.Ejected.Should().BeEmpty("four new ones are too few");
        Hang(judged["a"], 1);
        AnswerForAWhile(judged, "b", seconds: 2.5);

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>The old ones end some time, and then take nobody's place among the new.</summary>
    [Fact]
    public void Readmission_OldOnesEnd_FiveNewOnesAreStillFive()
    {
        using var judged = Judge("a", "b");
        var old = Hang(judged["a"], 8);
        AnswerForAWhile(judged, "b", seconds: 2.5);
        judged.Ejected.Should().Equal("a");
        AnswerForAWhile(judged, "b", seconds: 10);
        Hang(judged["a"], 5);
        foreach (var lease in old)
        {
            lease.End(Cancelled);
        }

        AnswerForAWhile(judged, "b", seconds: 2.5);

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>Switched off means absent: nothing is counted, no timer runs.</summary>
    [Fact]
    public void Silence_SwitchedOff_CountsNothingAndArmsNoTimer()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions { Silence = false }, "a", "b");
        Hang(judged["a"], 20);

        judged.Time.ArmedTimers.Should().Be(0);
        AnswerForAWhile(judged, "b", seconds: 60);

        judged.Ejected.Should().BeEmpty();
        judged["a"].Passive.Started.Should().Be(0);
    }

    /// <summary>Law 15: what was begun before a switch is not counted after it, and no count is off for ever.</summary>
    [Fact]
    public void Silence_SwitchedOffAndOnInFlight_CountsStayTrue()
    {
        using var judged = Judge("a", "b");
        var counted = Hang(judged["a"], 3);
        var off = JudgedPool.NoRules();
        off.Silence = false;
        judged.Checker.Configure(off);
        var uncounted = Hang(judged["a"], 7);
        judged.Checker.Configure(JudgedPool.NoRules());
        foreach (var lease in counted.Concat(uncounted))
        {
            lease.End(Cancelled);
        }

        judged["a"].Passive.Waiting.Should().Be(0);
        Hang(judged["a"], 5);
        AnswerForAWhile(judged, "b", seconds: 2.5);
        judged.Ejected.Should().Equal("a");
    }

    /// <summary>R4, R34: an idle pool costs no wake-up, and traffic wakes the watch again.</summary>
    [Fact]
    public void Watch_NothingInFlight_Sleeps()
    {
        using var judged = Judge("a", "b");
        var leases = Hang(judged["a"], 3);
        judged.Time.ArmedTimers.Should().Be(1);
        judged.Advance(60);
        judged.Time.ArmedTimers.Should().Be(1, "somebody waits");
        foreach (var lease in leases)
        {
            lease.End(Cancelled);
        }

        judged.Advance(1);
        judged.Time.ArmedTimers.Should().Be(0);
        Hang(judged["a"], 5);
        AnswerForAWhile(judged, "b", seconds: 2.5);

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>
    /// A request that begins after the last look and before the watch has fallen asleep finds it awake, and arms nothing:
    /// the watch must look once more.
    /// </summary>
    [Fact]
    public void Watch_RequestBeginsWhileItFallsAsleep_StaysAwake()
    {
        var time = new FakeTime();
        var random = new CallingRandom();
        using var pool = new BackendPool(
            "catalog",
            new[] { "a", "b", "c" }.Select(name => Pools.Definition(name)),
            new RoundRobinSelector(),
            timeProvider: time,
            random: random
        );
        var options = JudgedPool.NoRules();
        options.RelativeFailureGap = 0.5;
        var checker = new PassiveHealthChecker(pool, options);
        for (var i = 0; i < 10; i++)
        {
            checker.RecordFailure(pool.Find("a")!);
            checker.RecordSuccess(pool.Find("b")!, Quick);
            checker.RecordSuccess(pool.Find("c")!, Quick);
        }

        // The ejection's draw falls between the look at who waits and the end of the tick.
        random.OnDraw = () => Hang(pool.Find("b")!, 1);
        time.Advance(TimeSpan.FromSeconds(0.25));

        pool.Find("a")!.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        pool.Find("b")!.Passive.Waiting.Should().Be(1);
        time.NextDue.Should().Be(TimeSpan.FromSeconds(0.25), "the watch is armed, not only the ejection's end");
    }

    /// <summary>Law 13: the watch does not outlive the pool.</summary>
    [Fact]
    public void Watch_PoolDisposed_IsOver()
    {
        var judged = Judge("a", "b");
        Hang(judged["a"], 5);

        judged.Pool.Dispose();

        judged.Time.ArmedTimers.Should().Be(0);
        judged.Advance(10);
    }

    /// <summary>Law 11: whoever returns a lease at once with others, each wait ends once.</summary>
    [Fact]
    public void Waits_OfSeveralThreads_AreZeroAtRest()
    {
        using var judged = Judge("a", "b");
        var backend = judged["a"];

        Together.Run(
            4,
            number =>
            {
                for (var i = 0; i < 5_000; i++)
                {
                    var lease = backend.Lease();
                    switch ((i + number) % 3)
                    {
                        case 0:
                            lease.Answer(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
                            lease.Return(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
                            break;
                        case 1:
                            lease.Report(Cancelled);
                            lease.Return();
                            break;
                        default:
                            lease.Return();
                            break;
                    }

                    lease.Return();
                }
            }
        );

        backend.Passive.Started.Should().Be(20_000);
        backend.Passive.Waiting.Should().Be(0);
    }

    /// <summary>Through the handler: the headers end the wait, the body does not prolong it, nothing leaves one behind.</summary>
    [Fact]
    public async Task Handler_EveryWayAnAttemptEnds_EndsItsWait()
    {
        using var rig = new HttpRig(backends: 2)
            .On("b1", Answers.Ok, Answers.Status(500), Answers.Break, Answers.Refuse, Answers.Hang)
            .On("b2", Answers.Ok);
        _ = new PassiveHealthChecker(rig.Pool, new PassiveHealthOptions { ConsecutiveFailures = 100 });
        var waiting = () => rig["b1"].Passive.Waiting + rig["b2"].Passive.Waiting;

        using var body = await rig.SendAsync();
        waiting().Should().Be(0);
        rig.InFlight.Should().Be(1, "the body has not been read");
        for (var i = 0; i < 3; i++)
        {
            using var response = await rig.SendAsync();
            waiting().Should().Be(0);
        }

        var hanging = rig.SendAsync();
        await HttpRig.UntilAsync(() => waiting() == 1);
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        using var late = await hanging;
        waiting().Should().Be(0);
        rig["b1"].Passive.Started.Should().Be(5);
    }

    /// <summary>A backend that hangs under the handler is out long before its requests time out.</summary>
    [Fact]
    public async Task Handler_BackendHangs_IsEjectedBeforeItsRequestsTimeOut()
    {
        using var rig = new HttpRig(backends: 2).On("b1", Answers.Hang).On("b2", Answers.Ok);
        _ = new PassiveHealthChecker(rig.Pool, new PassiveHealthOptions());
        var hanging = Enumerable.Range(0, 5).Select(_ => rig.SendAsync()).ToArray();
        await HttpRig.UntilAsync(() => rig["b1"].Passive.Waiting == 5);
        rig["b2"].Succeed();

        rig.Time.Advance(TimeSpan.FromSeconds(1));
        rig["b2"].Succeed();
        rig.Time.Advance(TimeSpan.FromSeconds(1.25));

        rig["b1"].PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        hanging.Should().NotContain(each => each.IsCompleted);
        rig.Time.Advance(TimeSpan.FromSeconds(8));
        foreach (var response in await Task.WhenAll(hanging).WaitAsync(TimeSpan.FromSeconds(15)))
        {
            response.Dispose();
        }
    }

    private sealed class CallingRandom : Random
    {
        public Action? OnDraw { get; set; }

        public override double NextDouble()
        {
            OnDraw?.Invoke();
            return 0;
        }
    }

    private static JudgedPool Judge(params string[] names) => new(JudgedPool.NoRules(), names);

    private static BackendLease[] Hang(Backend backend, int requests) =>
        [.. Enumerable.Range(0, requests).Select(_ => backend.Lease())];

    private static void AnswerForAWhile(JudgedPool judged, string name, double seconds)
    {
        for (var time = 0.0; time < seconds; time += 0.25)
        {
            judged.Answer(name, Quick);
            judged.Advance(0.25);
        }
    }
}
