using System.Diagnostics;
using Resilience.ChaosTests.Infrastructure;
using Resilience.ChaosTests.Load;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>
/// Faults and recoveries without end under load, as long as <c>eng/soak</c> asks; a few rounds otherwise. What the
/// process holds after each round, when all backends are well, must not grow (laws 4 and 13).
/// </summary>
public sealed class SoakTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    private const int ShortRounds = 3;
    private const long MemorySlack = 8 << 20;
    private const int ThreadSlack = 24;
    private const int TimerSlack = 24;

    /// <summary>Connections that a hung backend has made necessary stay open for a while, in one round and not in another.</summary>
    private const int HandleSlack = 128;

    /// <summary>As many as a second's tenth begins.</summary>
    private const int FewUnderWay = 10;

    private static readonly string? TableFile = Environment.GetEnvironmentVariable("RESILIENCE_SOAK_TABLE");

    [Fact]
    public async Task Soak_WhatTheProcessHolds_StaysFlat()
    {
        var seed = ChaosSettings.Seed ?? Random.Shared.Next(1_000_000);
        Output.WriteLine($"RESILIENCE_CHAOS_SEED={seed} replays");
        Output.WriteLine(ProcessFigures.Header);
        var run = await BeginAsync("soak", options => options.BufferResponsesUpTo = 64 * 1024);
        var figures = new List<ProcessFigures>();
        var began = Stopwatch.GetTimestamp();

        await run.StrikeAsync(async () =>
        {
            for (var round = 0; IsOn(round, Stopwatch.GetElapsedTime(began)); round++)
            {
                await new RandomScript(seed + round, steps: 2, atOnce: 1, Backends.All.Count).PlayAsync(
                    run,
                    Backends.All
                );
                foreach (var backend in Backends.All)
                {
                    await run.Load.MoreByAsync(backend.Name, 1);
                }

                await Eventually.BecomesTrueAsync(
                    () => run.Load.Begun - run.Load.Ended <= FewUnderWay,
                    ChaosSettings.Patience,
                    "those that a fault delayed have ended"
                );
                figures.Add(ProcessFigures.Take(Stopwatch.GetElapsedTime(began), run.Load.Ended));
                Output.WriteLine(figures[^1].ToString());
            }
        });
        await run.CureAsync(() => { });
        await run.GoOnAsync();

        await EndAsync(run, failure => failure.Limit is Limit.Attempts or Limit.Budget);
        Write(figures);
        // The median of each third: one round ends with connections still open that another has closed.
        var (first, last) = (figures.Take(Third(figures)), figures.TakeLast(Third(figures)));
        Median(last, each => each.Memory).Should().BeLessThan(Median(first, each => each.Memory) + MemorySlack);
        Median(last, each => each.Handles).Should().BeLessThan(Median(first, each => each.Handles) + HandleSlack);
        Median(last, each => each.Threads).Should().BeLessThan(Median(first, each => each.Threads) + ThreadSlack);
        Median(last, each => each.Timers).Should().BeLessThan(Median(first, each => each.Timers) + TimerSlack);
    }

    private static bool IsOn(int round, TimeSpan elapsed) =>
        ChaosSettings.SoakMinutes is { } minutes ? elapsed.TotalMinutes < minutes : round < ShortRounds;

    private static int Third(List<ProcessFigures> figures) => Math.Max(1, figures.Count / 3);

    private static long Median(IEnumerable<ProcessFigures> figures, Func<ProcessFigures, long> figure)
    {
        var ordered = figures.Select(figure).Order().ToList();
        return ordered[ordered.Count / 2];
    }

    /// <summary>At most twenty rows, evenly spread.</summary>
    private static void Write(List<ProcessFigures> figures)
    {
        if (TableFile is not null)
        {
            var every = (figures.Count + 19) / 20;
            File.WriteAllLines(
                TableFile,
                figures.Where((_, index) => index % every == every - 1 || index == 0).Select(each => each.ToString())
            );
        }
    }
}
