using FsCheck;
using FsCheck.Fluent;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

public sealed class LatencyHistogramTests
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(60);

    [Fact]
    public void Quantiles_Empty_AreNone()
    {
        new LatencyHistogram(Window).Quantiles(0, 0.5).Should().BeEquivalentTo((0L, Array.Empty<TimeSpan>()));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(100)]
    [InlineData(999)]
    [InlineData(123_456)]
    [InlineData(30_000_000)]
    public void Quantiles_OneTime_AreWithin7Percent(int microseconds)
    {
        var histogram = new LatencyHistogram(Window);

        histogram.Add(0, TimeSpan.FromMicroseconds(microseconds));

        var (count, times) = histogram.Quantiles(0, 0.5, 1);
        count.Should().Be(1);
        times.Should().OnlyContain(time => Math.Abs(time.TotalMicroseconds - microseconds) <= microseconds * 0.07);
    }

    /// <summary>Against the sorted list, whatever the times.</summary>
    [Fact]
    [Trait("Category", "Property")]
    public void Quantiles_AnyTimes_AreThoseOfTheSortedList()
    {
        Prop.ForAll<NonEmptyArray<PositiveInt>, int>(
                (times, percent) =>
                {
                    var share = (Math.Abs(percent % 100) + 1) / 100.0;
                    var histogram = new LatencyHistogram(Window);
                    foreach (var time in times.Get)
                    {
                        histogram.Add(0, TimeSpan.FromMicroseconds(time.Get));
                    }

                    var sorted = times.Get.Select(time => time.Get).Order().ToArray();
                    var exact = sorted[(int)Math.Max(1, Math.Ceiling(share * sorted.Length)) - 1];
                    var found = histogram.Quantiles(0, share).Times[0].TotalMicroseconds;
                    return Math.Abs(found - exact) <= exact * 0.07;
                }
            )
            .Check(Properties.Config);
    }

    [Fact]
    public void Quantiles_LongerAgoThanTheWindow_AreForgottenPartByPart()
    {
        var histogram = new LatencyHistogram(Window);
        histogram.Add(0, TimeSpan.FromSeconds(9));
        histogram.Add(30_000, TimeSpan.FromSeconds(1));

        histogram.Quantiles(59_999, 1).Count.Should().Be(2);
        histogram.Quantiles(60_000, 1).Count.Should().Be(1);
        histogram.Quantiles(90_000, 1).Count.Should().Be(0);
    }

    [Fact]
    public void Add_InAPlaceThatWasUsedAWindowAgo_CountsAnew()
    {
        var histogram = new LatencyHistogram(Window);
        histogram.Add(0, TimeSpan.FromSeconds(9));

        histogram.Add(60_000, TimeSpan.FromMilliseconds(1));
        // A thread that was held up for a window.
        histogram.Add(0, TimeSpan.FromSeconds(9));

        histogram.Quantiles(60_000, 1).Count.Should().Be(1);
    }

    [Fact]
    public void Add_LongerThanItCanHold_CountsAsItsLongest()
    {
        var histogram = new LatencyHistogram(Window);

        histogram.Add(0, TimeSpan.FromHours(5));

        histogram.Quantiles(0, 1).Times[0].Should().BeCloseTo(TimeSpan.FromMinutes(17.3), TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task Add_ByManyThreads_LosesNothing()
    {
        var histogram = new LatencyHistogram(Window);

        await Task.WhenAll(
            Enumerable
                .Range(0, 4)
                .Select(_ =>
                    Task.Run(() =>
                    {
                        for (var i = 0; i < 10_000; i++)
                        {
                            histogram.Add(0, TimeSpan.FromMicroseconds(i));
                        }
                    })
                )
        );

        histogram.Quantiles(0, 0.5).Count.Should().Be(40_000);
    }
}
