using System.Runtime;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// Waits for tiered compilation. Whatever runs for a second or two at first measures code that counts its own branches for
/// the next tier, at several times its cost; on one pinned core that lasts for tens of thousands of requests.
/// </summary>
internal static class Compiler
{
    /// <summary>A method here and there is compiled for as long as a process runs.</summary>
    private const int Few = 5;

    /// <summary>More is no warm-up: then something is compiled anew each time, and is part of the figure.</summary>
    private const int MostTurns = 60;

    /// <summary>Repeats a piece of work until it runs twice in turn with hardly a method compiled.</summary>
    /// <returns>How many times it ran.</returns>
    public static async Task<int> SettleAsync(Func<Task> work)
    {
        var still = 0;
        var turns = 0;
        while (still < 2 && turns < MostTurns)
        {
            var before = JitInfo.GetCompiledMethodCount();
            await work().ConfigureAwait(false);
            turns++;
            still = JitInfo.GetCompiledMethodCount() - before > Few ? 0 : still + 1;
        }

        return turns;
    }
}
