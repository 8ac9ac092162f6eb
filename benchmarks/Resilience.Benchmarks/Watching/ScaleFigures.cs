using System.Diagnostics;
using System.Diagnostics.Metrics;
using Polly;
using Polly.CircuitBreaker;
using Resilience.Backends;
using Resilience.Benchmarks.Peers;
using Resilience.Benchmarks.Running;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Telemetry;

namespace Resilience.Benchmarks.Watching;

/// <summary>What it costs to watch ten thousand endpoints every five seconds, and to have them.</summary>
internal static class ScaleFigures
{
    private const int Backends = 10_000;
    private const int SlotMilliseconds = 100;

    /* A fifth of a slot's probes held back is a fifth more in the slot that follows. */
    private const int StallMilliseconds = 20;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    public static async Task<FigureTable> WatchAsync(Endpoints endpoints, Pace pace)
    {
        var table = new FigureTable(
            "HealthWatching",
            "Watched",
            "Probes/s",
            "Failed",
            "CPU ms/s",
            "of it user",
            "B per probe",
            "Fullest 100 ms over the mean",
            "Undisturbed",
            "Longest stall ms"
        );
        var addresses = endpoints.Plain(Backends);
        var idle = await IdleAsync(pace.Turn / 3);
        await using (var pool = WatchedPool.OverHttp(addresses, Watching()))
        {
            Add(
                table,
                "10,000 endpoints over HTTP",
                pool,
                await MeasureAsync(pool, pace),
                await FullestAsync(pool, pace.Turn)
            );
        }

        var (byHand, failed) = await ByHandAsync(addresses, pace);
        table.Add(
            "10,000 endpoints over HTTP, by hand",
            FigureTable.Text(byHand.PerSecond),
            FigureTable.Text(failed),
            FigureTable.Text(byHand.Spent.CpuMillisecondsPerSecond, 2),
            FigureTable.Text(byHand.Spent.UserMillisecondsPerSecond, 2),
            FigureTable.Text(byHand.Bytes),
            "-",
            "-",
            "-"
        );
        await using (var pool = WatchedPool.OverNothing(addresses, Watching()))
        {
            Add(
                table,
                "10,000, schedule alone",
                pool,
                await MeasureAsync(pool, pace),
                await FullestAsync(pool, pace.Turn)
            );
        }

        return table
            .Add(["a timer as often as the schedule's, that does nothing", .. Bare(await TickAsync(pace.Turn / 3))])
            .Add(["nothing", .. Bare(idle)]);

        static string[] Bare(Spent spent) =>
            [
                "0",
                "0",
                FigureTable.Text(spent.CpuMillisecondsPerSecond, 2),
                FigureTable.Text(spent.UserMillisecondsPerSecond, 2),
                "-",
                "-",
                "-",
                "-",
            ];
    }

    public static async Task<FigureTable> RememberAsync()
    {
        var table = new FigureTable("HealthMemory", "10,000 backends, each", "B", "µs to create");
        Uri[] addresses = [.. Enumerable.Range(0, Backends).Select(i => new Uri($"http://10.1.{i / 250}.{i % 250}"))];
        // Once for nothing, so that the code is compiled and tables that are made once exist. Each on a stack of its own,
        // which holds on to nothing of the one before.
        await Task.Run(() => HoldAsync(addresses, isWorked: true));
        var fresh = await Task.Run(() => HoldAsync(addresses, isWorked: false));
        var worked = await Task.Run(() => HoldAsync(addresses, isWorked: true));
        return table
            .Add(
                "new: definition, circuit, health, place in the schedule",
                Text(fresh.Bytes),
                FigureTable.Text(fresh.Microseconds, 2)
            )
            .Add("every rule on, probed, with requests and failures", Text(worked.Bytes), "-")
            .Add(Peer("Polly: a circuit breaker alone, used once", _ => UsedPipeline()))
            .Add(Peer("YARP: a destination with its model", index => YarpCluster.NewDestination(index, down: false)));

        static string Text(double bytes) => FigureTable.Text(bytes);
    }

    private static HealthCheckOptions Watching() => new() { Interval = Interval };

    /// <summary>What the runtime takes to wake a thread for each tick, whatever that does then.</summary>
    private static async Task<Spent> TickAsync(TimeSpan length)
    {
        var tick = TimeSpan.FromMilliseconds(ProbeSchedule.TickMilliseconds);
        await using var timer = new Timer(static _ => { }, null, tick, tick);
        return await IdleAsync(length);
    }

    private static async Task<Spent> IdleAsync(TimeSpan length)
    {
        var before = Spent.Now;
        await Task.Delay(length);
        return Spent.Now - before;
    }

    /// <summary>What the sockets cost: a pooled client and a timer, and nothing that looks at the answers.</summary>
    private static async Task<(Turn Turn, long Failed)> ByHandAsync(Uri[] addresses, Pace pace)
    {
        using var client = new HttpClient(WatchedPool.Transport());
        using var stopping = new CancellationTokenSource();
        var count = 0L;
        var failed = 0L;
        var watching = RawProber.WatchAsync(
            client,
            addresses,
            Interval,
            isAnswered => Interlocked.Increment(ref isAnswered ? ref count : ref failed),
            stopping.Token
        );
        await Compiler.SettleAsync(pace, () => Task.Delay(Interval));
        var before = (Spent: Spent.Now, Count: Interlocked.Read(ref count));
        await Task.Delay(pace.Turn);
        var turn = new Turn(Interlocked.Read(ref count) - before.Count, Spent.Now - before.Spent);
        await stopping.CancelAsync();
        await watching;
        return (turn, Interlocked.Read(ref failed));
    }

    /// <summary>From the second round on: the first one makes the connections, the second one spreads.</summary>
    private static async Task<Turn> MeasureAsync(WatchedPool pool, Pace pace)
    {
        await pool.Checker.StartAsync();
        await Compiler.SettleAsync(pace, () => Task.Delay(Interval));
        var before = (Spent: Spent.Now, pool.Checker.Statistics.Total);
        await Task.Delay(pace.Turn);
        return new Turn(pool.Checker.Statistics.Total - before.Total, Spent.Now - before.Spent);
    }

    /// <summary>
    /// How many probes begin in the fullest slot, as a multiple of the mean: of all slots, and of those before which the
    /// machine let this process run. Whatever falls due while it does not begins right after, in one slot.
    /// </summary>
    private static async Task<(double All, double Undisturbed, double LongestStall)> FullestAsync(
        WatchedPool pool,
        TimeSpan length
    )
    {
        var slots = new int[(int)(length.TotalMilliseconds / SlotMilliseconds)];
        using var stalls = new StallWatch(slots.Length, SlotMilliseconds);
        var began = Stopwatch.GetTimestamp();
        using (var listener = new MeterListener())
        {
            listener.InstrumentPublished = (instrument, self) =>
            {
                if (instrument == Instruments.ProbeDuration)
                {
                    self.EnableMeasurementEvents(instrument);
                }
            };
            listener.SetMeasurementEventCallback<double>(
                (_, seconds, _, _) =>
                {
                    var start = Stopwatch.GetElapsedTime(began).TotalMilliseconds - (seconds * 1_000);
                    var slot = (int)Math.Floor(start / SlotMilliseconds);
                    if (slot >= 0 && slot < slots.Length)
                    {
                        Interlocked.Increment(ref slots[slot]);
                    }
                }
            );
            listener.Start();
            await Task.Delay(length);
        }

        await pool.Checker.StopAsync();
        var longest = stalls.Stop();
        var undisturbed = slots
            .Where((_, i) => longest[i] < StallMilliseconds && (i == 0 || longest[i - 1] < StallMilliseconds))
            .ToArray();
        var mean = slots.Average();
        return (slots.Max() / mean, undisturbed.Length == 0 ? double.NaN : undisturbed.Max() / mean, longest.Max());
    }

    private static void Add(
        FigureTable table,
        string what,
        WatchedPool pool,
        Turn turn,
        (double All, double Undisturbed, double LongestStall) fullest
    ) =>
        table.Add(
            what,
            FigureTable.Text(turn.PerSecond),
            FigureTable.Text(pool.Checker.Statistics.Failed),
            FigureTable.Text(turn.Spent.CpuMillisecondsPerSecond, 2),
            FigureTable.Text(turn.Spent.UserMillisecondsPerSecond, 2),
            FigureTable.Text(turn.Bytes),
            FigureTable.Text(fullest.All, 2),
            FigureTable.Text(fullest.Undisturbed, 2),
            FigureTable.Text(fullest.LongestStall)
        );

    /// <summary>What is alive after a full collection, less what was before.</summary>
    private static async Task<(double Bytes, double Microseconds)> HoldAsync(Uri[] addresses, bool isWorked)
    {
        await Task.Delay(SlotMilliseconds);
        var before = Alive();
        BackendDefinition[] definitions = [.. addresses.Select(address => new BackendDefinition(address))];
        var began = Stopwatch.GetTimestamp();
        await using var pool = new BackendPool("catalog", definitions, new RoundRobinSelector());
        var time = Stopwatch.GetElapsedTime(began);
        var rules = isWorked
            ? new PassiveHealthOptions
            {
                SlowResponseTime = TimeSpan.FromSeconds(1),
                RelativeFailureGap = 0.3,
                RelativeTimeFactor = 3,
            }
            : new PassiveHealthOptions();
        var passive = new PassiveHealthChecker(pool, rules);
        var well = new ProbeResult(true, "well");
        await using var checker = new HealthChecker(
            pool,
            Watching(),
            HealthProbe.From((_, _) => ValueTask.FromResult(well))
        );
        await checker.StartAsync();
        if (isWorked)
        {
            foreach (var backend in pool.Backends)
            {
                Work(backend, passive);
            }
        }

        var bytes = (double)(Alive() - before) / addresses.Length;
        GC.KeepAlive(definitions);
        return (bytes, time.TotalMicroseconds / addresses.Length);
    }

    /// <summary>A row for as many of what a peer has for one backend.</summary>
    private static string[] Peer(string name, Func<int, object> make)
    {
        // Once for nothing, as above.
        Hold(make);
        var (bytes, microseconds) = Hold(make);
        return [name, FigureTable.Text(bytes), FigureTable.Text(microseconds, 2)];
    }

    private static (double Bytes, double Microseconds) Hold(Func<int, object> make)
    {
        var held = new object[Backends];
        var before = Alive();
        var began = Stopwatch.GetTimestamp();
        for (var index = 0; index < held.Length; index++)
        {
            held[index] = make(index);
        }

        var time = Stopwatch.GetElapsedTime(began);
        var bytes = (double)(Alive() - before) / held.Length;
        GC.KeepAlive(held);
        return (bytes, time.TotalMicroseconds / held.Length);
    }

    private static ResiliencePipeline UsedPipeline()
    {
        var pipeline = new ResiliencePipelineBuilder().AddCircuitBreaker(new CircuitBreakerStrategyOptions()).Build();
        pipeline.Execute(static () => { });
        return pipeline;
    }

    private static long Alive()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }

    private static void Work(Backend backend, PassiveHealthChecker passive)
    {
        var observer = backend.Pool.Observer!;
        var isCounted = observer.OnStarted(backend);
        backend.OnAnswered(
            new AttemptOutcome(OutcomeKind.Success, StatusCode: 200),
            TimeSpan.FromMilliseconds(2),
            isCounted
        );
        passive.RecordSuccess(backend, TimeSpan.FromMilliseconds(2));
        passive.RecordFailure(backend);
    }
}
