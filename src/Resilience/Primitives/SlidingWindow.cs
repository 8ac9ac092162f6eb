using System.Numerics;
using System.Runtime.CompilerServices;

namespace Resilience.Primitives;

/// <summary>
/// Two counters over the last stretch of time, lock-free: a ring of buckets, each one 64-bit cell that holds its epoch
/// and both counts, so that turning a bucket over and counting into it are the same compare-and-swap and no update of a
/// stalled thread can land in a younger bucket. One ring until two threads meet in a busy bucket, then one for each
/// processor. Thread-safe.
/// </summary>
internal sealed class SlidingWindow
{
    /// <summary>
    /// A bucket that has counted so many is busy: threads that meet there will meet again, and rings for all processors
    /// are worth their memory. Where they meet by chance, they are not.
    /// </summary>
    internal const int Busy = 1_000;

    /* A cell: epoch 24 bits | first 20 bits | second 20 bits. Counts go up to 1,048,575 a bucket. */
    private const int FirstShift = 20;
    private const int EpochShift = 40;
    private const ulong CountMask = (1UL << FirstShift) - 1;
    private const ulong CountsMask = (1UL << EpochShift) - 1;
    private const ulong EpochMask = (1UL << 24) - 1;

    /* Where a cell differs from the bucket that is to be counted into, or one of its counts is half full. */
    private const ulong NotPlain = ~CountsMask | (1UL << (EpochShift - 1)) | (1UL << (FirstShift - 1));

    /* One number for all, known to the compiler: it multiplies where it would have to divide. */
    private const int Buckets = 10;

    /* A ring of the others takes two cache lines; a line is left free before the first. */
    private const int Stride = 16;
    private const int Lead = 8;
    private const int MostStripes = 8;

    private readonly FastDivisor _epochs;
    private ulong[]? _more;
    private Cells _cells;

    public SlidingWindow(TimeSpan length)
        : this(ByBuckets(length)) { }

    /// <param name="epochs">What divides time into the buckets of a window, from <see cref="ByBuckets"/>.</param>
    public SlidingWindow(FastDivisor epochs) => _epochs = epochs;

    /// <summary>What divides its time into buckets: that of another length has another.</summary>
    public FastDivisor Epochs => _epochs;

    /// <summary>Whether threads have met in a busy bucket.</summary>
    internal bool IsStriped => Volatile.Read(ref _more) is not null;

    /// <summary>What divides time into the buckets of a window of that length.</summary>
    public static FastDivisor ByBuckets(TimeSpan length) =>
        new((uint)Math.Max(1, Math.Ceiling(length.TotalMilliseconds / Buckets)));

    /// <summary>
    /// Counts into the bucket of <paramref name="nowMilliseconds"/>. Where its first count is full all of the bucket is
    /// halved, which keeps the share; a second one that is full alone stays so.
    /// </summary>
    /// <param name="first">Like <paramref name="second"/> at most 524,287: half of what a bucket holds.</param>
    public void Add(long nowMilliseconds, uint first, uint second)
    {
        var epoch = EpochOf(nowMilliseconds);
        if (Volatile.Read(ref _more) is null)
        {
            ref var cell = ref _cells[(int)(epoch % Buckets)];
            var seen = Volatile.Read(ref cell);
            if (
                ((seen ^ (epoch << EpochShift)) & NotPlain) == 0
                && Interlocked.CompareExchange(ref cell, seen + Amount(first, second), seen) == seen
            )
            {
                return;
            }
        }

        AddSlowly(epoch, first, second);
    }

    /// <summary>
    /// Counts into the present bucket if <paramref name="allowed"/> says so of the sums before it. Threads that count so at
    /// once never overdraw together; at the border of two buckets the last of them may be refused what it could have had.
    /// It counts into the one ring that all share, and does not notice what <see cref="Add"/> counts meanwhile: that must
    /// not forbid what was allowed before.
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
    /// Takes back what <see cref="TryAdd"/> has counted at <paramref name="thenMilliseconds"/>; nothing if its bucket has
    /// been turned over since, and no more than stands there.
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
        var (first, second) = Sum(_cells, newest);
        if (Volatile.Read(ref _more) is { } more)
        {
            var (others, othersSecond) = Sum(more.AsSpan(Lead), newest);
            first += others;
            second += othersSecond;
        }

        return (first, second);
    }

    private static (ulong First, ulong Second) Sum(ReadOnlySpan<ulong> cells, ulong newest)
    {
        ulong first = 0;
        ulong second = 0;
        for (var i = 0; i < cells.Length; i++)
        {
            var cell = Volatile.Read(in cells[i]);
            if (((newest - (cell >> EpochShift)) & EpochMask) < (2 * Buckets) - 1)
            {
                first += FirstOf(cell);
                second += cell & CountMask;
            }
        }

        return (first, second);
    }

    /// <remarks>
    /// What is counted second is looked at right after it, by whoever counts it: that goes into the ring that all share,
    /// where it is next to what others of the kind have just counted. What is counted by threads that do not look goes
    /// where no other thread writes.
    /// </remarks>
    private void AddSlowly(ulong epoch, uint first, uint second)
    {
        var place = (int)(epoch % Buckets);
        while (true)
        {
            var more = second > 0 ? null : Volatile.Read(ref _more);
            ref var cell = ref more is null ? ref _cells[place] : ref more[RingOf(more) + place];
            var seen = Volatile.Read(ref cell);
            if (IsFull(seen, epoch, first))
            {
                Halve(epoch);
                continue;
            }

            if (
                !TryNext(seen, epoch, first, second, out var next)
                || Interlocked.CompareExchange(ref cell, next, seen) == seen
            )
            {
                return;
            }

            // Another thread was here at the same time. What the first ring has counted stays there.
            if (more is null && second == 0 && FirstOf(next) >= Busy)
            {
                Stripe();
            }
        }
    }

    /// <summary>
    /// Halves what all rings have counted in one bucket. A thread that counts meanwhile may be halved too, or not; two
    /// threads that find it full at once may both halve it: the share stays.
    /// </summary>
    private void Halve(ulong epoch)
    {
        var place = (int)(epoch % Buckets);
        Halve(ref _cells[place], epoch);
        if (Volatile.Read(ref _more) is { } more)
        {
            for (var ring = Lead; ring < more.Length; ring += Stride)
            {
                Halve(ref more[ring + place], epoch);
            }
        }
    }

    private static void Halve(ref ulong cell, ulong epoch)
    {
        while (true)
        {
            var seen = Volatile.Read(ref cell);
            var half = ((FirstOf(seen) / 2) << FirstShift) | ((seen & CountMask) / 2);
            var next = (seen & ~CountsMask) | half;
            if (!IsOf(seen, epoch) || Interlocked.CompareExchange(ref cell, next, seen) == seen)
            {
                return;
            }
        }
    }

    private static void TakeBack(ref ulong cell, ulong epoch, uint first, uint second)
    {
        while (true)
        {
            var seen = Volatile.Read(ref cell);
            if (!IsOf(seen, epoch))
            {
                // The bucket has been turned over: nothing of it counts any more.
                return;
            }

            // What was counted may have been halved since.
            var next = seen - Amount((uint)Math.Min(first, FirstOf(seen)), (uint)Math.Min(second, seen & CountMask));
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

        var counts = age == 0 ? seen & CountsMask : 0;
        next =
            (tag << EpochShift)
            | (Math.Min(FirstOf(counts) + first, CountMask) << FirstShift)
            | Math.Min((counts & CountMask) + second, CountMask);
        return true;
    }

    private static bool IsOf(ulong cell, ulong epoch) => cell >> EpochShift == (epoch & EpochMask);

    private static bool IsFull(ulong cell, ulong epoch, uint first) =>
        IsOf(cell, epoch) && FirstOf(cell) > 0 && FirstOf(cell) + first > CountMask;

    private static ulong FirstOf(ulong cell) => (cell >> FirstShift) & CountMask;

    private static int RingOf(ulong[] cells)
    {
        // As many rings as a power of two.
        var mask = (cells.Length / Stride) - 1;
        return Lead + ((Thread.GetCurrentProcessorId() & mask) * Stride);
    }

    /// <summary>From now on each processor counts into a ring of its own.</summary>
    internal void Stripe()
    {
        var stripes = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(Environment.ProcessorCount, MostStripes));
        Interlocked.CompareExchange(ref _more, new ulong[Lead + (stripes * Stride)], null);
    }

    private static ulong Amount(uint first, uint second) => ((ulong)first << FirstShift) + second;

    private ulong EpochOf(long nowMilliseconds) => _epochs.Quotient((ulong)nowMilliseconds);

    /// <summary>In the window itself: two objects would be larger, and a step further away.</summary>
    [InlineArray(Buckets)]
    private struct Cells
    {
        private ulong _first;
    }
}
