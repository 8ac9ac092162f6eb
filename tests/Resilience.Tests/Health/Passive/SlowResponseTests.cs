using Resilience.Backends;
using Resilience.Health.Passive;

namespace Resilience.Tests.Health.Passive;

/// <summary>R56: response times are evidence too, where that is asked for.</summary>
public sealed class SlowResponseTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Slow = Limit + TimeSpan.FromMicroseconds(1);

    [Fact]
    public void Slow_AsLargeAShareAsTheLimit_Ejects()
    {
        using var judged = Judge();

        for (var i = 0; i < 5; i++)
        {
            judged.Answer("a", Limit);
        }

        for (var i = 0; i < 4; i++)
        {
            judged.Answer("a", Slow);
        }

        judged.Ejected.Should().BeEmpty();
        judged.Answer("a", Slow);

        judged.Ejected.Should().Equal("a");
        judged["a"]
            .Status.Detail.Should()
            .Be("5 of 10 responses took longer than 2 s within 60 s; ejected for 5000 ms");
    }

    /// <summary>An error that comes late is a slow response as well; a late nothing is none.</summary>
    [Fact]
    public void Slow_ErrorsCount_TimeoutsDoNot()
    {
        using var judged = Judge();

        for (var i = 0; i < 9; i++)
        {
            judged.Answer("a", Slow, status: 500);
        }

        var lease = judged["a"].TryAcquire(new PickContext(null, Random.Shared))!;
        lease.Duration = Slow;
        lease.Return(new AttemptOutcome(OutcomeKind.Failure, FailureKind.AttemptTimeout));
        judged.Ejected.Should().BeEmpty();
        judged.Answer("a", Slow, status: 500);

        judged.Ejected.Should().Equal("a");
    }

    [Fact]
    public void Slow_OlderThanTheWindow_DoNotCount()
    {
        using var judged = Judge();
        for (var i = 0; i < 9; i++)
        {
            judged.Answer("a", Slow);
        }

        judged.Advance(60);
        judged.Answer("a", Slow);

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>Off by default, and absent then.</summary>
    [Fact]
    public void Slow_ByDefault_IsNoEvidence()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        for (var i = 0; i < 100; i++)
        {
            judged.Answer("a", TimeSpan.FromHours(1));
        }

        judged.Ejected.Should().BeEmpty();
        judged["a"].Passive.Answers(0).Should().Be((0, 0));
    }

    /// <summary>S8: the average of what succeeded.</summary>
    [Fact]
    public void MeanResponseTime_IsTheAverageOfGoodResponses()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        judged.Answer("a", TimeSpan.FromMilliseconds(100));
        judged.Answer("a", TimeSpan.FromMilliseconds(200));
        judged.Answer("a", TimeSpan.FromSeconds(9), status: 500);

        var figures = judged.Checker.FiguresOf(judged["a"]);
        figures.MeanResponseTime.Should().Be(TimeSpan.FromMilliseconds(150));
        figures.Requests.Should().Be(3);
        figures.Failures.Should().Be(1);
        figures.FailureRate.Should().BeApproximately(1 / 3.0, 1e-9);
    }

    /// <summary>It moves: after some hundred responses the first ones hardly matter.</summary>
    [Fact]
    public void MeanResponseTime_FollowsChange()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        for (var i = 0; i < 100; i++)
        {
            judged.Answer("a", TimeSpan.FromSeconds(10));
        }

        for (var i = 0; i < 400; i++)
        {
            judged.Answer("a", TimeSpan.FromMilliseconds(10));
        }

        judged.Checker.FiguresOf(judged["a"]).MeanResponseTime.Should().BeLessThan(TimeSpan.FromMilliseconds(50));
    }

    private static JudgedPool Judge()
    {
        var options = JudgedPool.NoRules();
        options.SlowResponseTime = Limit;
        return new JudgedPool(options, "a", "b");
    }
}
