using System.Collections.Concurrent;

namespace Resilience.Tests.Infrastructure;

/// <summary>
/// Runs the same work on several threads of its own at the same time. (<c>Parallel.For</c> does not: what is short has
/// ended on one thread before a second begins.)
/// </summary>
internal static class Together
{
    /// <summary>Returns when all have ended.</summary>
    /// <param name="threads">How many.</param>
    /// <param name="work">Told the number of its thread, from zero on.</param>
    /// <exception cref="AggregateException">What any of them threw.</exception>
    public static void Run(int threads, Action<int> work)
    {
        var problems = new ConcurrentQueue<Exception>();
        var missing = threads;
        var all = Enumerable
            .Range(0, threads)
            .Select(number => new Thread(() =>
            {
                // Released by the last one to come, without a wait that the system has to end for each.
                Interlocked.Decrement(ref missing);
                while (Volatile.Read(ref missing) > 0)
                {
                    Thread.Yield();
                }

                try
                {
                    work(number);
                }
                catch (Exception exception)
                {
                    problems.Enqueue(exception);
                }
            })
            {
                IsBackground = true,
            })
            .ToArray();
        foreach (var thread in all)
        {
            thread.Start();
        }

        foreach (var thread in all)
        {
            thread.Join();
        }

        if (!problems.IsEmpty)
        {
            throw new AggregateException(problems);
        }
    }
}
