using Resilience.Primitives;

namespace Resilience.Tests.Primitives;

/// <summary>Law 16: bad input gets a clear error.</summary>
public sealed class RangesTests
{
    [Theory]
    [InlineData("00:00:00.100")]
    [InlineData("12:00:00")]
    public void Problem_DurationInRange_IsNone(string value)
    {
        var problem = Ranges.Problem(TimeSpan.Parse(value), Ranges.Tenth, Ranges.HalfDay);

        problem.Should().BeNull();
    }

    [Fact]
    public void Problem_BareNumberReadAsDays_SaysWhatWouldBeRight()
    {
        var problem = Ranges.Problem(TimeSpan.Parse("10"), Ranges.Tenth, Ranges.Hour);

        problem
            .Should()
            .Be(
                "is 10.00:00:00, must be from 00:00:00.1000000 to 01:00:00; "
                    + "a bare number means days, so for 10 seconds write \"00:00:10\""
            );
    }

    [Fact]
    public void Problem_OneReadAsOneDay_IsCaughtByTheLongestDurationToo()
    {
        var problem = Ranges.Problem(TimeSpan.Parse("1"), Ranges.Tenth, Ranges.HalfDay);

        problem.Should().EndWith("a bare number means days, so for 1 seconds write \"00:00:01\"");
    }

    [Fact]
    public void Problem_DurationTooShort_GivesNoHintOfDays()
    {
        var problem = Ranges.Problem(TimeSpan.FromMilliseconds(99), Ranges.Tenth, Ranges.Hour);

        problem.Should().Be("is 00:00:00.0990000, must be from 00:00:00.1000000 to 01:00:00");
    }

    [Fact]
    public void Problem_LongButNoWholeDays_GivesNoHintOfDays()
    {
        var problem = Ranges.Problem(TimeSpan.FromHours(36), Ranges.Tenth, Ranges.Hour);

        problem.Should().Be("is 1.12:00:00, must be from 00:00:00.1000000 to 01:00:00");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Problem_NumberAtAnEndOfTheRange_IsNone(double value)
    {
        Ranges.Problem(value, 0, 1).Should().BeNull();
    }

    [Theory]
    [InlineData(9, "is 00:00:09, must not be shorter than Interval (00:00:10)")]
    [InlineData(10, null)]
    [InlineData(11, null)]
    public void NotShorter_OfTwoTimes_NamesTheOther(int seconds, string? problem)
    {
        Ranges.NotShorter(TimeSpan.FromSeconds(seconds), TimeSpan.FromSeconds(10), "Interval").Should().Be(problem);
    }

    [Fact]
    public void Below_OfASection_NamesItBeforeEach()
    {
        Ranges
            .Below("Retry", [("Budget", "is bad"), ("Delay", null)])
            .Should()
            .Equal(("Retry:Budget", "is bad"), ("Retry:Delay", null));
        Ranges.Below("Retry", null).Should().Equal(("Retry", "is null, must be a section"));
    }

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-0.001)]
    [InlineData(1.001)]
    public void Problem_NumberOutOfRange_IsNamed(double value)
    {
        var problem = Ranges.Problem(value, 0, 1);

        problem.Should().StartWith("is ").And.EndWith(", must be from 0 to 1");
    }

    [Fact]
    public void ThrowIfAny_SeveralProblems_NamesEachInOneException()
    {
        var throwing = () => Ranges.ThrowIfAny("options", [("A", "is bad"), ("B", null), ("C", "is worse")]);

        throwing.Should().Throw<ArgumentException>().WithMessage("The options cannot be used: A is bad; C is worse.");
    }

    [Fact]
    public void ThrowIfAny_NoProblem_DoesNotThrow()
    {
        var throwing = () => Ranges.ThrowIfAny("options", [("A", null)]);

        throwing.Should().NotThrow();
    }
}
