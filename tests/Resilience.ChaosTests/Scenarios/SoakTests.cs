using System.Diagnostics;
using Resilience.ChaosTests.Infrastructure;
using Resilience.DependencyInjection;
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
    private const int FaultsPerRound = 2;

    /* What the least of the last third may have more than that of the first; it all stays the same but for chance. */
    private const long MemorySlack = 2 << 20;
    private const int HandleSlack = 30;
    private const int ThreadSlack = 8;
    private const int TimerSlack = 25;

    /// <summary>As many as the load needs while all backends are well, on a machine that is busy.</summary>
    private const int FewConnections = 30;

    /// <summary>An ejection or a break lasts no longer, so that many faults fit into the time.</summary>
    private static readonly TimeSpan LongestOut = TimeSpan.FromSeconds(5);

    private static readonly string? TableFile = Environment.GetEnvironmentVariable("RESILIENCE_SOAK_TABLE");

    [Fact]
    public async Task Soak_WhatTheProcessHolds_StaysFlat()
    {
        var seed = ChaosSettings.Seed ?? Random.Shared.Next(1_000_000);
        Output.WriteLine($"RESILIENCE_CHAOS_SEED={seed} replays");
        Output.WriteLine(ProcessFigures.Header);
        var run = await BeginAsync("soak", Configure);
        var figures = new List<ProcessFigures>();
        var began = Stopwatch.GetTimestamp();

        await run.StrikeAsync(async () =>
        {
            for (var round = 0; IsOn(round, Stopwatch.GetElapsedTime(began)); round++)
            {
                var script = new RandomScript(seed + round, FaultsPerRound, atOnce: 1, Backends.All.Count);
                await script.PlayAsync(run, Backends.All);
                foreach (var backend in Backends.All)
                {
                    await run.Load.MoreByAsync(backend.Name, 1);
                }

                await run.Load.EarlierEndAsync();
                // A hung backend makes as many connections necessary as requests wait for it; they are closed when idle.
                await Eventually.BecomesTrueAsync(
                    () => run.ConnectionsOpen <= FewConnections,
                    ChaosSettings.Patience,
                    "the connections that a fault made necessary have ended"
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
        Least(last, each => each.Handles).Should().BeLessThan(Least(first, each => each.Handles) + HandleSlack);
        Least(last, each => each.Threads).Should().BeLessThan(Least(first, each => each.Threads) + ThreadSlack);
        Least(last, each => each.Timers).Should().BeLessThan(Least(first, each => each.Timers) + TimerSlack);
    }

    private static void Configure(ResilientBackendsOptions options)
    {
        options.BufferResponsesUpTo = 64 * 1024;
        options.Timeouts.IdleConnection = TimeSpan.FromSeconds(2);
        options.PassiveHealth.MaxEjectionTime = Least(options.PassiveHealth.MaxEjectionTime, LongestOut);
        options.CircuitBreaker.MaxBreakDuration = Least(options.CircuitBreaker.MaxBreakDuration, LongestOut);
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static bool IsOn(int round, TimeSpan elapsed) =>
        ChaosSettings.SoakMinutes is { } minutes ? elapsed.TotalMinutes < minutes : round < ShortRounds;

    private static int Third(List<ProcessFigures> figures) => Math.Max(1, figures.Count / 3);

    private static long Least(IEnumerable<ProcessFigures> figures, Func<ProcessFigures, long> figure) =>
        figures.Min(figure);

    /// <summary>At most twenty-one rows, evenly spread, the first and the last among them, and what they were taken after.</summary>
    private static void Write(List<ProcessFigures> figures)
    {
        if (TableFile is not null)
        {
            var every = (figures.Count + 19) / 20;
            File.WriteAllLines(
                TableFile,
                [
                    .. figures
                        .Where((_, index) => index % every == 0 || index == figures.Count - 1)
                        .Select(each => each.ToString()),
                    "",
                    $"{figures.Count} rounds of {FaultsPerRound} faults each; figures are taken after each round.",
                ]
            );
        }
    }
}
