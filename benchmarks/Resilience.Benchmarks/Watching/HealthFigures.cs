using Resilience.Benchmarks.Running;

namespace Resilience.Benchmarks.Watching;

/// <summary>
/// The figures of health that no micro-benchmark can take: real sockets, real schedules, ten thousand backends. Run by
/// <c>eng/bench-health</c>.
/// </summary>
internal static class HealthFigures
{
    /// <summary>The argument that asks for them, the first one.</summary>
    public const string Argument = "health";

    /// <summary>Under a minute: it shows that everything works, and its figures are not for publishing.</summary>
    private const string Short = "--short";

    /// <summary>Followed by a file of rows that the integration tests have written.</summary>
    private const string Detection = "--detection";

    public static async Task<int> RunAsync(string[] arguments)
    {
        var publish = arguments.Contains(PublishedTables.Option);
        if (Array.IndexOf(arguments, Detection) is var at and >= 0)
        {
            DetectionFigures.Read(arguments[at + 1]).Show(publish);
            return 0;
        }

        var isShort = arguments.Contains(Short);
        var pace = isShort
            ? new Pace(TimeSpan.FromSeconds(0.25), Rounds: 1, isShort)
            : new Pace(TimeSpan.FromSeconds(2), Rounds: 5, isShort);
        // Ten thousand are due in five seconds: a look sees half of them.
        var watch = pace with
        {
            Turn = TimeSpan.FromSeconds(isShort ? 2.5 : 30),
        };
        // Memory first, while little lives in this process.
        (string Name, Func<Endpoints, Task<FigureTable[]>> Measure)[] parts =
        [
            ("memory", async _ => [await ScaleFigures.RememberAsync()]),
            ("snapshot", _ => Task.FromResult(SnapshotFigures.Measure(2 * pace.Turn))),
            ("schedule", async _ => [await ThroughputFigures.AloneAsync(pace)]),
            ("throughput", async endpoints => [await ThroughputFigures.AgainstRawAsync(endpoints, pace)]),
            ("clients", async endpoints => [await ThroughputFigures.AgainstFreshClientsAsync(endpoints, pace)]),
            ("watching", async endpoints => [await ScaleFigures.WatchAsync(endpoints, watch)]),
        ];
        var asked = arguments.Except([PublishedTables.Option, Short]).ToArray();
        var unknown = asked.Except(parts.Select(part => part.Name)).ToArray();
        if (unknown.Length > 0)
        {
            await Console.Error.WriteLineAsync(
                $"Unknown: {string.Join(' ', unknown)}. There are: {string.Join(' ', parts.Select(part => part.Name))}"
            );
            return 1;
        }

        using var endpoints = Endpoints.Start();
        foreach (var (name, measure) in parts)
        {
            if (asked.Length == 0 || asked.Contains(name))
            {
                Array.ForEach(await measure(endpoints), table => table.Show(publish));
            }
        }

        return 0;
    }
}
