using System.Numerics;
using System.Runtime.CompilerServices;

namespace Resilience.CircuitBreaking;

/// <summary>
/// How many of a circuit's calls were bad over the last stretch of time: a ring of buckets, each one 64-bit cell, so that
/// turning a bucket over and counting into it are the same compare-and-swap.
/// <code>
/// 63..52 generation 12 | 51..28 epoch 24 | 27..14 total 14 | 13..0 bad 14
/// </code>
/// A cell belongs to one generation of the circuit: a call that was admitted before the circuit moved on counts where
/// nobody looks any more, and closing needs no clearing. One ring until two threads meet in it, then one for each
/// processor. Thread-safe.
/// </summary>
internal sealed class CircuitWindow
{
    public const int Buckets = 10;

    /* A ring takes two cache lines; a line is left free before the first. */
    private const int Stride = 16;
    private const int Lead = 8;
    private const int MostStripes = 16;

    private const int TotalShift = 14;
    private const int EpochShift = 28;
    private const int GenerationShift = 52;
    private const ulong CountMask = (1UL << TotalShift) - 1;
    private const ulong EpochMask = (1UL << 24) - 1;
    private const ulong GenerationMask = (1UL << 12) - 1;

    /* What a call adds to its cell, and the first number of calls that leaves no room for one more. */
    private const ulong One = 1UL << TotalShift;
    private const ulong OneBad = One + 1;
    private const ulong Full = CountMask << TotalShift;

    /* The doubt: its number 27 | generation 12 | epoch 24 | settled 1. */
    private const int DoubtShift = 37;
    private const int TagShift = EpochShift - 1;
    private const ulong SettledMask = (1UL << DoubtShift) - 1;

    private readonly ulong _bucketsPerMillisecond;
    private readonly ulong[] _first = new ulong[Lead + Stride];
    private ulong[]? _more;
    private ulong _doubts;
    private ulong _doubt;

    public CircuitWindow(long lengthMilliseconds)
    {
        LengthMilliseconds = lengthMilliseconds;
        _bucketsPerMillisecond = (ulong)(((UInt128)Buckets << 64) / (ulong)lengthMilliseconds) + 1;
    }

    public long LengthMilliseconds { get; }

    /// <summary>
    /// Counts a call, and says whether its generation has by now at least <paramref name="throughput"/> calls and among
    /// them at least the share <paramref name="rate"/> of bad ones.
    /// </summary>
    /// <remarks>
    /// Two threads that count at once in different cells must not both miss the other (the hazard of store buffers): each
    /// counts by an interlocked step, a full fence, and looks after it. A share rises by a bad call, or when good calls
    /// leave the window: so bad calls look, and good ones until somebody has found enough calls of their generation in
    /// their bucket's window. A bad call says before it looks that it does, so that nobody who has not seen it settles the
    /// matter meanwhile; and what a thread settles that was held up in the past, where there were enough calls, is not
    /// taken for the present.
    /// </remarks>
    public bool Record(uint generation, long now, bool isBad, int throughput, double rate)
    {
        var epoch = EpochOf(now);
        var tag = TagOf(generation, epoch);
        Count(tag, isBad);
        var settled = (tag >> TagShift) | 1;
        ulong doubt;
        if (isBad)
        {
            doubt = Interlocked.Increment(ref _doubts) << DoubtShift;
            Interlocked.Exchange(ref _doubt, doubt);
        }
        else if (((doubt = Volatile.Read(ref _doubt)) & SettledMask) == settled)
        {
            return false;
        }

        var (total, bad) = SumAt(generation, epoch);
        if (total < throughput)
        {
            return false;
        }

        // Enough calls: from now on only bad ones can raise the share. A younger doubt is another thread's to settle.
        Interlocked.CompareExchange(ref _doubt, (doubt & ~SettledMask) | settled, doubt);
        return bad >= rate * total;
    }

    /// <summary>The calls of one generation in the buckets that lie within the window.</summary>
    public (int Total, int Bad) Sum(uint generation, long now) => SumAt(generation, EpochOf(now));

    private (int Total, int Bad) SumAt(uint generation, ulong epoch)
    {
        var (total, bad) = Sum(_first, generation, epoch);
        if (Volatile.Read(ref _more) is { } more)
        {
            var (others, othersBad) = Sum(more, generation, epoch);
            total += others;
            bad += othersBad;
        }

        return (total, bad);
    }

    private static (int Total, int Bad) Sum(ulong[] cells, uint generation, ulong epoch)
    {
        var total = 0;
        var bad = 0;
        for (var i = Lead; i < cells.Length; i++)
        {
            var cell = Volatile.Read(ref cells[i]);
            // Threads with a later time may have begun buckets that are still to come here; those count too.
            if (
                cell >> GenerationShift == (generation & GenerationMask)
                && ((epoch + Buckets - 1 - (cell >> EpochShift)) & EpochMask) < (2 * Buckets) - 1
            )
            {
                total += (int)((cell >> TotalShift) & CountMask);
                bad += (int)(cell & CountMask);
            }
        }

        return (total, bad);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Count(ulong tag, bool isBad)
    {
        var one = isBad ? OneBad : One;
        if (Volatile.Read(ref _more) is null)
        {
            ref var cell = ref _first[Lead + PlaceOf(tag)];
            var seen = Volatile.Read(ref cell);
            if ((seen ^ tag) < Full)
            {
                if (Interlocked.CompareExchange(ref cell, seen + one, seen) == seen)
                {
                    return;
                }

                Stripe();
            }
        }

        CountSlowly(tag, one);
    }

    private void CountSlowly(ulong tag, ulong one)
    {
        var more = Volatile.Read(ref _more);
        while (true)
        {
            ref var cell = ref more is null ? ref _first[Lead + PlaceOf(tag)] : ref more[RingOf(more) + PlaceOf(tag)];
            var seen = Volatile.Read(ref cell);
            if (!TryNext(seen, tag, one, out var next) || Interlocked.CompareExchange(ref cell, next, seen) == seen)
            {
                return;
            }

            // Another thread was here at the same time. What the first ring has counted stays there.
            more ??= Stripe();
        }
    }

    /// <summary>
    /// One call more in the cell: it is taken over from an older bucket or generation, and left alone if it has gone to a
    /// younger one while this thread was held up.
    /// </summary>
    private static bool TryNext(ulong seen, ulong tag, ulong one, out ulong next)
    {
        next = seen;
        if ((seen ^ tag) < Full)
        {
            next = seen + one;
            return true;
        }

        var total = (seen >> TotalShift) & CountMask;
        if (total == 0)
        {
            next = tag + one;
            return true;
        }

        var age = (EpochIn(tag) - EpochIn(seen)) & EpochMask;
        var generations = (GenerationIn(tag) - GenerationIn(seen)) & GenerationMask;
        // Ahead by a few turns at most: what seems further ahead has lain there for half of all epochs.
        if (age > EpochMask - (4 * Buckets) || (age == 0 && generations > GenerationMask / 2))
        {
            return false;
        }

        // Full: half of it keeps the share.
        var kept = age == 0 && generations == 0 ? ((total / 2) << TotalShift) | ((seen & CountMask) / 2) : 0;
        next = tag + kept + one;
        return true;
    }

    private static int RingOf(ulong[] cells)
    {
        // As many rings as a power of two.
        var mask = (cells.Length / Stride) - 1;
        return Lead + ((Thread.GetCurrentProcessorId() & mask) * Stride);
    }

    private ulong[] Stripe()
    {
        var stripes = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(Environment.ProcessorCount, MostStripes));
        var fresh = new ulong[Lead + (stripes * Stride)];
        return Interlocked.CompareExchange(ref _more, fresh, null) ?? fresh;
    }

    /// <summary>Which calls a cell counts, as the cell says it: those of one generation in one bucket of time.</summary>
    private static ulong TagOf(uint generation, ulong epoch) =>
        ((ulong)generation << GenerationShift) | ((epoch & EpochMask) << EpochShift);

    private static ulong GenerationIn(ulong tag) => tag >> GenerationShift;

    private static ulong EpochIn(ulong tag) => (tag >> EpochShift) & EpochMask;

    /// <summary>As many places as a power of two: the buckets of a window lie in different ones, without a division.</summary>
    private static int PlaceOf(ulong tag) => (int)(EpochIn(tag) % Stride);

    /// <summary>
    /// A multiplication by a fraction of 2^64, since a division would be the most expensive part of counting.
    /// </summary>
    private ulong EpochOf(long now) => Math.BigMul((ulong)now, _bucketsPerMillisecond, out _);
}
