using System.Diagnostics;
using System.Runtime;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// Waits for tiered compilation. What is measured before that runs code that counts its own branches for the next tier:
/// over loopback, on one pinned core, requests cost three times as much for their first thirty seconds.
/// </summary>
internal static class Compiler
{
    /// <summary>A method here and there is compiled for as long as a process runs.</summary>
    private const int Few = 10;

    /// <summary>It pauses, too, while new code is still called for the first time.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(8);

    /// <summary>More is no warm-up: then something is compiled anew each time, and is part of the figure.</summary>
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(3);

    private static readonly TimeSpan ShortRest = TimeSpan.FromSeconds(0.5);
    private static readonly TimeSpan ShortLongest = TimeSpan.FromSeconds(2);

    /// <summary>Repeats a piece of work until hardly a method has been compiled for a while.</summary>
    /// <param name="pace">If it is short, a look is all there is: the figures are those of code still being compiled.</param>
    /// <param name="work">What is measured afterwards; done at least once.</param>
    public static async Task SettleAsync(Pace pace, Func<Task> work)
    {
        var (rest, longest) = pace.IsShort ? (ShortRest, ShortLongest) : (Rest, Longest);
        var began = Stopwatch.GetTimestamp();
        var restedAt = began;
        var compiled = JitInfo.GetCompiledMethodCount();
        while (Stopwatch.GetElapsedTime(restedAt) < rest && Stopwatch.GetElapsedTime(began) < longest)
        {
            await work().ConfigureAwait(false);
            var now = JitInfo.GetCompiledMethodCount();
            if (now - compiled > Few)
            {
                (compiled, restedAt) = (now, Stopwatch.GetTimestamp());
            }
        }
    }
}
