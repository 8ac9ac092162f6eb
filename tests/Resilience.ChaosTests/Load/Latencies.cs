namespace Resilience.ChaosTests.Load;

/// <summary>
/// Times in buckets that each reach two hundredths further than the one before, from a microsecond to ten minutes: exact
/// enough for a table, and as small after a million requests as after one. Thread-safe.
/// </summary>
internal sealed class Latencies
{
    private const double Step = 1.02;

    private readonly int[] _buckets = new int[BucketOf(TimeSpan.FromMinutes(10)) + 1];
    private long _longestTicks;

    public void Add(TimeSpan time)
    {
        Interlocked.Increment(ref _buckets[Math.Min(BucketOf(time), _buckets.Length - 1)]);
        long seen;
        while (time.Ticks > (seen = Volatile.Read(ref _longestTicks)))
        {
            Interlocked.CompareExchange(ref _longestTicks, time.Ticks, seen);
        }
    }

    /// <summary>The time within which that share ended, from 0 to 1; <see langword="null"/> without any.</summary>
    public TimeSpan? Percentile(double share)
    {
        var all = _buckets.Sum(count => (long)count);
        if (all == 0)
        {
            return null;
        }

        var wanted = (long)Math.Ceiling(share * all);
        var longest = TimeSpan.FromTicks(Volatile.Read(ref _longestTicks));
        for (var bucket = 0; bucket < _buckets.Length; bucket++)
        {
            wanted -= _buckets[bucket];
            if (wanted <= 0)
            {
                var end = TimeSpan.FromMicroseconds(Math.Pow(Step, bucket + 1));
                return end < longest ? end : longest;
            }
        }

        return longest;
    }

    private static int BucketOf(TimeSpan time) => (int)(Math.Log(Math.Max(1, time.TotalMicroseconds)) / Math.Log(Step));
}
