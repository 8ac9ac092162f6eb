using FsCheck;
using FsCheck.Fluent;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Selection;

public sealed class WeightedCycleTests
{
    [Theory]
    [InlineData(new[] { 1 }, new[] { 0 })]
    [InlineData(new[] { 5, 5, 5 }, new[] { 0, 1, 2 })]
    [InlineData(new[] { 1_000, 1_000 }, new[] { 0, 1 })]
    public void Create_EqualWeights_IsOneTurnEach(int[] weights, int[] expected)
    {
        WeightedCycle.Create(weights).Should().Equal(expected);
    }

    [Theory]
    [InlineData(new[] { 1, 2, 3 }, 6)]
    [InlineData(new[] { 100, 200, 300 }, 6)]
    [InlineData(new[] { 1_000, 500 }, 3)]
    [InlineData(new[] { 999, 1_000 }, 1_999)]
    public void Create_Weights_AreDividedByTheirGreatestCommonDivisor(int[] weights, int turns)
    {
        WeightedCycle.Create(weights).Should().HaveCount(turns);
    }

    [Fact]
    public void Create_AnyWeights_EachAppearsAsOftenAsItsWeightSays_S58() =>
        ForAll(weights =>
        {
            var cycle = WeightedCycle.Create(weights);
            var divisor = weights.Aggregate(Gcd);

            for (var member = 0; member < weights.Length; member++)
            {
                cycle.Count(each => each == member).Should().Be(weights[member] / divisor);
            }
        });

    [Fact]
    public void Create_HalfTheWeightOnOne_ItTakesEverySecondTurn()
    {
        int[] weights = [10, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];

        var cycle = WeightedCycle.Create(weights);

        LongestRun(cycle).Should().BeLessThanOrEqualTo(2, "in {0}", string.Join(' ', cycle));
        LongestGap(cycle, member: 0).Should().BeLessThanOrEqualTo(3, "in {0}", string.Join(' ', cycle));
    }

    [Fact]
    public void Create_OneHeavyAmongAHundredLight_IsInterleaved()
    {
        int[] weights = [100, .. Enumerable.Repeat(1, 100)];

        var cycle = WeightedCycle.Create(weights);

        LongestRun(cycle).Should().BeLessThanOrEqualTo(2);
        LongestGap(cycle, member: 0).Should().BeLessThanOrEqualTo(3);
    }

    [Fact]
    public void Create_ManyOfTwoWeights_TheTwoGroupsTakeTurnsInProportion()
    {
        int[] weights = [.. Enumerable.Repeat(3, 20), .. Enumerable.Repeat(1, 60)];

        var cycle = WeightedCycle.Create(weights);

        for (var length = 1; length <= cycle.Length; length++)
        {
            var heavy = cycle.Take(length).Count(member => member < 20);
            Math.Abs(heavy - (length / 2.0)).Should().BeLessThanOrEqualTo(1, "in the first {0} turns", length);
        }
    }

    [Fact]
    public void Create_AnyWeights_NobodyIsEverFarFromItsShare() =>
        // After any number of turns each has had its share of them, give or take one turn and half a turn for each other
        // weight that is rounded at the same time.
        ForAll(weights =>
        {
            var cycle = WeightedCycle.Create(weights);
            var total = (double)weights.Sum();
            var groups = weights.Distinct().Count();
            var had = new int[weights.Length];

            for (var turn = 0; turn < cycle.Length; turn++)
            {
                had[cycle[turn]]++;
                for (var member = 0; member < weights.Length; member++)
                {
                    var share = weights[member] / total;
                    var deviation = Math.Abs(had[member] - ((turn + 1) * share));
                    if (deviation > 1 + (share * groups))
                    {
                        throw new InvalidOperationException(
                            $"after {turn + 1} turns of [{string.Join(", ", weights)}] member {member} is {deviation} off"
                        );
                    }
                }
            }
        });

    [Fact]
    public void Create_ManyBackendsOfAwkwardWeights_IsBoundedAndNobodyIsLeftOut()
    {
        var random = new Random(1);
        var weights = Enumerable.Range(0, 10_000).Select(_ => random.Next(1, 1_001)).ToArray();

        var cycle = WeightedCycle.Create(weights);

        cycle.Length.Should().BeLessThanOrEqualTo(WeightedCycle.MaxTurns + weights.Length);
        cycle.Distinct().Should().HaveCount(weights.Length);
    }

    [Fact]
    [Trait("Category", "Property")]
    public void Create_ScaledDown_KeepsTheProportions()
    {
        // 101 · 999 + 1,000 turns are too many.
        int[] weights = [1_000, 500, .. Enumerable.Repeat(999, 100)];

        var cycle = WeightedCycle.Create(weights);

        cycle.Length.Should().BeLessThanOrEqualTo(WeightedCycle.MaxTurns + weights.Length);
        var first = cycle.Count(each => each == 0);
        var half = cycle.Count(each => each == 1);
        (first / (double)half).Should().BeApproximately(2, 0.01);
    }

    private static int LongestRun(int[] cycle)
    {
        var longest = 1;
        var run = 1;
        // Around the end as well: the cycle is repeated.
        for (var i = 1; i < 2 * cycle.Length; i++)
        {
            run = cycle[i % cycle.Length] == cycle[(i - 1) % cycle.Length] ? run + 1 : 1;
            longest = Math.Max(longest, run);
        }

        return longest;
    }

    private static int LongestGap(int[] cycle, int member)
    {
        var longest = 0;
        var last = Array.IndexOf(cycle, member);
        for (var i = last + 1; i < 2 * cycle.Length; i++)
        {
            if (cycle[i % cycle.Length] == member)
            {
                longest = Math.Max(longest, i - last);
                last = i;
            }
        }

        return longest;
    }

    private static int Gcd(int a, int b) => b == 0 ? a : Gcd(b, a % b);

    private static void ForAll(Action<int[]> property)
    {
        // Few different weights, as pools have them, and any.
        var few =
            from kinds in Gen.Choose(1, 50).ArrayOf(3)
            from choices in Gen.Choose(0, 2).NonEmptyListOf()
            select choices.Select(choice => kinds[choice]).ToArray();
        var any = from weights in Gen.Choose(1, 40).NonEmptyListOf() select weights.ToArray();
        Prop.ForAll(Gen.OneOf(few, any).ToArbitrary(), property)
            .Check(Properties.Config.WithMaxTest(300).WithEndSize(30));
    }
}
