using System.Globalization;
using System.Net;
using Resilience.Benchmarks.Running;
using Resilience.Benchmarks.Watching;

namespace Resilience.Benchmarks.Loopback;

/// <summary>
/// What a request over real sockets costs its client in processor time, beside a bare client in the same run: every
/// contestant has its turn in every round, and the ratio is that of one round, so that a machine whose speed drifts moves
/// both. A second bare client shows what the ratio is worth. Run by <c>eng/bench-loopback</c>, which pins client and server
/// to a core each.
/// </summary>
internal static class LoopbackFigures
{
    /// <summary>The argument that asks for them, the first one.</summary>
    public const string Argument = "loopback";

    /// <summary>Half a minute: it shows that everything works, and its figures are not for publishing.</summary>
    private const string Short = "--short";

    /// <summary>The core of the server, told by the script that pins this process to another one.</summary>
    private const string ServerCore = "RESILIENCE_SERVER_CORE";

    private const int Backends = 3;

    private static readonly int[] Crowds = [1, 16, 64, 256];

    /// <summary>Those that have a budget.</summary>
    private static readonly int[] ShortCrowds = [16, 64];

    public static async Task<int> RunAsync(string[] arguments)
    {
        string[] known = [Short, PublishedTables.Option];
        if (arguments.Except(known).FirstOrDefault() is { } unknown)
        {
            await Console.Error.WriteLineAsync($"Unknown: {unknown}. There are: {string.Join(' ', known)}");
            return 1;
        }

        var isShort = arguments.Contains(Short);
        var pace = isShort
            ? new Pace(TimeSpan.FromSeconds(0.1), Rounds: 1, isShort)
            : new Pace(TimeSpan.FromSeconds(0.25), Rounds: 25, isShort);
        using var endpoints = Endpoints.Start();
        using var http2 = ServerProcess.Start(Http2Server.Argument);
        var core = Environment.GetEnvironmentVariable(ServerCore);
        if (core is not null)
        {
            endpoints.PinTo(core);
            http2.PinTo(core);
        }

        var table = new FigureTable(
            "Loopback",
            "Over",
            "At once",
            core is null ? "Client (not pinned)" : "Client",
            "Requests/s",
            "CPU µs",
            "of it user",
            "B",
            "CPU × bare",
            "least to most"
        );
        foreach (var course in Courses(endpoints, http2))
        {
            foreach (var crowd in isShort ? ShortCrowds : Crowds)
            {
                Console.WriteLine($"{course.Name}, {crowd} at once");
                using var contest = new Contest(course);
                await contest.RunAsync(crowd, pace, table);
            }
        }

        table.Show(arguments.Contains(PublishedTables.Option));
        return 0;
    }

    /// <summary>A short answer, where a handler's share is largest, and one that comes in pieces.</summary>
    private static Course[] Courses(Endpoints endpoints, ServerProcess http2)
    {
        var port = int.Parse(http2.Greeting, CultureInfo.InvariantCulture);
        var addresses = Endpoints.Addresses("http", port, Backends);
        return
        [
            new Course("HTTP/1.1, 2 B", HttpVersion.Version11, endpoints.Plain(Backends), 2),
            new Course("HTTP/2, 2 B", HttpVersion.Version20, addresses, 2),
            new Course("HTTP/2, 64 KB", HttpVersion.Version20, addresses, 64 * 1024),
        ];
    }
}
