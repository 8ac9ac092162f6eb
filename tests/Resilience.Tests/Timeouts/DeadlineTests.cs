using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Timeouts;

/// <summary>The ambient deadline flows with the code that runs inside it (R98, R100).</summary>
public sealed class DeadlineTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public void Current_OutsideOfAny_IsNone() => Deadline.Current.Should().BeNull();

    [Fact]
    public async Task Current_InWhatTheCodeStarts_IsTheSame()
    {
        using var deadline = Deadline.Begin(TimeSpan.FromSeconds(2), _time);

        var seen = await Task.Run(static async () =>
        {
            await Task.Yield();
            return Deadline.Current;
        });

        seen.Should().BeSameAs(deadline);
    }

    [Fact]
    public void Left_AsTimePasses_ShrinksToZero()
    {
        using var deadline = Deadline.Begin(TimeSpan.FromSeconds(2), _time);

        _time.Advance(TimeSpan.FromSeconds(1.5));
        var left = deadline.Left;
        _time.Advance(TimeSpan.FromSeconds(9));

        left.Should().Be(TimeSpan.FromSeconds(0.5));
        deadline.Left.Should().Be(TimeSpan.Zero);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 2)]
    [InlineData(-1, 2)]
    public void Begin_InsideAnother_NeverEndsLaterThanThat(int innerSeconds, int expectedSeconds) // R100
    {
        using var outer = Deadline.Begin(TimeSpan.FromSeconds(2), _time);
        using var inner = Deadline.Begin(
            innerSeconds < 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(innerSeconds),
            _time
        );

        Deadline.Current.Should().BeSameAs(inner);
        inner.Left.Should().Be(TimeSpan.FromSeconds(expectedSeconds));
    }

    [Fact]
    public void Dispose_GivesThePlaceBackToTheOuterOne()
    {
        using var outer = Deadline.Begin(TimeSpan.FromSeconds(2), _time);
        var inner = Deadline.Begin(TimeSpan.FromSeconds(1), _time);

        inner.Dispose();
        inner.Dispose();

        Deadline.Current.Should().BeSameAs(outer);
    }

    [Fact]
    public void Left_Infinite_IsInfinite()
    {
        using var deadline = Deadline.Begin(Timeout.InfiniteTimeSpan, _time);

        deadline.Left.Should().Be(Timeout.InfiniteTimeSpan);
    }

    [Theory]
    [InlineData(-5)]
    [InlineData(50_000)]
    public void Begin_OutOfRange_IsRefused(int seconds)
    {
        var beginning = () => Deadline.Begin(TimeSpan.FromSeconds(seconds), _time);

        beginning.Should().Throw<ArgumentOutOfRangeException>();
        Deadline.Current.Should().BeNull();
    }
}
