using System.Diagnostics;
using System.Globalization;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>What this process holds at one moment.</summary>
/// <param name="Minutes">When, since the soak began.</param>
/// <param name="Requests">How many requests have ended by then.</param>
/// <param name="Memory">Bytes that the collector could not free.</param>
/// <param name="Handles">Open files and sockets.</param>
/// <param name="Threads">Threads, the pool's included.</param>
/// <param name="Timers">Timers that are armed.</param>
internal sealed record ProcessFigures(double Minutes, int Requests, long Memory, int Handles, int Threads, long Timers)
{
    public const string Header =
        "| minutes | requests | memory after collection | handles | threads | timers |\n|---|---|---|---|---|---|";

    public static ProcessFigures Take(TimeSpan elapsed, int requests)
    {
        using var process = Process.GetCurrentProcess();
        return new ProcessFigures(
            elapsed.TotalMinutes,
            requests,
            GC.GetTotalMemory(forceFullCollection: true),
            process.HandleCount,
            process.Threads.Count,
            Timer.ActiveCount
        );
    }

    /// <summary>The least of each figure, as of the last look.</summary>
    public static ProcessFigures LeastOf(IReadOnlyCollection<ProcessFigures> looks) =>
        looks.Last() with
        {
            Memory = looks.Min(each => each.Memory),
            Handles = looks.Min(each => each.Handles),
            Threads = looks.Min(each => each.Threads),
            Timers = looks.Min(each => each.Timers),
        };

    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"| {Minutes:0.0} | {Requests} | {Memory / 1048576.0:0.0} MB | {Handles} | {Threads} | {Timers} |"
        );
}
