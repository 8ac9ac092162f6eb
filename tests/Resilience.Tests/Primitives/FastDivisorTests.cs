using Resilience.Primitives;

namespace Resilience.Tests.Primitives;

/// <summary>The multiplication says what the division would.</summary>
public sealed class FastDivisorTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    [InlineData(10)]
    [InlineData(16)]
    [InlineData(6_000)]
    [InlineData(360_000)]
    [InlineData(uint.MaxValue)]
    public void Quotient_DividendsOfAllSizes_IsThatOfTheDivision(uint divisor)
    {
        var fast = new FastDivisor(divisor);
        var random = new Random(1);
        var below = ulong.MaxValue / divisor;

        for (var i = 0; i < 10_000; i++)
        {
            // Of every length in bits, and around multiples, where an error would show first.
            var any = ((ulong)random.NextInt64() * 2) >> random.Next(64);
            var multiple = below < divisor ? 0 : any % (below / divisor) * divisor;
            foreach (var dividend in new[] { any % below, multiple, multiple + divisor - 1, below - 1 })
            {
                if (dividend < below)
                {
                    fast.Quotient(dividend).Should().Be(dividend / divisor, "{0} / {1}", dividend, divisor);
                }
            }
        }
    }

    [Fact]
    public void Zero_IsRefused()
    {
        var make = () => new FastDivisor(0);

        make.Should().Throw<ArgumentOutOfRangeException>();
    }
}
