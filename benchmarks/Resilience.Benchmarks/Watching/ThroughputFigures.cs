using Resilience.Benchmarks.Running;
using Resilience.Health.Active;

namespace Resilience.Benchmarks.Watching;

/// <summary>
/// Probes a second and what each costs: our checker, always behind, beside the same requests by hand, in turns; then both
/// beside a new client for every probe.
/// </summary>
internal static class ThroughputFigures
{
    private const int Addresses = 1_024;
    private const int FreshWorkers = 10;

    /* So many that the one worker, who needs a microsecond or two for each, never rests. */
    private const int Alone = 32 * Addresses;

    private static readonly int[] Workers = [1, 10, 64];

    public static async Task<FigureTable> AgainstRawAsync(Endpoints endpoints, Pace pace)
    {
        var table = new FigureTable(
            "HealthThroughput",
            "Workers",
            "Raw probes/s",
            "Ours probes/s",
            "Ratio",
            "Raw CPU µs",
            "Raw user µs",
            "Ours CPU µs",
            "Ours user µs",
            "Raw B",
            "Ours B"
        );
        var addresses = endpoints.Plain(Addresses);
        foreach (var workers in Workers)
        {
            var (raw, ours) = await CompareAsync(addresses, workers, pace);
            table.Add(
                $"{workers}",
                FigureTable.Text(raw.PerSecond),
                FigureTable.Text(ours.PerSecond),
                FigureTable.Text(ours.PerSecond / raw.PerSecond, 2),
                FigureTable.Text(raw.CpuMicroseconds, 1),
                FigureTable.Text(raw.UserMicroseconds, 1),
                FigureTable.Text(ours.CpuMicroseconds, 1),
                FigureTable.Text(ours.UserMicroseconds, 1),
                FigureTable.Text(raw.Bytes),
                FigureTable.Text(ours.Bytes)
            );
        }

        return table;
    }

    /// <summary>Without a network: a probe that has its result at once, in the hands of one worker.</summary>
    public static async Task<FigureTable> AloneAsync(Pace pace)
    {
        Uri[] addresses = [.. Enumerable.Range(0, Alone).Select(i => new Uri($"http://10.1.{i / 250}.{i % 250}/"))];
        await using var alone = WatchedPool.OverNothing(addresses, AlwaysBehind(1));
        await Compiler.SettleAsync(pace, () => alone.RunAsync(pace.Turn));
        var turns = new List<Turn>();
        for (var round = 0; round < pace.Rounds; round++)
        {
            turns.Add(await alone.RunAsync(pace.Turn));
        }

        var own = Turn.Middle(turns);
        return new FigureTable("HealthSchedule", "One probe", "Probes/s", "CPU µs", "B").Add(
            "schedule and verdict alone",
            FigureTable.Text(own.PerSecond),
            FigureTable.Text(own.CpuMicroseconds, 2),
            FigureTable.Text(own.Bytes)
        );
    }

    public static async Task<FigureTable> AgainstFreshClientsAsync(Endpoints endpoints, Pace pace)
    {
        var table = new FigureTable("HealthClients", "Over", "Client", "Probes/s", "CPU µs", "B");
        await AddAsync(table, "HTTP", endpoints.Plain(Addresses), pace);
        await AddAsync(table, "TLS", endpoints.Secure(Addresses), pace);
        return table;
    }

    private static async Task AddAsync(FigureTable table, string over, Uri[] addresses, Pace pace)
    {
        await using var ours = WatchedPool.OverHttp(addresses, AlwaysBehind(FreshWorkers));
        var (kept, thrownAway) = (new List<Turn>(), new List<Turn>());
        await Compiler.SettleAsync(pace, RoundAsync);
        thrownAway.Clear();
        kept.Clear();
        for (var round = 0; round < pace.Rounds; round++)
        {
            await RoundAsync();
        }

        Add("new for each probe", Turn.Middle(thrownAway));
        Add("ours, kept", Turn.Middle(kept));

        async Task RoundAsync()
        {
            thrownAway.Add(await RawProber.RunFreshAsync(WatchedPool.Transport, addresses, FreshWorkers, pace.Turn));
            kept.Add(await ours.RunAsync(pace.Turn));
        }

        void Add(string client, Turn turn) =>
            table.Add(
                over,
                client,
                FigureTable.Text(turn.PerSecond),
                FigureTable.Text(turn.CpuMicroseconds, 1),
                FigureTable.Text(turn.Bytes)
            );
    }

    private static async Task<(Turn Raw, Turn Ours)> CompareAsync(Uri[] addresses, int workers, Pace pace)
    {
        await using var ours = WatchedPool.OverHttp(addresses, AlwaysBehind(workers));
        using var client = new HttpClient(WatchedPool.Transport());
        // It makes the connections too.
        await Compiler.SettleAsync(
            pace,
            async () =>
            {
                await RawProber.RunAsync(client, addresses, workers, pace.Turn);
                await ours.RunAsync(pace.Turn);
            }
        );
        var (raw, checker) = (new List<Turn>(), new List<Turn>());
        for (var round = 0; round < pace.Rounds; round++)
        {
            raw.Add(await RawProber.RunAsync(client, addresses, workers, pace.Turn));
            checker.Add(await ours.RunAsync(pace.Turn));
        }

        return (Turn.Middle(raw), Turn.Middle(checker));
    }

    /// <summary>Due sooner than the workers can come round.</summary>
    private static HealthCheckOptions AlwaysBehind(int workers) =>
        new()
        {
            Interval = TimeSpan.FromMilliseconds(10),
            // On a busy machine a probe may wait long for its turn; what is measured is not how long.
            Timeout = TimeSpan.FromSeconds(30),
            MaxConcurrency = workers,
        };
}
