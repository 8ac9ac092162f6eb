namespace Resilience.ChaosTests.Load;

public sealed class LatenciesTests
{
    [Theory]
    [InlineData(0.5, 500)]
    [InlineData(0.99, 990)]
    [InlineData(0.999, 999)]
    [InlineData(1, 1000)]
    public void Percentile_OfOneToAThousandMilliseconds_IsWithinTwoHundredths(double share, double milliseconds)
    {
        var latencies = new Latencies();
        for (var time = 1; time <= 1000; time++)
        {
            latencies.Add(TimeSpan.FromMilliseconds(time));
        }

        var percentile = latencies.Percentile(share);

        percentile!.Value.TotalMilliseconds.Should().BeInRange(milliseconds, milliseconds * 1.021);
    }

    [Fact]
    public void Percentile_OfNone_IsNone() => new Latencies().Percentile(0.5).Should().BeNull();

    [Fact]
    public void Percentile_OfOne_IsThatOne()
    {
        var latencies = new Latencies();

        latencies.Add(TimeSpan.FromMilliseconds(7));

        latencies.Percentile(0.999).Should().Be(TimeSpan.FromMilliseconds(7));
    }
}
