namespace Resilience.Tests.Infrastructure;

public sealed class RandomSourceTests
{
    [Fact]
    public void ScriptedRandom_DrawsPastTheScript_RepeatsTheLast()
    {
        var random = new ScriptedRandom(0.25, 0.5);

        var draws = new[] { random.NextDouble(), random.NextDouble(), random.NextDouble() };

        draws.Should().Equal(0.25, 0.5, 0.5);
        random.Draws.Should().Be(3);
    }

    [Fact]
    public void ScriptedRandom_EveryKindOfDraw_FollowsTheScript()
    {
        var random = new ScriptedRandom(0.5);

        random.Next(10).Should().Be(5);
        random.Next(10, 20).Should().Be(15);
        random.Next(int.MinValue, int.MaxValue).Should().BeInRange(-1, 0);
        random.Next().Should().Be(int.MaxValue / 2);
        random.NextInt64(10).Should().Be(5);
        random.NextInt64(10, 20).Should().Be(15);
        random.NextInt64(long.MinValue, long.MaxValue).Should().BeInRange(-1, 1);
        random.NextSingle().Should().Be(0.5f);
        var bytes = new byte[2];
        random.NextBytes(bytes);
        bytes.Should().Equal(128, 128);
    }

    [Fact]
    public void ScriptedRandom_OfIntegersBelow_GivesThemExactly()
    {
        var random = ScriptedRandom.OfIntegersBelow(7, 0, 6, 3);

        var draws = new[] { random.Next(7), random.Next(0, 7), (int)random.NextInt64(7) };

        draws.Should().Equal(0, 6, 3);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.0)]
    public void ScriptedRandom_ValueOutOfRange_Throws(double value)
    {
        var making = () => new ScriptedRandom(value);

        making.Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void SeededRandom_EqualSeeds_GiveEqualDraws()
    {
        var (left, right) = (new SeededRandom(42), new SeededRandom(42));

        Draws(left).Should().Equal(Draws(right));
        left.Seed.Should().Be(42);

        static object[] Draws(Random random) =>
            [random.Next(), random.Next(100), random.Next(5, 50), random.NextInt64(), random.NextDouble()];
    }

    [Fact]
    public async Task SeededRandom_UsedByManyThreads_GivesTheSameNumbersAsByOne()
    {
        var shared = new SeededRandom(7);
        var alone = new SeededRandom(7);

        var drawn = await Task.WhenAll(
            Enumerable
                .Range(0, 4)
                .Select(_ => Task.Run(() => Enumerable.Range(0, 5_000).Select(_ => shared.Next()).ToArray()))
        );

        var expected = Enumerable.Range(0, 20_000).Select(_ => alone.Next()).Order();
        drawn.SelectMany(numbers => numbers).Order().Should().Equal(expected);
    }
}
