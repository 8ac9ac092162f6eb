using System.Diagnostics;
using Resilience.Backends;
using Resilience.Benchmarks.Harness;
using Resilience.Http;
using Resilience.Selection;

namespace Resilience.Benchmarks.Watching;

/// <summary>
/// What a pool of ten thousand backends pays for its snapshot, and what requests notice of it while every backend changes
/// within a second.
/// </summary>
internal static class SnapshotFigures
{
    private const int Backends = 10_000;
    private const int Rebuilds = 300;
    private const int FlipsAtOnce = 10;

    public static FigureTable[] Measure(TimeSpan length)
    {
        using var pool = new BackendPool(
            "catalog",
            Enumerable.Range(0, Backends).Select(i => new BackendDefinition($"http://10.1.{i / 250}.{i % 250}/")),
            new RoundRobinSelector()
        );
        var rebuilds = new FigureTable("HealthSnapshot", "10,000 backends", "µs", "B");
        Rebuild(pool);
        var (microseconds, bytes) = Rebuild(pool);
        rebuilds.Add("one rebuild, in the middle", FigureTable.Text(microseconds), FigureTable.Text(bytes));

        var latency = new FigureTable(
            "HealthSnapshotLatency",
            "Requests meanwhile",
            "Requests/s",
            "p50 µs",
            "p99 µs",
            "p99.9 µs",
            "Changes/s",
            "Rebuilds/s"
        );
        using var exchange = new Exchange(Completion.Sync, transport => new ResilientHandler(pool, transport));
        // The first look is for the compiler.
        Look(pool, exchange, length / 2, flips: true);
        foreach (var flips in new[] { false, true, false, true })
        {
            latency.Add([flips ? "all flip within a second" : "none flips", .. Look(pool, exchange, length, flips)]);
        }

        return [rebuilds, latency];
    }

    private static (double Microseconds, double Bytes) Rebuild(BackendPool pool)
    {
        var times = new double[Rebuilds];
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Rebuilds; i++)
        {
            var began = Stopwatch.GetTimestamp();
            pool.Refresh();
            times[i] = Stopwatch.GetElapsedTime(began).TotalMicroseconds;
        }

        var bytes = (double)(GC.GetAllocatedBytesForCurrentThread() - before) / Rebuilds;
        Array.Sort(times);
        return (times[Rebuilds / 2], bytes);
    }

    private static string[] Look(BackendPool pool, Exchange exchange, TimeSpan length, bool flips)
    {
        var backends = pool.Backends;
        var version = pool.Snapshot.Version;
        using var stopping = new CancellationTokenSource();
        var changes = 0;
        var flipping = new Thread(() => changes = Flip(backends, stopping.Token)) { IsBackground = true };
        var began = Stopwatch.GetTimestamp();
        if (flips)
        {
            flipping.Start();
        }

        var times = new List<double>(1 << 22);
        while (Stopwatch.GetElapsedTime(began) < length)
        {
            var sent = Stopwatch.GetTimestamp();
            exchange.Send();
            times.Add(Stopwatch.GetElapsedTime(sent).TotalMicroseconds);
        }

        var seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
        var rebuilds = pool.Snapshot.Version - version;
        stopping.Cancel();
        if (flips)
        {
            flipping.Join();
        }

        times.Sort();
        return
        [
            FigureTable.Text(times.Count / seconds),
            FigureTable.Text(times[times.Count / 2], 2),
            FigureTable.Text(times[(int)(times.Count * 0.99)], 2),
            FigureTable.Text(times[(int)(times.Count * 0.999)], 2),
            FigureTable.Text(changes / seconds),
            FigureTable.Text(rebuilds / seconds, 1),
        ];
    }

    /// <summary>A few every millisecond, so that all are through in a second; then back again.</summary>
    private static int Flip(IReadOnlyList<Backend> backends, CancellationToken stopping)
    {
        var began = Stopwatch.GetTimestamp();
        var flipped = 0;
        while (!stopping.IsCancellationRequested)
        {
            var due = (int)Stopwatch.GetElapsedTime(began).TotalMilliseconds * FlipsAtOnce;
            for (; flipped < due; flipped++)
            {
                backends[flipped % Backends].SetAlive(flipped / Backends % 2 == 1);
            }

            Thread.Sleep(1);
        }

        return flipped;
    }
}
