using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Tests.Backends;

namespace Resilience.Tests.Health.Passive;

/// <summary>R69, R76: the rules fed by hand, for traffic that does not come through the handler.</summary>
public sealed class PassiveRecordingTests
{
    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(5);

    /// <summary>R132, S24.</summary>
    [Fact]
    public void RecordSuccess_AfterAFailure_EndsTheRun()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        judged.Checker.RecordFailure(judged["a"]);

        judged.Checker.RecordSuccess(judged["a"], Quick);

        judged.Checker.FiguresOf(judged["a"]).ConsecutiveFailures.Should().Be(0);
        judged.Checker.FiguresOf(judged["a"]).ConsecutiveSuccesses.Should().Be(1);
    }

    /// <summary>R132: successes in a row are counted too, up to where healthy traffic need write no more.</summary>
    [Fact]
    public void RecordSuccess_Often_CountsUpToAThousand()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        for (var i = 1; i <= 1_100; i++)
        {
            judged.Checker.RecordSuccess(judged["a"], Quick);
            judged.Checker.FiguresOf(judged["a"]).ConsecutiveSuccesses.Should().Be(Math.Min(i, 1_000));
        }

        judged.Checker.RecordFailure(judged["a"]);
        judged.Checker.FiguresOf(judged["a"]).ConsecutiveSuccesses.Should().Be(0);
        judged.Checker.FiguresOf(judged["a"]).ConsecutiveFailures.Should().Be(1);
    }

    /// <summary>S25.</summary>
    [Fact]
    public void RecordFailure_ThirdOfThree_SaysThatTheBackendIsWanting()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions { ConsecutiveFailures = 3 }, "a");

        var said = Enumerable.Range(0, 3).Select(_ => judged.Checker.RecordFailure(judged["a"])).ToArray();

        said.Should().Equal(false, false, true);
        judged.Checker.FiguresOf(judged["a"]).ConsecutiveFailures.Should().Be(3);
        judged.Ejected.Should().BeEmpty("it is the last one");
    }

    /// <summary>R72: the one that is not the last is ejected.</summary>
    [Fact]
    public void RecordFailure_OneOfSeveral_IsEjected()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions { ConsecutiveFailures = 1 }, "a", "b");

        judged.Checker.RecordFailure(judged["a"]).Should().BeTrue();

        judged.Ejected.Should().Equal("a");
    }

    /// <summary>S30: five of five is a share of one.</summary>
    [Fact]
    public void RecordFailure_FifthOfTheMinimum_SaysSo()
    {
        using var judged = new JudgedPool(
            new PassiveHealthOptions { ConsecutiveFailures = 100, MinimumRequests = 5 },
            "a"
        );

        var said = Enumerable.Range(0, 5).Select(_ => judged.Checker.RecordFailure(judged["a"])).ToArray();

        said.Should().Equal(false, false, false, false, true);
    }

    /// <summary>R120, S26.</summary>
    [Fact]
    public void Figures_AfterTheWindow_AreZero()
    {
        var options = new PassiveHealthOptions { Window = TimeSpan.FromMilliseconds(100), MinimumRequests = 5 };
        using var judged = new JudgedPool(options, "a");
        for (var i = 0; i < 5; i++)
        {
            judged.Checker.RecordFailure(judged["a"]);
        }

        judged.Checker.FiguresOf(judged["a"]).Failures.Should().Be(5);
        judged.Advance(0.15);

        judged.Checker.FiguresOf(judged["a"]).Failures.Should().Be(0);
    }

    /// <summary>S27.</summary>
    [Fact]
    public void Reset_ForgetsRunWindowAndEarlierEjections()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        judged["a"].Fail(5);
        judged.Advance(5);
        judged["a"].Fail(2);

        judged.Checker.Reset(judged["a"]);

        judged.Checker.FiguresOf(judged["a"]).Should().Be(default(PassiveFigures));
        judged["a"].Fail(5);
        judged["a"].EjectedFor.Should().Be(TimeSpan.FromSeconds(5), "the first one is forgotten");
    }

    [Fact]
    public void Reset_OfAnEjectedBackend_ReadmitsIt()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        judged["a"].Fail(5);

        judged.Checker.Reset(judged["a"]);
        judged.Time.Advance(Pools.Rest);

        judged.Pool.AvailableNames().Should().Equal("a", "b");
    }

    /// <summary>S28, S29.</summary>
    [Fact]
    public void ResetAll_ForgetsEveryBackends()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b", "c");
        judged["a"].Fail(2);
        judged["b"].Succeed();
        judged.Checker.FiguresOf(judged["a"]).ConsecutiveFailures.Should().Be(2);
        judged.Checker.FiguresOf(judged["b"]).ConsecutiveFailures.Should().Be(0);
        judged["b"].Fail();

        judged.Checker.ResetAll();

        judged.Checker.FiguresOf(judged["a"]).Should().Be(default(PassiveFigures));
        judged.Checker.FiguresOf(judged["b"]).Should().Be(default(PassiveFigures));
    }

    /// <summary>R133: the other threshold. An ejected backend that is all there is left proves itself.</summary>
    [Fact]
    public void Successes_AsManyInARowAsTheThreshold_Readmit()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions { ConsecutiveSuccesses = 3 }, "a", "b");
        judged["a"].Fail(5);

        judged["a"].Succeed();
        judged["a"].Succeed();
        judged["a"].Fail();
        judged["a"].Succeed();
        judged["a"].Succeed();
        judged.Ejected.Should().Equal("a");
        judged["a"].Succeed();

        judged.Ejected.Should().BeEmpty();
        judged["a"].State.Should().Be(BackendState.Healthy);
    }

    [Fact]
    public void Successes_ByDefault_LeaveReadmissionToTime()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        judged["a"].Fail(5);

        for (var i = 0; i < 100; i++)
        {
            judged["a"].Succeed();
        }

        judged.Ejected.Should().Equal("a");
    }

    [Fact]
    public void Record_OfAnotherPoolsBackend_IsRefused()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a");
        using var other = new JudgedPool(new PassiveHealthOptions(), "b");
        var record = () => judged.Checker.RecordFailure(other["b"]);

        record.Should().Throw<ArgumentException>().WithMessage("*'b' belongs to*");
    }
}
