using System.Collections.Concurrent;

namespace Resilience.Primitives;

/// <summary>
/// Keeps used objects for the next who needs one: one at hand for each thread, the others in a bounded queue. Whoever
/// gives an object back must hold no other reference to it. Thread-safe.
/// </summary>
internal static class ObjectPool<T>
    where T : class, new()
{
    /// <summary>Objects kept beside those at hand; more than requests can be at work at once on a busy client.</summary>
    private const int MostKept = 1_024;

    private static readonly ConcurrentQueue<T> Kept = new();
    private static int KeptCount;

    [ThreadStatic]
    private static T? AtHand;

    public static T Take()
    {
        var item = AtHand;
        if (item is not null)
        {
            AtHand = null;
            return item;
        }

        if (Kept.TryDequeue(out item))
        {
            Interlocked.Decrement(ref KeptCount);
            return item;
        }

        return new T();
    }

    /// <returns>Whether the object is kept; if not, it is the caller's to dispose.</returns>
    public static bool TryGiveBack(T item)
    {
        if (AtHand is null)
        {
            AtHand = item;
            return true;
        }

        if (Interlocked.Increment(ref KeptCount) <= MostKept)
        {
            Kept.Enqueue(item);
            return true;
        }

        Interlocked.Decrement(ref KeptCount);
        return false;
    }
}
