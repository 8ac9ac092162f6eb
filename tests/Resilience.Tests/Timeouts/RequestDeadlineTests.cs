using Resilience.Timeouts;

namespace Resilience.Tests.Timeouts;

/// <summary>Law 10: no work past the deadline.</summary>
public sealed class RequestDeadlineTests
{
    private const long Now = 123_456_789;

    [Fact]
    public void Left_BeforeTheDeadline_IsWhatIsLeft()
    {
        var deadline = RequestDeadline.After(Now, TimeSpan.FromSeconds(30));

        deadline.Left(Now + TimeSpan.FromSeconds(12).Ticks).Should().Be(TimeSpan.FromSeconds(18));
        deadline.IsInfinite.Should().BeFalse();
    }

    [Fact]
    public void Left_AfterTheDeadline_IsNeverNegative()
    {
        var deadline = RequestDeadline.After(Now, TimeSpan.FromSeconds(30));

        deadline.Left(Now + TimeSpan.FromSeconds(31).Ticks).Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public void Left_NoLimit_IsTheLongestTime()
    {
        var deadline = RequestDeadline.After(Now, Timeout.InfiniteTimeSpan);

        deadline.IsInfinite.Should().BeTrue();
        deadline.Left(long.MaxValue).Should().Be(TimeSpan.MaxValue);
        deadline.Allows(TimeSpan.FromDays(1_000), Now).Should().BeTrue();
    }

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MaxValue - 1_000)]
    [InlineData(50 * TimeSpan.TicksPerDay)]
    public void Left_LimitLongerThanAnyTimerHolds_IsNoLimit(long ticks)
    {
        var deadline = RequestDeadline.After(Now, TimeSpan.FromTicks(ticks));

        deadline.IsInfinite.Should().BeTrue();
    }

    [Theory]
    [InlineData(19_990, true)]
    [InlineData(19_991, false)]
    [InlineData(20_000, false)]
    [InlineData(86_400_000, false)]
    public void Allows_Wait_OnlyIfTenMillisecondsAreLeftAfterIt(int milliseconds, bool expected)
    {
        var deadline = RequestDeadline.After(Now, TimeSpan.FromSeconds(30));

        var isAllowed = deadline.Allows(TimeSpan.FromMilliseconds(milliseconds), Now + TimeSpan.FromSeconds(10).Ticks);

        isAllowed.Should().Be(expected);
    }

    [Theory]
    [InlineData(29_990, true)]
    [InlineData(29_991, false)]
    public void Allows_NoWait_OnlyIfTenMillisecondsAreLeft(int elapsed, bool expected)
    {
        var deadline = RequestDeadline.After(Now, TimeSpan.FromSeconds(30));

        var isAllowed = deadline.Allows(TimeSpan.Zero, Now + TimeSpan.FromMilliseconds(elapsed).Ticks);

        isAllowed.Should().Be(expected);
    }
}
