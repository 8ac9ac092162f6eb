using System.Numerics;

namespace Resilience.Primitives;

/// <summary>
/// How long things took over the last stretch of time, in buckets that widen with the time, eight to each power of two,
/// so that every quantile is within 7 % of the true one. Counting is one interlocked step; a slot of about 1 KB is made
/// when a sixth of the window has passed, so what nobody uses costs nothing. Thread-safe.
/// </summary>
/// <remarks>After HdrHistogram: log-linear buckets.</remarks>
internal sealed class LatencyHistogram
{
    private const int SlotCount = 6;
    private const int FineBits = 3;
    private const int Fine = 1 << FineBits;

    /* 18 minutes in microseconds; longer times count as that. */
    private const int MostBits = 30;
    private const uint Most = (1u << MostBits) - 1;
    private const int BucketCount = (MostBits - FineBits + 1) * Fine;

    private readonly Slot?[] _slots = new Slot?[SlotCount];
    private readonly long _slotMilliseconds;

    public LatencyHistogram(TimeSpan window)
    {
        Window = window;
        _slotMilliseconds = Math.Max(1, (long)Math.Ceiling(window.TotalMilliseconds / SlotCount));
    }

    /// <summary>How far back it looks.</summary>
    public TimeSpan Window { get; }

    public void Add(long nowMilliseconds, TimeSpan time)
    {
        var epoch = nowMilliseconds / _slotMilliseconds;
        ref var place = ref _slots[epoch % SlotCount];
        var slot = Volatile.Read(ref place);
        if (slot is null || slot.Epoch < epoch)
        {
            var fresh = new Slot(epoch);
            var seen = Interlocked.CompareExchange(ref place, fresh, slot);
            slot = ReferenceEquals(seen, slot) ? fresh : seen;
        }

        // A thread that was held up for a whole window counts nowhere: its time is none of this window's.
        if (slot!.Epoch == epoch)
        {
            Interlocked.Increment(ref slot.Counts[BucketOf(time)]);
        }
    }

    /// <summary>The times below which these shares of what is in the window lie; no times if it is empty.</summary>
    public (long Count, TimeSpan[] Times) Quantiles(long nowMilliseconds, params ReadOnlySpan<double> shares)
    {
        var counts = new long[BucketCount];
        var oldest = (nowMilliseconds / _slotMilliseconds) - SlotCount;
        foreach (ref var place in _slots.AsSpan())
        {
            if (Volatile.Read(ref place) is { } slot && slot.Epoch > oldest)
            {
                for (var bucket = 0; bucket < BucketCount; bucket++)
                {
                    counts[bucket] += Volatile.Read(ref slot.Counts[bucket]);
                }
            }
        }

        var count = counts.Sum();
        if (count == 0)
        {
            return (0, []);
        }

        var times = new TimeSpan[shares.Length];
        for (var i = 0; i < shares.Length; i++)
        {
            times[i] = TimeAt(counts, Math.Max(1, (long)Math.Ceiling(shares[i] * count)));
        }

        return (count, times);
    }

    private static TimeSpan TimeAt(long[] counts, long rank)
    {
        var bucket = 0;
        for (var passed = counts[0]; passed < rank; passed += counts[bucket])
        {
            bucket++;
        }

        return TimeSpan.FromMicroseconds(MiddleOf(bucket));
    }

    private static int BucketOf(TimeSpan time)
    {
        var microseconds = (uint)Math.Clamp(time.Ticks / TimeSpan.TicksPerMicrosecond, 0, Most);
        if (microseconds < Fine)
        {
            return (int)microseconds;
        }

        var shift = BitOperations.Log2(microseconds) - FineBits;
        return ((shift + 1) << FineBits) + (int)((microseconds >> shift) & (Fine - 1));
    }

    private static double MiddleOf(int bucket)
    {
        if (bucket < Fine)
        {
            return bucket;
        }

        var shift = (bucket >> FineBits) - 1;
        return ((Fine + (bucket & (Fine - 1)) + 0.5) * (1L << shift)) - 0.5;
    }

    private sealed class Slot(long epoch)
    {
        public readonly long Epoch = epoch;
        public readonly uint[] Counts = new uint[BucketCount];
    }
}
