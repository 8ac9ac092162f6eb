using FsCheck;
using FsCheck.Fluent;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

public sealed class BackoffTests
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);

    [Theory]
    [InlineData(0, 100)]
    [InlineData(1, 200)]
    [InlineData(2, 400)]
    [InlineData(3, 800)]
    [InlineData(4, 1_000)]
    [InlineData(9, 1_000)]
    public void Exponential_Doubling_GrowsUpToTheCap_S57_R87(int step, int milliseconds)
    {
        var delay = Backoff.Exponential(TimeSpan.FromMilliseconds(100), 2, step, Second);

        delay.Should().Be(TimeSpan.FromMilliseconds(milliseconds));
    }

    [Fact]
    public void Exponential_TenfoldBeyondTheCap_IsTheCap_S51()
    {
        var cap = TimeSpan.FromMilliseconds(50);

        var delay = Backoff.Exponential(TimeSpan.FromMilliseconds(10), 10, 4, cap);

        delay.Should().Be(cap);
    }

    [Fact]
    public void Exponential_AnyArguments_LiesBetweenTheFirstAndTheCap_R87() =>
        ForAll(
            (initial, factor, step, cap) =>
                Backoff.Exponential(initial, factor, step, cap) is var delay
                && delay <= cap
                && delay >= (initial < cap ? initial : cap)
        );

    [Fact]
    public void Exponential_NextStep_IsNeverShorter_R87() =>
        ForAll(
            (initial, factor, step, cap) =>
                Backoff.Exponential(initial, factor, step + 1, cap) >= Backoff.Exponential(initial, factor, step, cap)
        );

    [Fact]
    public void Exponential_NoDelayAtAll_StaysNoneWhateverTheStep()
    {
        var delays = Enumerable.Range(0, 3_000).Select(step => Backoff.Exponential(TimeSpan.Zero, 2, step, Second));

        delays.Should().OnlyContain(delay => delay == TimeSpan.Zero);
    }

    [Theory]
    [InlineData(0.0, 1_000)]
    [InlineData(0.5, 950)]
    [InlineData(0.9999, 900)]
    public void Jittered_Tenth_TakesAwayUpToATenth_R88(double draw, int milliseconds)
    {
        var delay = Backoff.Jittered(Second, 0.1, draw);

        delay.TotalMilliseconds.Should().BeApproximately(milliseconds, 0.1);
    }

    [Fact]
    public void Jittered_AnyArguments_NeverExceedsTheDelayNorLosesMoreThanTheShare_R88() =>
        ForAllJitters(
            (delay, jitter, draw) =>
                Backoff.Jittered(delay, jitter, draw) is var jittered
                && jittered <= delay
                && jittered.Ticks >= (long)(delay.Ticks * (1 - jitter)) - 1
                && jittered >= TimeSpan.Zero
        );

    [Fact]
    public void Jittered_FullJitter_IsSpreadOverTheWholeDelayEvenAtTheCap_R118()
    {
        // Capped after the jitter, every delay here would be the cap.
        var atCap = Backoff.Exponential(Second, 2, 20, TimeSpan.FromSeconds(10));

        var delays = Enumerable.Range(0, 10).Select(i => Backoff.Jittered(atCap, 1, i / 10.0).TotalSeconds);

        delays.Select(delay => Math.Round(delay, 3)).Should().BeEquivalentTo([10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    }

    [Fact]
    public void Jittered_NoJitter_IsTheDelay() =>
        ForAllJitters((delay, _, draw) => Backoff.Jittered(delay, 0, draw) == delay);

    [Fact]
    public void Around_AnyArguments_StaysWithinTheShareOnBothSides() =>
        ForAllJitters(
            (delay, jitter, draw) =>
                Backoff.Around(delay, jitter, draw) is var moved
                && Math.Abs((moved - delay).Ticks) <= (long)(delay.Ticks * jitter) + 1
        );

    [Theory]
    [Trait("Category", "Property")]
    [InlineData(0.0, 900)]
    [InlineData(0.5, 1_000)]
    [InlineData(0.99999, 1_100)]
    public void Around_Tenth_MovesToEitherSide(double draw, int milliseconds)
    {
        var delay = Backoff.Around(Second, 0.1, draw);

        delay.TotalMilliseconds.Should().BeApproximately(milliseconds, 0.01);
    }

    private static void ForAll(Func<TimeSpan, double, int, TimeSpan, bool> property) =>
        Prop.ForAll(
                (
                    from initial in Gen.Choose(0, 3_600_000)
                    from factor in Gen.Choose(100, 1_000)
                    from step in Gen.Frequency((5, Gen.Choose(0, 100)), (1, Gen.Choose(0, 5_000)))
                    from cap in Gen.Choose(0, 3_600_000)
                    select (initial, factor, step, cap)
                ).ToArbitrary(),
                each =>
                    property(
                        TimeSpan.FromMilliseconds(each.initial),
                        each.factor / 100.0,
                        each.step,
                        TimeSpan.FromMilliseconds(each.cap)
                    )
            )
            .Check(Properties.Config.WithMaxTest(2_000));

    private static void ForAllJitters(Func<TimeSpan, double, double, bool> property) =>
        Prop.ForAll(
                Gen.Choose(0, int.MaxValue).ToArbitrary(),
                Gen.Choose(0, 100).ToArbitrary(),
                Gen.Choose(0, 9_999).ToArbitrary(),
                (ticks, jitter, draw) => property(TimeSpan.FromTicks(ticks), jitter / 100.0, draw / 10_000.0)
            )
            .Check(Properties.Config.WithMaxTest(2_000));
}
