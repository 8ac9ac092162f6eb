using System.Runtime.CompilerServices;

namespace Resilience.Primitives;

/// <summary>
/// Two counters over the last stretch of time, lock-free: a ring of buckets, each one 64-bit cell that holds its epoch
/// and both counts, so that turning a bucket over and counting into it are the same compare-and-swap and no update of a
/// stalled thread can land in a younger bucket. Thread-safe.
/// </summary>
internal sealed class SlidingWindow
{
    /* A cell: epoch 24 bits | first 20 bits | second 20 bits. Counts stick at their maximum of 1,048,575 a bucket. */
    private const int FirstShift = 20;
    private const int EpochShift = 40;
    private const ulong CountMask = (1UL << FirstShift) - 1;
    private const ulong CountsMask = (1UL << EpochShift) - 1;
    private const ulong EpochMask = (1UL << 24) - 1;

    /* One number for all, known to the compiler: it multiplies where it would have to divide. */
    private const int Buckets = 10;

    private readonly FastDivisor _epochOf;
    private Cells _cells;

    public SlidingWindow(TimeSpan length)
    {
        Length = length;
        _epochOf = new FastDivisor((uint)Math.Max(1, Math.Ceiling(length.TotalMilliseconds / Buckets)));
    }

    /// <summary>How far back it looks.</summary>
    public TimeSpan Length { get; }

    /// <summary>Counts into the bucket of <paramref name="nowMilliseconds"/>.</summary>
    public void Add(long nowMilliseconds, uint first, uint second)
    {
        var epoch = EpochOf(nowMilliseconds);
        ref var cell = ref _cells[(int)(epoch % Buckets)];
        while (true)
        {
            var seen = Volatile.Read(ref cell);
            if (!TryNext(seen, epoch, first, second, out var next))
            {
                return;
            }

            if (Interlocked.CompareExchange(ref cell, next, seen) == seen)
            {
                return;
            }
        }
    }

    /// <summary>
    /// Counts into the present bucket if <paramref name="allowed"/> says so of the sums before it. Threads that count at
    /// once never overdraw together; at the border of two buckets the last of them may be refused what it could have had.
    /// </summary>
    public bool TryAdd<TArg>(
        long nowMilliseconds,
        uint first,
        uint second,
        TArg arg,
        Func<TArg, ulong, ulong, bool> allowed
    )
    {
        var epoch = EpochOf(nowMilliseconds);
        ref var cell = ref _cells[(int)(epoch % Buckets)];
        while (true)
        {
            // The cell is read before the sum: whatever is counted into it later makes the exchange fail.
            var seen = Volatile.Read(ref cell);
            var before = Sum(nowMilliseconds);
            if (!allowed(arg, before.First, before.Second) || !TryNext(seen, epoch, first, second, out var next))
            {
                return false;
            }

            if (Interlocked.CompareExchange(ref cell, next, seen) == seen)
            {
                // A thread on the other side of a bucket's border counts into another cell, which no exchange here
                // notices. Each counts first and looks after, so that at least one of the two sees both counts (the
                // exchange is a full fence); who sees too much takes its own count back.
                var (sumOfFirst, sumOfSecond) = Sum(nowMilliseconds);
                var othersFirst = sumOfFirst - Math.Min(first, sumOfFirst);
                var othersSecond = sumOfSecond - Math.Min(second, sumOfSecond);
                if ((othersFirst, othersSecond) == before || allowed(arg, othersFirst, othersSecond))
                {
                    return true;
                }

                TakeBack(ref cell, epoch, first, second);
                return false;
            }
        }
    }

    /// <summary>
    /// Takes back what was counted at <paramref name="thenMilliseconds"/>; nothing if its bucket has been turned over
    /// since. No more may be taken back than was counted.
    /// </summary>
    public void TakeBack(long thenMilliseconds, uint first, uint second)
    {
        var epoch = EpochOf(thenMilliseconds);
        TakeBack(ref _cells[(int)(epoch % Buckets)], epoch, first, second);
    }

    /// <summary>
    /// Both sums over the buckets that still lie within the window, those included that threads with a later time have
    /// begun already.
    /// </summary>
    public (ulong First, ulong Second) Sum(long nowMilliseconds)
    {
        var newest = EpochOf(nowMilliseconds) + Buckets - 1;
        ulong first = 0;
        ulong second = 0;
        for (var i = 0; i < Buckets; i++)
        {
            var cell = Volatile.Read(ref _cells[i]);
            if (((newest - (cell >> EpochShift)) & EpochMask) < (2 * Buckets) - 1)
            {
                first += (cell >> FirstShift) & CountMask;
                second += cell & CountMask;
            }
        }

        return (first, second);
    }

    private static void TakeBack(ref ulong cell, ulong epoch, uint first, uint second)
    {
        while (true)
        {
            var seen = Volatile.Read(ref cell);
            if (seen >> EpochShift != (epoch & EpochMask))
            {
                // The bucket has been turned over: nothing of it counts any more.
                return;
            }

            var next = seen - ((ulong)first << FirstShift) - second;
            if (Interlocked.CompareExchange(ref cell, next, seen) == seen)
            {
                return;
            }
        }
    }

    private static bool TryNext(ulong seen, ulong epoch, uint first, uint second, out ulong next)
    {
        var tag = epoch & EpochMask;
        var age = (tag - (seen >> EpochShift)) & EpochMask;
        if (age > EpochMask - (4 * Buckets) && (seen & CountsMask) != 0)
        {
            // The bucket is a few laps ahead of this thread, which stalled for a whole window: nothing to add. (An
            // empty one may as well be a cell that was never used, seen just before the epoch wraps.)
            next = seen;
            return false;
        }

        var sumOfFirst = age == 0 ? (seen >> FirstShift) & CountMask : 0;
        var sumOfSecond = age == 0 ? seen & CountMask : 0;
        next =
            (tag << EpochShift)
            | (Math.Min(sumOfFirst + first, CountMask) << FirstShift)
            | Math.Min(sumOfSecond + second, CountMask);
        return true;
    }

    private ulong EpochOf(long nowMilliseconds) => _epochOf.Quotient((ulong)nowMilliseconds);

    /// <summary>In the window itself: two objects would be larger, and a step further away.</summary>
    [InlineArray(Buckets)]
    private struct Cells
    {
        private ulong _first;
    }
}
