using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Tests.Backends;

namespace Resilience.Tests.Health.Passive;

/// <summary>A backend that asks to be left alone is, for as long as it asks and not for ever.</summary>
public sealed class CoolingTests
{
    [Theory]
    [InlineData(429, OutcomeKind.Neutral)]
    [InlineData(503, OutcomeKind.Failure)]
    public void RetryAfter_TakesTheBackendOutForThatTime(int status, OutcomeKind kind)
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        Ask(judged, "a", 7, status, kind);

        judged.Ejected.Should().Equal("a");
        judged["a"].EjectedFor.Should().Be(TimeSpan.FromSeconds(7));
        judged["a"].Status.Detail.Should().Be($"status {status} asked to be left alone for 7 s; ejected for 7000 ms");
        judged.Advance(7);
        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public void RetryAfter_LongerThanTheLimit_IsCutToIt()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        Ask(judged, "a", 3_600);

        judged["a"].EjectedFor.Should().Be(TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData(200, OutcomeKind.Success)]
    [InlineData(301, OutcomeKind.Success)]
    [InlineData(500, OutcomeKind.ApplicationFailure)]
    [InlineData(408, OutcomeKind.Neutral)]
    public void RetryAfter_OfAnotherStatus_IsNoEvidence(int status, OutcomeKind kind)
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        Ask(judged, "a", 7, status, kind);

        judged.Ejected.Should().BeEmpty();
    }

    /// <summary>429 is otherwise no evidence.</summary>
    [Fact]
    public void TooManyRequests_WithoutRetryAfter_AreNoEvidence()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        for (var i = 0; i < 100; i++)
        {
            judged["a"].Lease().End(new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Status, 429));
        }

        judged.Ejected.Should().BeEmpty();
        judged.Checker.FiguresOf(judged["a"]).Requests.Should().Be(0);
    }

    /// <summary>A backend that cools again and again is out for as long as it asks each time.</summary>
    [Fact]
    public void Cooling_DoesNotDouble_NorTheEjectionAfterIt()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");

        for (var i = 0; i < 5; i++)
        {
            Ask(judged, "a", 1);
            judged["a"].EjectedFor.Should().Be(TimeSpan.FromSeconds(1));
            judged.Advance(1);
        }

        judged["a"].Fail(5);

        judged["a"].EjectedFor.Should().Be(TimeSpan.FromSeconds(5));
    }

    /// <summary>Law 6 holds for cooling: the last one stays, and half of the pool.</summary>
    [Fact]
    public void Cooling_OfAll_LeavesHalf()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b", "c", "d", "e");

        foreach (var backend in judged.Pool.Backends)
        {
            Ask(judged, backend.Name, 10);
        }

        judged.Ejected.Should().Equal("a", "b");
    }

    [Fact]
    public void Cooling_AskedForLonger_IsProlonged()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        var straggler = judged["a"].Lease();
        Ask(judged, "a", 5);
        judged.Advance(2);

        straggler.End(Cool(10, 429, OutcomeKind.Neutral));

        judged["a"].EjectedFor.Should().Be(TimeSpan.FromSeconds(10));
        judged.Advance(9.9);
        judged.Ejected.Should().Equal("a");
        judged.Advance(0.1);
        judged.Ejected.Should().BeEmpty();
    }

    [Fact]
    public void Cooling_AskedForShorter_ShortensNoEjection()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions(), "a", "b");
        var straggler = judged["a"].Lease();
        judged["a"].Fail(5);

        straggler.End(Cool(1, 429, OutcomeKind.Neutral));

        judged["a"].EjectedFor.Should().Be(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public void Cooling_SwitchedOff_IsAbsent()
    {
        using var judged = new JudgedPool(new PassiveHealthOptions { MaxCoolingTime = TimeSpan.Zero }, "a", "b");

        Ask(judged, "a", 7);

        judged.Ejected.Should().BeEmpty();
    }

    private static void Ask(
        JudgedPool judged,
        string backend,
        int seconds,
        int status = 429,
        OutcomeKind kind = OutcomeKind.Neutral
    ) => judged[backend].Lease().End(Cool(seconds, status, kind));

    private static AttemptOutcome Cool(int seconds, int status, OutcomeKind kind) =>
        new(kind, FailureKind.Status, status, RetryAfter: TimeSpan.FromSeconds(seconds));
}
