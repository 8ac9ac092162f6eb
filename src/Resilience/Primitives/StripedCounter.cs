using System.Numerics;

namespace Resilience.Primitives;

/// <summary>
/// An exact counter for many threads: one interlocked step an increment, on one cell until two threads meet there, then
/// on cells of which each processor uses its own. No cell shares a cache line with another or with anything else.
/// Thread-safe.
/// </summary>
internal sealed class StripedCounter
{
    /* A cache line of longs: before the first cell, between any two and after the last. */
    private const int Stride = 8;
    private const int MostStripes = 64;

    private readonly long[] _first = new long[2 * Stride];
    private long[]? _more;

    /// <summary>What has been counted by everybody whose increment has returned.</summary>
    public long Sum
    {
        get
        {
            var sum = Volatile.Read(ref _first[Stride]);
            if (Volatile.Read(ref _more) is { } more)
            {
                for (var i = Stride; i < more.Length; i += Stride)
                {
                    sum += Volatile.Read(ref more[i]);
                }
            }

            return sum;
        }
    }

    /// <summary>Whether threads have met on the first cell.</summary>
    internal bool IsStriped => Volatile.Read(ref _more) is not null;

    public void Increment()
    {
        if (Volatile.Read(ref _more) is { } more)
        {
            Interlocked.Increment(ref CellOf(more));
            return;
        }

        ref var cell = ref _first[Stride];
        var seen = Volatile.Read(ref cell);
        if (Interlocked.CompareExchange(ref cell, seen + 1, seen) != seen)
        {
            // Another thread was here at the same time. What the first cell has counted stays there.
            Interlocked.Increment(ref CellOf(Stripe()));
        }
    }

    public void Add(long amount) => Interlocked.Add(ref _first[Stride], amount);

    private static ref long CellOf(long[] cells)
    {
        // As many cells as a power of two, and one line in front.
        var mask = (cells.Length / Stride) - 2;
        return ref cells[((Thread.GetCurrentProcessorId() & mask) + 1) * Stride];
    }

    private long[] Stripe()
    {
        var stripes = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(Environment.ProcessorCount, MostStripes));
        var fresh = new long[(stripes + 1) * Stride];
        return Interlocked.CompareExchange(ref _more, fresh, null) ?? fresh;
    }
}
