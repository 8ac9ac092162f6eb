using FsCheck;
using FsCheck.Fluent;
using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>The counts over time: rotation, generations, and no opening missed (I-4, I-7, hazards 1, 4, 5).</summary>
public sealed class CircuitWindowTests
{
    private const int Bucket = 100;
    private const int Length = CircuitWindow.Buckets * Bucket;

    [Fact]
    public void Record_FewerCallsThanMakeARate_SaysNo()
    {
        var window = new CircuitWindow(Length);

        var said = Enumerable.Range(0, 10).Select(_ => window.Record(1, 0, true, 10, 0.5)).ToArray();

        said.Should().Equal([.. Enumerable.Repeat(false, 9), true]);
    }

    [Fact]
    public void Record_GoodCallMakesEnough_SaysYesToTheShareThatThereIs()
    {
        var window = new CircuitWindow(Length);
        for (var i = 0; i < 5; i++)
        {
            window.Record(1, 0, true, 10, 0.5).Should().BeFalse();
        }

        for (var i = 0; i < 4; i++)
        {
            window.Record(1, 0, false, 10, 0.5).Should().BeFalse();
        }

        window.Record(1, 0, false, 10, 0.5).Should().BeTrue();
    }

    [Fact]
    public void Record_GoodCallsLeaveTheWindow_TheFirstCallAfterItLooksAgain()
    {
        var window = new CircuitWindow(Length);
        Record(window, now: 0, isBad: false, times: 20);
        Record(window, now: Length / 2, isBad: true, times: 10).Should().BeFalse("10 of 30 are less than half");

        window.Record(1, Length, false, 10, 0.5).Should().BeTrue("10 of 11 are left");
    }

    [Fact]
    public void Record_OlderGenerationHasItsShareSettled_TheYoungerOneIsStillLookedAt()
    {
        var window = new CircuitWindow(Length);
        Record(window, now: 0, isBad: false, times: 2);
        window.Record(2, Bucket, isBad: true, 2, 0.5).Should().BeFalse("one call is not enough");

        window.Record(1, Bucket, isBad: false, 2, 0.5).Should().BeFalse("the calls of its generation were good");

        window.Record(2, Bucket, isBad: false, 2, 0.5).Should().BeTrue("one of two calls was bad");
    }

    [Fact]
    public void Record_LastBucketsBeforeTheirNumbersBeginAnew_AreCounted_H5()
    {
        var window = new CircuitWindow(Length);
        const long Last = (1 << 24) - 1;

        window.Record(1, Last * Bucket, isBad: true, 10, 0.5);

        window.Sum(1, Last * Bucket).Should().Be((1, 1));
    }

    [Fact]
    public void Record_GenerationHalfTheWayRoundLater_TakesTheCellOver_H4()
    {
        var window = new CircuitWindow(Length);
        window.Record(0, 0, isBad: true, 10, 0.5);

        window.Record(2_047, 0, isBad: false, 10, 0.5);

        window.Sum(2_047, 0).Should().Be((1, 0));
    }

    [Fact]
    public void Sum_OtherGeneration_CountsForNothing_H4()
    {
        var window = new CircuitWindow(Length);
        Record(window, 0, isBad: true, times: 5);

        window.Record(2, 0, isBad: true, 100, 0.5);
        Record(window, 0, isBad: true, times: 5);

        window.Sum(2, 0).Should().Be((1, 1), "the calls of the generation before land where nobody looks");
        window.Sum(1, 0).Should().Be((0, 0));
    }

    [Fact]
    public void Record_ThreadStalledForAWholeTurn_DropsItsCall_H5()
    {
        var window = new CircuitWindow(Length);
        window.Record(1, 2 * Length, isBad: true, 100, 0.5);

        window.Record(1, Length, isBad: true, 100, 0.5).Should().BeFalse();

        window.Sum(1, 2 * Length).Should().Be((1, 1));
    }

    [Fact]
    public void Record_CircuitIdleForHalfTheEpochs_CountsAgain_H7()
    {
        // The epoch's field is 24 bits wide: what lies more than half of that back looks as if it were still to come.
        var window = new CircuitWindow(Length);
        for (var bucket = 0; bucket < CircuitWindow.Buckets; bucket++)
        {
            window.Record(1, bucket * Bucket, isBad: true, 100, 0.5);
        }

        var later = ((1L << 23) + 1_000) * Bucket;
        Record(window, later, isBad: true, times: 10).Should().BeTrue();

        window.Sum(1, later).Should().Be((10, 10));
    }

    [Fact]
    public void Sum_BucketIsFull_HalvesAndKeepsTheShare()
    {
        var window = new CircuitWindow(Length);
        for (var i = 0; i < 40_000; i++)
        {
            window.Record(1, 0, isBad: i % 4 == 0, int.MaxValue, 1);
        }

        var (total, bad) = window.Sum(1, 0);

        total.Should().BeInRange(8_000, 16_383);
        ((double)bad / total).Should().BeApproximately(0.25, 0.01);
    }

    [Fact]
    [Trait("Category", "Property")]
    public void Record_AnyTimesAndOutcomes_SaysWhatAListOfCallsWould()
    {
        Prop.ForAll<byte[]>(steps =>
            {
                var window = new CircuitWindow(Length);
                var calls = new List<(long Bucket, bool IsBad)>();
                var now = 0L;
                var generation = 1u;
                foreach (var step in steps)
                {
                    // Often within a bucket, sometimes a few further on, now and then past the whole window.
                    now += step % 8 < 6 ? step % 3 : (step >> 4) * Bucket;
                    var isBad = (step & 8) != 0;
                    var said = window.Record(generation, now, isBad, 6, 0.4);
                    calls.Add((now / Bucket, isBad));
                    var within = calls.FindAll(call => call.Bucket > (now / Bucket) - CircuitWindow.Buckets);
                    var bad = within.Count(call => call.IsBad);
                    window.Sum(generation, now).Should().Be((within.Count, bad));
                    said.Should().Be(within.Count >= 6 && bad >= 0.4 * within.Count);
                    if (said)
                    {
                        // The circuit opens, and closes in another generation.
                        generation++;
                        calls.Clear();
                    }
                }
            })
            .Check(Properties.Config.WithMaxTest(300).WithEndSize(150));
    }

    [Fact]
    public void Record_ManyThreadsAtOnce_NobodyMissesWhatTheyHaveCountedTogether_I7_H1()
    {
        const int Threads = 4;
        const int Each = 5;
        for (var round = 0; round < 1_000; round++)
        {
            var window = new CircuitWindow(Length);
            var said = 0;

            Together.Run(
                Threads,
                number =>
                {
                    for (var i = 0; i < Each; i++)
                    {
                        // The bad calls first: a good one is the last to come, and has to look.
                        if (window.Record(1, number * Bucket, i < 3, Threads * Each, 0.6))
                        {
                            Interlocked.Increment(ref said);
                        }
                    }
                }
            );

            window.Sum(1, 0).Should().Be((Threads * Each, Threads * 3));
            said.Should().BePositive("in round {0} all calls together met both thresholds", round);
        }
    }

    private static bool Record(CircuitWindow window, long now, bool isBad, int times)
    {
        var said = false;
        for (var i = 0; i < times; i++)
        {
            said = window.Record(1, now, isBad, 10, 0.5);
        }

        return said;
    }
}
