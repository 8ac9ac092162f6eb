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
