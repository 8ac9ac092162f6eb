using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Primitives;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Passive;

/// <summary>R68, R71: too large a share of failures within a window ejects, only above the minimum of requests.</summary>
public sealed class FailureRateTests
{
    private static readonly TimeSpan OneSecond = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);
    private static readonly AttemptOutcome Good = new(OutcomeKind.Success, StatusCode: 200);
    private static readonly AttemptOutcome Bad = new(OutcomeKind.Failure, FailureKind.Connect);

    [Fact]
    public void Failures_HalfOfTheMinimum_Eject()
    {
        using var judged = Judge(new PassiveHealthOptions());
        var backend = judged["a"];

        for (var i = 0; i < 4; i++)
        {
            backend.Succeed();
            backend.Fail();
        }

        backend.Succeed();
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy, "nine requests are too few");
        backend.Fail();

        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        backend
            .Status.Detail.Should()
            .Be("5 of 10 requests failed within 60 s, the last: no connection; ejected for 5000 ms");
    }

    [Fact]
    public void Failures_LessThanTheShare_DoNotEject()
    {
        using var judged = Judge(new PassiveHealthOptions());

        for (var i = 0; i < 200; i++)
        {
            for (var j = 0; j < 4; j++)
            {
                judged["a"].Succeed();
            }

            judged["a"].Fail(3);
        }

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>S30 beyond its plain reading: it is a share, not a number.</summary>
    [Fact]
    public void Failures_FiveAmongAThousand_DoNotEject()
    {
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 100, MinimumRequests = 5 });

        for (var i = 0; i < 5; i++)
        {
            for (var j = 0; j < 199; j++)
            {
                judged["a"].Succeed();
            }

            judged["a"].Fail();
        }

        judged.Checker.FiguresOf(judged["a"]).Requests.Should().Be(1_000);
        judged.Checker.FiguresOf(judged["a"]).Failures.Should().Be(5);
        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public void Failures_OlderThanTheWindow_DoNotCount()
    {
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 0 });
        judged["a"].Fail(9);

        judged.Advance(60);
        judged["a"].Fail(9);

        judged.Ejected.Should().BeEmpty();
        judged["a"].Fail();
        judged.Ejected.Should().Equal("a");
    }

    /// <summary>The buckets are exact: nothing is forgotten before nine tenths of the window have passed.</summary>
    [Fact]
    public void Failures_WithinNineTenthsOfTheWindow_Count()
    {
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 0 });
        judged["a"].Fail(9);

        judged.Advance(53);
        judged["a"].Fail();

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>What led to an ejection is paid for: a re-admitted backend begins with an empty window.</summary>
    [Fact]
    public void Ejection_ClearsTheWindow()
    {
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 0 });
        var backend = judged["a"];
        var stragglers = Enumerable.Range(0, 9).Select(_ => backend.Lease()).ToArray();
        backend.Fail(10);
        judged.Ejected.Should().Equal("a");
        judged.Checker.FiguresOf(backend).Requests.Should().Be(0);
        foreach (var straggler in stragglers)
        {
            straggler.End(new AttemptOutcome(OutcomeKind.Failure, FailureKind.AttemptTimeout));
        }

        judged.Advance(5);
        backend.Fail(9);

        judged.Ejected.Should().BeEmpty("ten are needed anew, and those of before the ejection are old evidence");
        backend.Fail();
        judged.Ejected.Should().Equal("a");
    }

    /// <summary>A storm of failures of the last backend does not queue for the pool: it is asked for ten times a second.</summary>
    [Fact]
    public void Failures_RefusedAsTheLast_AreAskedForAgainAfterAWhile()
    {
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 0 });
        judged["b"].Disable();
        judged["a"].Fail(20);
        judged["b"].Enable();

        judged["a"].Fail();
        judged.Ejected.Should().BeEmpty();
        judged.Advance(0.1);
        judged["a"].Fail();

        judged.Ejected.Should().Equal("a");
    }

    [Fact]
    public void Rate_SwitchedOff_CountsAndEjectsNothing()
    {
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 0, FailureRate = 0 });

        judged["a"].Fail(100);

        judged.Ejected.Should().BeEmpty();
        judged.Checker.FiguresOf(judged["a"]).Requests.Should().Be(0);
        judged.Checker.FiguresOf(judged["a"]).ConsecutiveFailures.Should().Be(100);
    }

    /// <summary>Law 3: the caller's cancellation is no request here.</summary>
    [Fact]
    public void Neutral_IsNotCounted()
    {
        using var judged = Judge(new PassiveHealthOptions());

        judged["a"].Lease().End(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled));

        judged.Checker.FiguresOf(judged["a"]).Requests.Should().Be(0);
    }

    /// <summary>Law 15: an unchanged window keeps its counts, another length begins anew.</summary>
    [Fact]
    public void Configure_WindowChanged_BeginsANewOne()
    {
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 0 });
        judged["a"].Fail(9);

        judged.Checker.Configure(new PassiveHealthOptions { ConsecutiveFailures = 0, MinimumRequests = 100 });
        judged["a"].Fail();
        judged.Checker.FiguresOf(judged["a"]).Requests.Should().Be(10);
        judged.Checker.Configure(
            new PassiveHealthOptions { ConsecutiveFailures = 0, Window = TimeSpan.FromSeconds(10) }
        );
        judged["a"].Fail();

        judged.Checker.FiguresOf(judged["a"]).Requests.Should().Be(1);
    }

    /// <summary>No count is lost, whoever counts at once.</summary>
    [Fact]
    public void Outcomes_OfSeveralThreads_AreAllCounted()
    {
        const int Each = 20_000;
        using var judged = Judge(new PassiveHealthOptions { ConsecutiveFailures = 0, MinimumRequests = 100_000 });
        IOutcomeObserver observer = judged.Checker;
        var backend = judged["a"];

        Together.Run(
            4,
            _ =>
            {
                for (var i = 0; i < Each; i++)
                {
                    observer.OnAnswered(backend, Good, TimeSpan.FromMilliseconds(3));
                    observer.OnOutcome(backend, i % 4 == 0 ? Bad : Good);
                }
            }
        );

        var figures = judged.Checker.FiguresOf(backend);
        figures.Requests.Should().Be(4 * Each);
        figures.Failures.Should().Be(Each);
        figures.MeanResponseTime.Should().BeCloseTo(TimeSpan.FromMilliseconds(3), TimeSpan.FromTicks(100));
    }

    /// <summary>R73, R115, law 11: no request allocates, whatever the rules.</summary>
    [Fact]
    public void Outcomes_WithEveryRule_AllocateNothing()
    {
        using var judged = Judge(
            new PassiveHealthOptions
            {
                MinimumRequests = 100_000,
                SlowResponseTime = TimeSpan.FromSeconds(1),
                RelativeFailureGap = 0.5,
                RelativeTimeFactor = 3,
            }
        );
        IOutcomeObserver observer = judged.Checker;
        var backend = judged["a"];
        Exchange();
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var i = 0; i < 1_000; i++)
        {
            Exchange();
        }

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        void Exchange()
        {
            _ = observer.OnStarted(backend);
            observer.OnAnswered(backend, Good, TimeSpan.FromSeconds(2));
            backend.Passive.EndWait();
            observer.OnOutcome(backend, Bad);
            observer.OnOutcome(backend, Good);
        }
    }

    /// <summary>R115, law 11: who counts an outcome waits for nobody, not even while the pool is being changed.</summary>
    [Fact]
    public async Task Outcomes_WhileThePoolIsBeingChanged_WaitForNobody()
    {
        using var judged = Judge(new PassiveHealthOptions { MinimumRequests = 100_000, SlowResponseTime = OneSecond });
        IOutcomeObserver observer = judged.Checker;
        var backend = judged["a"];
        var isHeld = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var counted = new ManualResetEventSlim();
        var isCountedMeanwhile = false;
        var changing = Task.Run(() =>
            judged.Pool.Change(
                judged["b"],
                0,
                (_, _, _) =>
                {
                    isHeld.SetResult();
                    isCountedMeanwhile = counted.Wait(Limit);
                    return false;
                }
            )
        );
        await isHeld.Task.WaitAsync(Limit);

        await Task.Run(() =>
        {
            for (var i = 0; i < 1_000; i++)
            {
                _ = observer.OnStarted(backend);
                observer.OnAnswered(backend, Good, 2 * OneSecond);
                backend.Passive.EndWait();
                observer.OnOutcome(backend, i % 2 == 0 ? Bad : Good);
            }
        });
        counted.Set();
        await changing;

        isCountedMeanwhile.Should().BeTrue("the pool was being changed all the time");
        judged.Checker.FiguresOf(backend).Requests.Should().Be(1_000);
    }

    /// <summary>With every rule on a backend's evidence is a part of the kilobyte that it may take as a whole.</summary>
    [Fact]
    public void Evidence_WithEveryRule_TakesLessThanHalfAKilobyte()
    {
        var records = new PassiveRecord[100];
        FillOne();
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var i = 0; i < records.Length; i++)
        {
            records[i] = FillOne();
        }

        var each = (GC.GetAllocatedBytesForCurrentThread() - before) / records.Length;
        each.Should().BeInRange(100, 400);

        static PassiveRecord FillOne()
        {
            var epochs = SlidingWindow.ByBuckets(TimeSpan.FromMinutes(1));
            var record = new PassiveRecord();
            record.BeginWait();
            record.CountOutcome(0, hasFailed: true, epochs);
            record.CountAnswer(0, isSlow: true, epochs);
            record.NoteStarted(tick: 0, ticks: 10);
            return record;
        }
    }

    private static JudgedPool Judge(PassiveHealthOptions options) => new(options, "a", "b");
}
