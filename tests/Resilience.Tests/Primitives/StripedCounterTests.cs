using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

public sealed class StripedCounterTests
{
    [Fact]
    public void Sum_OneThread_IsExactAndNeedsNoStripes()
    {
        var counter = new StripedCounter();

        for (var i = 0; i < 1_000; i++)
        {
            counter.Increment();
        }

        counter.Add(-1);
        counter.Sum.Should().Be(999);
        counter.IsStriped.Should().BeFalse();
    }

    [Fact]
    public void Sum_ManyThreads_IsExactAtRest()
    {
        for (var round = 0; round < 20; round++)
        {
            var counter = new StripedCounter();

            Together.Run(
                4,
                _ =>
                {
                    for (var i = 0; i < 10_000; i++)
                    {
                        counter.Increment();
                    }
                }
            );

            counter.Sum.Should().Be(40_000);
        }
    }
}
