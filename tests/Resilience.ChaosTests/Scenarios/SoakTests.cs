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

    /// <summary>How often it looks after each round: how much is in use at one moment is chance.</summary>
    private const int Looks = 4;

    /* What the least of the last third may have more than that of the first; it all stays the same but for chance. */
    private const long MemorySlack = 2 << 20;
    private const int HandleSlack = 30;
    private const int ThreadSlack = 8;

    /// <summary>Of timers in the end, when nothing is sent, than before the beginning: the pool's own and the test's.</summary>
    private const int TimerSlack = 25;

    /// <summary>As many as the load needs while all backends are well, on a machine that is busy.</summary>
    private const int FewConnections = 30;

    /// <summary>An ejection or a break lasts no longer, so that many faults fit into the time.</summary>
    private static readonly TimeSpan LongestOut = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan ShortestInterval = TimeSpan.FromSeconds(1);

    private static readonly string? TableFile = Environment.GetEnvironmentVariable("RESILIENCE_SOAK_TABLE");

    [Fact]
    public async Task Soak_WhatTheProcessHolds_StaysFlat()
    {
        var seed = ChaosSettings.Seeds[0];
        Output.WriteLine($"RESILIENCE_CHAOS_SEED={seed} replays");
        Output.WriteLine(ProcessFigures.Header);
        var run = await BeginAsync("soak", Configure);
        var figures = new List<ProcessFigures>();
        var began = Stopwatch.GetTimestamp();
        async Task<ProcessFigures> LookAsync()
        {
            await run.Load.MoreEndedAsync(ChaosSettings.Rate / 4);
            return ProcessFigures.Take(Stopwatch.GetElapsedTime(began), run.Load.Ended);
        }

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
                    () => run.Connections.Open <= FewConnections,
                    ChaosSettings.Patience,
                    "the connections that a fault made necessary have ended"
                );
                var looks = new List<ProcessFigures>();
                while (looks.Count < Looks)
                {
                    looks.Add(await LookAsync());
                }

                figures.Add(ProcessFigures.LeastOf(looks));
                Output.WriteLine(figures[^1].ToString());
            }
        });
        await run.CureAsync(() => { });
        await run.GoOnAsync();

        Write(figures);
        // The least of each third: one round ends with connections still open that another has closed.
        var first = ProcessFigures.LeastOf([.. figures.Take(Third(figures))]);
        var last = ProcessFigures.LeastOf([.. figures.TakeLast(Third(figures))]);
        // What the last faults made necessary goes when it has been idle for its time. What leaks never goes.
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                if (!IsFlat(first, last))
                {
                    last = await LookAsync();
                    Output.WriteLine(last.ToString());
                }

                return IsFlat(first, last);
            },
            ChaosSettings.Patience,
            () =>
                string.Join(
                    Environment.NewLine,
                    "what the process holds has not grown:",
                    ProcessFigures.Header,
                    first,
                    last
                )
        );
        // Under load as many pooled watches stay armed as requests ever waited at once, whatever they waited for.
        await run.Load.StopAsync();
        await Eventually.BecomesTrueAsync(
            () => Timer.ActiveCount < TimersBefore + TimerSlack,
            LongestTimer,
            () =>
                $"no more timers are armed than before the load, and not {Timer.ActiveCount} instead of {TimersBefore}"
        );
        await EndAsync(run);
    }

    private static bool IsFlat(ProcessFigures first, ProcessFigures last) =>
        last.Memory < first.Memory + MemorySlack
        && last.Handles < first.Handles + HandleSlack
        && last.Threads < first.Threads + ThreadSlack;

    private static void Configure(ResilientBackendsOptions options)
    {
        options.BufferResponsesUpTo = 64 * 1024;
        options.Timeouts.IdleConnection = TimeSpan.FromSeconds(2);
        // Sixty probes a second would keep every pooled watch in use as the load does, and at rest none would be disarmed.
        options.HealthCheck.Interval = Most(options.HealthCheck.Interval, ShortestInterval);
        options.PassiveHealth.MaxEjectionTime = Least(options.PassiveHealth.MaxEjectionTime, LongestOut);
        options.CircuitBreaker.MaxBreakDuration = Least(options.CircuitBreaker.MaxBreakDuration, LongestOut);
    }

    private static TimeSpan Least(TimeSpan one, TimeSpan other) => one < other ? one : other;

    private static TimeSpan Most(TimeSpan one, TimeSpan other) => one < other ? other : one;

    private static bool IsOn(int round, TimeSpan elapsed) =>
        ChaosSettings.SoakMinutes is { } minutes ? elapsed.TotalMinutes < minutes : round < ShortRounds;

    private static int Third(List<ProcessFigures> figures) => Math.Max(1, figures.Count / 3);

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
                    $"{figures.Count} rounds of {FaultsPerRound} faults each; figures are the least of {Looks} looks after each round.",
                ]
            );
        }
    }
}
