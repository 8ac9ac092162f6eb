using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Tests.Backends;

namespace Resilience.Tests.Health.Passive;

/// <summary>
/// A backend markedly worse than the rest, with an absolute gap: in pools of three, and two bad of nine, where the peers
/// see nothing (point 14 of what they get wrong).
/// </summary>
public sealed class PoolComparisonTests
{
    [Fact]
    public void Failures_OneOfThreeMuchMore_Ejects()
    {
        using var judged = Judge(3);
        Send(judged, "b0", failures: 4, requests: 10);
        Send(judged, "b1", failures: 0, requests: 10);
        Send(judged, "b2", failures: 1, requests: 10);

        judged.Advance(1);

        judged.Ejected.Should().Equal("b0");
        judged["b0"]
            .Status.Detail.Should()
            .Be(
                "4 of 10 requests failed, where 10% is usual in the pool, the last: no connection; ejected for 5000 ms"
            );
    }

    [Fact]
    public void Failures_TwoOfNineMuchMore_EjectsBoth()
    {
        using var judged = Judge(9);
        for (var i = 0; i < 9; i++)
        {
            Send(judged, $"b{i}", failures: i is 3 or 7 ? 10 : 0, requests: 20);
        }

        judged.Advance(1);

        judged.Ejected.Should().Equal("b3", "b7");
    }

    /// <summary>Law 6 decides how many, the worst go first.</summary>
    [Fact]
    public void Failures_MoreThanLawSixAllows_EjectsTheWorst()
    {
        using var judged = Judge(3, minimum: 1);
        Send(judged, "b0", failures: 4, requests: 10);
        Send(judged, "b1", failures: 0, requests: 10);
        Send(judged, "b2", failures: 0, requests: 10);
        judged.Pool.Add(Pools.Definition("b3"));
        judged.Pool.Add(Pools.Definition("b4"));
        Send(judged, "b3", failures: 6, requests: 10);
        Send(judged, "b4", failures: 0, requests: 10);
        judged.Pool.Find("b1")!.Disable();

        judged.Advance(1);

        judged.Ejected.Should().Equal("b0", "b3");
        judged.Checker.ResetAll();
        judged.Pool.Find("b2")!.Disable();
        foreach (var (name, failures) in new[] { ("b0", 4), ("b3", 6), ("b4", 0) })
        {
            Send(judged, name, failures, requests: 10);
        }

        judged.Advance(1.5);
        judged.Ejected.Should().BeEmpty("the median of three is 0.4 now, and 0.6 is no more than 0.2 above it");
    }

    /// <summary>Where all fail alike nobody is the odd one.</summary>
    [Fact]
    public void Failures_AllAlike_EjectNobody()
    {
        using var judged = Judge(5);
        for (var i = 0; i < 5; i++)
        {
            Send(judged, $"b{i}", failures: 8, requests: 10);
        }

        judged.Advance(5);

        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public void Failures_LessThanTheGapAbove_EjectNobody()
    {
        using var judged = Judge(3);
        Send(judged, "b0", failures: 29, requests: 100);
        Send(judged, "b1", failures: 0, requests: 100);
        Send(judged, "b2", failures: 0, requests: 100);

        judged.Advance(1);

        judged.Ejected.Should().BeEmpty();
    }

    [Theory]
    [InlineData(2, 100)]
    [InlineData(3, 9)]
    public void Failures_TooFewBackendsOrRequests_EjectNobody(int backends, int requests)
    {
        using var judged = Judge(backends);
        for (var i = 0; i < backends; i++)
        {
            Send(judged, $"b{i}", failures: i == 0 ? requests : 0, requests);
        }

        judged.Advance(5);

        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public void Time_OneMuchSlower_Ejects()
    {
        using var judged = Judge(3);
        Answer(judged, "b0", milliseconds: 900);
        Answer(judged, "b1", milliseconds: 100);
        Answer(judged, "b2", milliseconds: 200);

        judged.Advance(1);

        judged.Ejected.Should().Equal("b0");
        judged["b0"]
            .Status.Detail.Should()
            .Be("answers in 0.9 s on average, where 0.2 s is usual in the pool; ejected for 5000 ms");
    }

    [Theory]
    [InlineData(1, 20)] // twenty times as long, and nothing
    [InlineData(1_000, 2_900)] // two seconds more, and less than three times as long
    public void Time_WithinFactorOrGap_EjectsNobody(int usual, int odd)
    {
        using var judged = Judge(3);
        Answer(judged, "b0", odd);
        Answer(judged, "b1", usual);
        Answer(judged, "b2", usual);

        judged.Advance(5);

        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public void Rules_ByDefault_AreOff()
    {
        using var judged = new JudgedPool(
            new PassiveHealthOptions { ConsecutiveFailures = 0, FailureRate = 0 },
            "b0",
            "b1",
            "b2"
        );
        Send(judged, "b0", failures: 100, requests: 100);
        Answer(judged, "b1", milliseconds: 1);
        Answer(judged, "b2", milliseconds: 9_000);

        judged.Advance(5);

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>What is recorded by hand wakes the comparison too.</summary>
    [Fact]
    public void Recorded_ByHand_IsCompared()
    {
        using var judged = Judge(3);
        for (var i = 0; i < 10; i++)
        {
            judged.Checker.RecordFailure(judged["b0"]);
            judged.Checker.RecordSuccess(judged["b1"], TimeSpan.FromMilliseconds(1));
            judged.Checker.RecordSuccess(judged["b2"], TimeSpan.FromMilliseconds(1));
        }

        judged.Advance(1);

        judged.Ejected.Should().Equal("b0");
    }

    private static JudgedPool Judge(int backends, int minimum = 10)
    {
        var options = JudgedPool.NoRules();
        options.Silence = false;
        options.MinimumRequests = minimum;
        options.RelativeFailureGap = 0.3;
        options.RelativeTimeFactor = 3;
        return new JudgedPool(options, [.. Enumerable.Range(0, backends).Select(i => $"b{i}")]);
    }

    private static void Send(JudgedPool judged, string name, int failures, int requests)
    {
        judged[name].Fail(failures);
        for (var i = failures; i < requests; i++)
        {
            judged[name].Succeed();
        }
    }

    private static void Answer(JudgedPool judged, string name, int milliseconds)
    {
        for (var i = 0; i < 10; i++)
        {
            judged.Answer(name, TimeSpan.FromMilliseconds(milliseconds));
        }
    }
}
