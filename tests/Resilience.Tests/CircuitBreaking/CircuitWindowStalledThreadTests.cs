using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// A thread that was held up between its report and its count looks at a window that has moved on: it finds enough calls,
/// of its own past, and must not make the calls of now stop looking. Threads are calls in the order of their steps here.
/// </summary>
public sealed class CircuitWindowStalledThreadTests
{
    private const int Bucket = 100;
    private const int Throughput = 4;

    private readonly CircuitWindow _window = new(CircuitWindow.Buckets * Bucket);

    [Fact]
    public void Record_BadCallOfAnEarlierGenerationComesLate_TheCallThatMakesTheRateStillFindsIt_I7_H4()
    {
        Record(generation: 1, now: 0, isBad: true, times: Throughput).Should().BeTrue();
        Record(generation: 2, now: 2 * Bucket, isBad: true, times: 2).Should().BeFalse("two calls make no rate");

        Record(generation: 1, now: Bucket, isBad: true, times: 1);

        Record(generation: 2, now: 2 * Bucket, isBad: false, times: 2).Should().BeTrue("two of four are half");
    }

    [Fact]
    public void Record_BadCallOfAnEarlierMomentComesLate_TheCallThatMakesTheRateStillFindsIt_I7_H5()
    {
        Record(generation: 1, now: 0, isBad: false, times: Throughput);
        // The good ones have left the window of this moment, not that of the moment at which the late call was held up.
        Record(generation: 1, now: 11 * Bucket, isBad: true, times: 2).Should().BeFalse("two calls make no rate");

        Record(generation: 1, now: 9 * Bucket, isBad: true, times: 1)
            .Should()
            .BeFalse("three of seven are less than half");

        Record(generation: 1, now: 11 * Bucket, isBad: false, times: 1)
            .Should()
            .BeTrue("three of four are more than half");
    }

    /// <returns>What the last of the calls was told.</returns>
    private bool Record(uint generation, long now, bool isBad, int times)
    {
        var isReached = false;
        for (var i = 0; i < times; i++)
        {
            isReached = _window.Record(generation, now, isBad, Throughput, rate: 0.5);
        }

        return isReached;
    }
}
