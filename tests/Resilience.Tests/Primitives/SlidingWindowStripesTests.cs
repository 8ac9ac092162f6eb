using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

/// <summary>A window in which each processor counts into a ring of its own is still one window.</summary>
public sealed class SlidingWindowStripesTests
{
    private const int Buckets = 10;
    private const int Bucket = 1_000;
    private const int Threads = 4;

    private readonly SlidingWindow _window = new(TimeSpan.FromSeconds(Buckets));

    [Fact]
    public void Add_ThreadsMeetByChance_NeedsNoStripes()
    {
        const int Each = (SlidingWindow.Busy / Threads) - 1;
        for (var bucket = 0; bucket < 500; bucket++)
        {
            var now = (long)bucket * Bucket;
            Together.Run(
                2,
                _ =>
                {
                    for (var i = 0; i < Each; i++)
                    {
                        _window.Add(now, 1, 0);
                    }
                }
            );
        }

        _window.IsStriped.Should().BeFalse("ten thousand backends that are quiet would each keep rings for nothing");
        _window.Sum(499 * Bucket).First.Should().Be(Buckets * 2 * Each);
    }

    [Fact]
    public void Add_OneThreadInABusyBucket_NeedsNoStripes()
    {
        for (var i = 0; i < 3 * SlidingWindow.Busy; i++)
        {
            _window.Add(0, 1, 0);
        }

        _window.IsStriped.Should().BeFalse();
    }

    [Fact]
    public void Add_WhatWasCountedBefore_StaysInTheSum()
    {
        _window.Add(0, 3, 1);
        _window.Stripe();

        _window.Add(0, 4, 0);
        _window.Add(Bucket, 1, 1);

        _window.IsStriped.Should().BeTrue();
        _window.Sum(Bucket).Should().Be((8UL, 2UL));
        _window.Sum(10 * Bucket).Should().Be((1UL, 1UL));
        _window.Sum(11 * Bucket).Should().Be((0UL, 0UL));
    }

    [Fact]
    public void Add_ManyTurnsOfTheRing_TheSumIsAlwaysThatOfTheLastTenBuckets()
    {
        _window.Stripe();
        for (var bucket = 0; bucket < 1_000; bucket++)
        {
            _window.Add(bucket * Bucket, 1, 0);
            _window.Add(bucket * Bucket, 1, 1);

            var expected = (ulong)Math.Min(bucket + 1, Buckets);
            _window.Sum((bucket * Bucket) + 999).Should().Be((2 * expected, expected));
        }
    }

    [Fact]
    public void Add_ThreadStalledForAWholeTurn_DoesNotLandInAYoungerBucket()
    {
        _window.Stripe();
        // On every processor that this thread may be moved to meanwhile, and in the ring that all share.
        Everywhere(() => _window.Add(10_500, 1, 0));
        _window.Add(10_500, 1, 1);
        var before = _window.Sum(10_500);

        Everywhere(() => _window.Add(500, 100, 0));
        _window.Add(500, 100, 100);

        _window.Sum(10_500).Should().Be(before);
    }

    /// <summary>Each ring may be full by itself, and the share is that of all.</summary>
    [Fact]
    public void Add_BeyondTheHighestCount_KeepsTheShareOfAllRings()
    {
        const long Now = 3 * Bucket;
        _window.Stripe();

        for (var i = 0; i < 100; i++)
        {
            _window.Add(Now, 90_000, 0);
            _window.Add(Now, 10_000, 10_000);
        }

        var (first, second) = _window.Sum(Now);
        ((double)second / first).Should().BeApproximately(0.1, 0.02, "of ten million requests one million failed");
    }

    [Fact]
    public void TryAdd_SeesWhatAllRingsHaveCounted_Law9()
    {
        _window.Stripe();
        Everywhere(() => _window.Add(0, 1, 0));
        var deposited = (int)_window.Sum(0).First;

        var granted = 0;
        while (granted <= deposited && _window.TryAdd(0, 0, 1, 0, static (_, first, second) => second < first))
        {
            granted++;
        }

        granted.Should().Be(deposited);
        _window.TakeBack(0, 0, 1);
        _window.Sum(0).Should().Be(((ulong)deposited, (ulong)deposited - 1));
    }

    [Fact]
    public void Add_ManyThreads_LosesNothing()
    {
        const int Each = 150_000;

        // The first that meet make the rings, in the middle of the counting.
        Together.Run(
            Threads,
            thread =>
            {
                for (var i = 0; i < Each; i++)
                {
                    _window.Add((i + thread) % Buckets * Bucket, 1, i % 10 == 0 ? 1u : 0);
                }
            }
        );

        _window.Sum(9_000).Should().Be(((ulong)(Threads * Each), (ulong)(Threads * Each / 10)));
    }

    /// <summary>
    /// Whoever counts second looks after it: of those who do so at once at least one sees all, so that no threshold is
    /// passed unseen (the hazard of store buffers).
    /// </summary>
    [Fact]
    public void Sum_RightAfterCountingSecond_TheLastOfAllSeesAll()
    {
        const int Rounds = 2_000;
        var windows = new SlidingWindow[Rounds];
        var most = new ulong[Rounds][];
        for (var round = 0; round < Rounds; round++)
        {
            windows[round] = new SlidingWindow(TimeSpan.FromSeconds(Buckets));
            most[round] = new ulong[PinnedTogether.Threads];
            if (round % 2 == 0)
            {
                windows[round].Stripe();
            }
        }

        var done = PinnedTogether.Run(
            Rounds,
            TimeSpan.FromSeconds(5),
            static _ => { },
            (thread, round) =>
            {
                // Sometimes on both sides of a bucket's border.
                var now = round % 3 == 0 ? thread * Bucket : 0;
                windows[round].Add(now, 1, 1);
                most[round][thread] = windows[round].Sum(now).Second;
            },
            static _ => { }
        );

        for (var round = 0; round < done; round++)
        {
            most[round].Max().Should().Be(PinnedTogether.Threads, "in round {0}", round);
        }
    }

    /// <summary>By a thread on each processor, as far as the platform tells; once each.</summary>
    private static void Everywhere(Action action) =>
        PinnedTogether.Run(1, TimeSpan.MaxValue, static _ => { }, (_, _) => action(), static _ => { });
}
