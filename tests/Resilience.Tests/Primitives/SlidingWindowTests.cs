using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

public sealed class SlidingWindowTests
{
    private const int Buckets = 10;
    private const int Bucket = 1_000;
    private const long Epochs = 1L << 24;
    private const ulong Most = 1_048_575;

    private readonly SlidingWindow _window = new(TimeSpan.FromSeconds(10));

    [Fact]
    public void Sum_OfANewWindow_IsZero()
    {
        _window.Sum(0).Should().Be((0UL, 0UL));
    }

    [Fact]
    public void Sum_BothCounters_AreKeptApart()
    {
        _window.Add(0, 3, 0);
        _window.Add(100, 0, 5);
        _window.Add(5_000, 1, 1);

        _window.Sum(5_000).Should().Be((4UL, 6UL));
    }

    [Fact]
    public void TakeBack_OfWhatWasCounted_IsGoneFromItsBucket()
    {
        _window.Add(100, 3, 4);
        _window.Add(5_000, 1, 1);

        _window.TakeBack(200, 2, 3);

        _window.Sum(5_000).Should().Be((2UL, 2UL));
        _window.Sum(10_000).Should().Be((1UL, 1UL));
    }

    [Theory]
    [InlineData(3_500)]
    [InlineData(27_500)]
    public void TakeBack_OfTryAddInAnyBucket_IsGone(long now)
    {
        _window.TryAdd(now, 2, 3, 0, static (_, _, _) => true).Should().BeTrue();

        _window.TakeBack(now, 1, 1);

        _window.Sum(now).Should().Be((1UL, 2UL));
    }

    [Fact]
    public void Add_UpToTheHighestCount_HalvesNothing()
    {
        _window.Add(0, 500_000, 0);
        _window.Add(0, 500_000, 0);
        _window.Add(0, (uint)Most - 1_000_000, 0);

        _window.Sum(0).First.Should().Be(Most);
    }

    [Fact]
    public void Add_IntoThePlaceOfAFullOldBucket_BeginsAnew()
    {
        _window.Add(0, 500_000, 0);
        _window.Add(0, 500_000, 0);

        _window.Add(10_000, 500_000, 0);

        _window.Sum(10_000).First.Should().Be(500_000);
    }

    [Fact]
    public void TakeBack_BucketTurnedOver_ChangesNothing()
    {
        _window.Add(100, 3, 4);
        _window.Add(10_100, 1, 1);

        _window.TakeBack(100, 3, 4);

        _window.Sum(10_100).Should().Be((1UL, 1UL));
    }

    [Fact]
    public void Sum_CountLeavesTheWindow_IsGone()
    {
        _window.Add(500, 1, 0);

        _window.Sum(9_999).First.Should().Be(1, "its bucket is the oldest of ten");
        _window.Sum(10_000).First.Should().Be(0);
    }

    [Fact]
    public void Add_RingTurnsOver_TheOldCountGivesItsBucketAway()
    {
        _window.Add(500, 7, 7);

        _window.Add(10_500, 1, 2);

        _window.Sum(10_500).Should().Be((1UL, 2UL));
    }

    [Fact]
    public void Add_ManyTurnsOfTheRing_TheSumIsAlwaysThatOfTheLastTenBuckets()
    {
        for (var bucket = 0; bucket < 1_000; bucket++)
        {
            _window.Add(bucket * Bucket, 2, 1);

            var expected = (ulong)Math.Min(bucket + 1, Buckets);
            _window.Sum((bucket * Bucket) + 999).Should().Be((2 * expected, expected));
        }
    }

    [Fact]
    public void Add_ThreadStalledForAWholeTurn_DoesNotLandInAYoungerBucket()
    {
        _window.Add(10_500, 1, 1);

        _window.Add(500, 100, 100);

        _window.Sum(10_500).Should().Be((1UL, 1UL));
    }

    [Fact]
    public void Add_ThreadStalledForLessThanTheWindow_StillCounts()
    {
        _window.Add(9_500, 1, 0);

        _window.Add(500, 1, 0);

        _window.Sum(9_500).First.Should().Be(2);
    }

    [Fact]
    public void TryAdd_ThreadStalledForAWholeTurn_IsRefused()
    {
        _window.Add(10_500, 0, 1);

        var isAdded = _window.TryAdd(500, 0, 1, 0, static (_, _, _) => true);

        isAdded.Should().BeFalse();
        _window.Sum(10_500).Second.Should().Be(1);
    }

    [Fact]
    public void Add_BeyondTheHighestCount_KeepsTheShareWithoutTouchingItsNeighbours()
    {
        for (var i = 0; i < 30; i++)
        {
            _window.Add(0, 50_000, 0);
            _window.Add(0, 50_000, 10_000);
        }

        var (first, second) = _window.Sum(0);
        first.Should().BeInRange((Most / 2) + 1, Most);
        ((double)second / first).Should().BeApproximately(0.1, 0.01);
        _window.Sum(10_000).Should().Be((0UL, 0UL), "the epoch was not counted up by an overflow");
    }

    [Fact]
    public void TakeBack_OfWhatHasBeenHalved_TakesNoMoreThanIsThere()
    {
        _window.TryAdd(0, 0, 1, 0, static (_, _, _) => true);
        _window.Add(0, 500_000, 0);
        _window.Add(0, 500_000, 0);
        _window.Add(0, 100_000, 0);

        _window.TakeBack(0, 0, 1);

        _window.Sum(0).Should().Be((600_000UL, 0UL));
    }

    [Fact]
    public void TryAdd_BeyondTheHighestCount_SticksWithoutTouchingItsNeighbours()
    {
        _window.Add(0, 7, 0);

        for (var i = 0; i < 3; i++)
        {
            _window.TryAdd(0, 0, 700_000, 0, static (_, _, _) => true).Should().BeTrue();
        }

        _window.Sum(0).Should().Be((7UL, Most));
        _window.Sum(10_000).Should().Be((0UL, 0UL));
    }

    [Fact]
    public void Sum_EpochWraps_GoesOnAsBefore()
    {
        for (var epoch = Epochs - 25; epoch < Epochs + 25; epoch++)
        {
            _window.Add(epoch * Bucket, 1, 2);

            var expected = (ulong)Math.Min(epoch - (Epochs - 25) + 1, Buckets);
            _window.Sum(epoch * Bucket).Should().Be((expected, 2 * expected), "at epoch {0}", epoch);
        }
    }

    [Fact]
    public void Add_StalledThreadAcrossTheWrap_DoesNotLandInAYoungerBucket()
    {
        _window.Add((Epochs + 5) * Bucket, 1, 0);

        _window.Add((Epochs - 5) * Bucket, 100, 0);

        _window.Sum((Epochs + 5) * Bucket).First.Should().Be(1);
    }

    [Fact]
    public void TryAdd_Refused_CountsNothing()
    {
        var isAdded = _window.TryAdd(0, 1, 1, 0, static (_, _, _) => false);

        isAdded.Should().BeFalse();
        _window.Sum(0).Should().Be((0UL, 0UL));
    }

    [Fact]
    public void TryAdd_Decision_SeesTheSumsOfTheWholeWindow()
    {
        _window.Add(0, 1, 2);
        _window.Add(3_000, 10, 20);
        (ulong, ulong) seen = default;

        _window.TryAdd(
            4_000,
            0,
            1,
            this,
            (_, first, second) =>
            {
                seen = (first, second);
                return true;
            }
        );

        seen.Should().Be((11UL, 22UL));
    }

    [Fact]
    public void TryAdd_OtherThreadCountsIntoTheSameBucketMeanwhile_DecidesAgain_Law9()
    {
        var isFirst = true;

        var isAdded = _window.TryAdd(0, 0, 1, 0, IsBelowOne);

        isAdded.Should().BeFalse("the other thread took the last one");
        _window.Sum(0).Second.Should().Be(1);

        bool IsBelowOne(int _, ulong __, ulong second)
        {
            if (isFirst)
            {
                isFirst = false;
                _window.TryAdd(0, 0, 1, 0, static (_, _, second) => second < 1).Should().BeTrue();
            }

            return second < 1;
        }
    }

    [Theory]
    [InlineData(999, 1_000)]
    [InlineData(1_000, 999)]
    [InlineData(0, 9_000)]
    [InlineData(9_000, 0)]
    public void TryAdd_OtherThreadCountsIntoAnotherBucketMeanwhile_IsNotOverdrawn_Law9(long mine, long others)
    {
        // Two threads at the border of two buckets: one read the clock before it and one after.
        var isFirst = true;
        var isTaken = false;

        var isAdded = _window.TryAdd(mine, 0, 1, 0, IsBelowOne);

        (isAdded && isTaken).Should().BeFalse("there was but one");
        _window.Sum(9_000).Second.Should().Be(1);

        bool IsBelowOne(int _, ulong __, ulong second)
        {
            if (isFirst)
            {
                isFirst = false;
                isTaken = _window.TryAdd(others, 0, 1, 0, static (_, _, second) => second < 1);
            }

            return second < 1;
        }
    }

    [Fact]
    public void Add_ManyThreads_LosesNothing()
    {
        const int Threads = 4;
        const int Each = 150_000;

        Together.Run(
            Threads,
            thread =>
            {
                for (var i = 0; i < Each; i++)
                {
                    // All ten buckets, and both counters.
                    _window.Add((i + thread) % Buckets * Bucket, 1, 1);
                }
            }
        );

        _window.Sum(9_000).Should().Be(((ulong)(Threads * Each), (ulong)(Threads * Each)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void TryAdd_ManyThreads_NeverOverdrawTogether_Law9(int buckets)
    {
        const int Threads = 4;
        for (var round = 0; round < 40; round++)
        {
            var window = new SlidingWindow(TimeSpan.FromSeconds(10));
            var granted = 0;

            // In one bucket, or half of the threads on each side of a border.
            Together.Run(
                Threads,
                thread =>
                {
                    for (var i = 0; i < 20; i++)
                    {
                        if (window.TryAdd(thread % buckets * Bucket, 0, 1, 0, IsBelowTen))
                        {
                            Interlocked.Increment(ref granted);
                        }
                    }
                }
            );

            granted.Should().BeInRange(1, 10);
            window.Sum(Bucket).Second.Should().Be((ulong)granted);
        }

        // Between the look at the sums and the exchange: lets another thread in at the worst moment.
        static bool IsBelowTen(int _, ulong __, ulong second)
        {
            Thread.Yield();
            return second < 10;
        }
    }
}
