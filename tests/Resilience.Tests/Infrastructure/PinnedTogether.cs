using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Resilience.Tests.Infrastructure;

/// <summary>
/// Two threads, each on a core of its own where the platform allows it, that go through many rounds of the same work
/// together, released at the same moment each time: races come from the processor and not from the scheduler. As many
/// rounds as asked for, or as fit into the time.
/// </summary>
internal static class PinnedTogether
{
    public const int Threads = 2;

    /// <param name="rounds">How many at most.</param>
    /// <param name="limit">No round begins later than this.</param>
    /// <param name="before">Called before each round, by one thread.</param>
    /// <param name="work">Called in each round by every thread, with the thread's number, from zero on, and the round's.</param>
    /// <param name="after">Called after each round, by one thread, when all have ended.</param>
    /// <returns>How many rounds there were.</returns>
    /// <exception cref="AggregateException">What any of them threw.</exception>
    public static int Run(int rounds, TimeSpan limit, Action<int> before, Action<int, int> work, Action<int> after)
    {
        var elapsed = Stopwatch.StartNew();
        var meeting = new Meeting();
        var done = 0;
        var isOver = false;
        Together.Run(
            Threads,
            thread =>
            {
                try
                {
                    Pin(thread);
                    for (var round = 0; ; round++)
                    {
                        if (thread == 0)
                        {
                            isOver = round == rounds || (round > 0 && elapsed.Elapsed > limit);
                            if (!isOver)
                            {
                                before(round);
                            }
                        }

                        meeting.Await();
                        if (isOver)
                        {
                            return;
                        }

                        work(thread, round);
                        meeting.Await();
                        if (thread == 0)
                        {
                            after(round);
                            done++;
                        }
                    }
                }
                catch
                {
                    // The other one must not wait for this one.
                    meeting.Abandon();
                    throw;
                }
            }
        );
        return done;
    }

    private static void Pin(int core)
    {
        if (OperatingSystem.IsLinux() && Environment.ProcessorCount >= Threads)
        {
            var mask = 1UL << core;
            // 0 is the calling thread. A refusal (a container with other cores) only leaves the thread unpinned.
            _ = SetAffinity(0, sizeof(ulong), ref mask);
        }
    }

    [DllImport("libc", EntryPoint = "sched_setaffinity")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int SetAffinity(int thread, nint maskSize, ref ulong mask);

    /// <summary>Where the threads wait for each other, spinning, so that they leave it together.</summary>
    private sealed class Meeting
    {
        private int _arrived;
        private bool _isAbandoned;

        public void Await()
        {
            var arrived = Interlocked.Increment(ref _arrived);
            var all = (arrived + Threads - 1) / Threads * Threads;
            var spinner = new SpinWait();
            // However long it takes: the other one may have lost its core, and whatever it throws abandons the meeting.
            while (Volatile.Read(ref _arrived) < all)
            {
                if (Volatile.Read(ref _isAbandoned))
                {
                    throw new InvalidOperationException("The other thread has ended.");
                }

                spinner.SpinOnce(sleep1Threshold: -1);
            }
        }

        public void Abandon() => Volatile.Write(ref _isAbandoned, true);
    }
}
