using System.Diagnostics;
using Resilience.ChaosTests.Infrastructure;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>
/// Faults and recoveries without end under load, as long as <c>eng/soak</c> asks; a few rounds otherwise. What the
/// process holds after each round, when all backends are well, must not grow (laws 4 and 13).
/// </summary>
public sealed class SoakTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    private const int ShortRounds = 2;
    private const long MemorySlack = 8 << 20;
    private const int ThreadSlack = 24;

    /// <summary>
    /// Connections, and timers that look after them, that a hung backend has made necessary stay for a while: as many as
    /// requests waited for it, in one round and not in another.
    /// </summary>
    private const int Slack = 200;

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

        await EndAsync(run);
        Write(figures);
        // The least of each third: one round ends with connections still open that another has closed.
        var (first, last) = (figures.Take(Third(figures)), figures.TakeLast(Third(figures)));
        Least(last, each => each.Memory).Should().BeLessThan(Least(first, each => each.Memory) + MemorySlack);
        Least(last, each => each.Handles).Should().BeLessThan(Least(first, each => each.Handles) + Slack);
        Least(last, each => each.Threads).Should().BeLessThan(Least(first, each => each.Threads) + ThreadSlack);
        Least(last, each => each.Timers).Should().BeLessThan(Least(first, each => each.Timers) + Slack);
    }

    private static bool IsOn(int round, TimeSpan elapsed) =>
        ChaosSettings.SoakMinutes is { } minutes ? elapsed.TotalMinutes < minutes : round < ShortRounds;

    private static int Third(List<ProcessFigures> figures) => Math.Max(1, figures.Count / 3);

    private static long Least(IEnumerable<ProcessFigures> figures, Func<ProcessFigures, long> figure) =>
        figures.Min(figure);

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
