using System.Diagnostics;
using Resilience.Benchmarks.Peers;
using Resilience.Benchmarks.Running;
using Resilience.Benchmarks.Watching;
using Resilience.Http;

namespace Resilience.Benchmarks.Loopback;

/// <summary>
/// The clients that are compared, each with a transport and connections of its own, all made alike. Every request asks for
/// something else, by an address that was made before. Those that know no backends are given each backend's address in turn,
/// whoever asks: if each flow of requests went its own round, those that happen to be in step would share a write over
/// HTTP/2, and the others' round-robin would seem to cost what that saves. Those that know them are given the logical
/// address, from which they have to make the backend's themselves.
/// </summary>
internal sealed class Contest : IDisposable
{
    private readonly Course _course;
    private readonly OurPool _pool;
    private readonly (string Name, HttpClient Client, Uri[] Requests)[] _contestants;

    public Contest(Course course)
    {
        _course = course;
        _pool = new OurPool(course.Backends);
        var addresses = course.RequestsTo(course.Backends);
        var logical = course.RequestsTo(new Uri("http://catalog/"));
        _contestants =
        [
            ("bare", Client(ResilientTransport.Create()), addresses),
            ("bare, the control", Client(ResilientTransport.Create()), addresses),
            ("a handler that awaits", Client(new AwaitingHandler(ResilientTransport.Create())), addresses),
            ("Polly retry + breaker + timeout", Client(new PollyHandler(ResilientTransport.Create())), addresses),
            (
                "round-robin + Polly by hand",
                Client(new RoundRobinPollyHandler(course.Backends, ResilientTransport.Create())),
                logical
            ),
            ("ours, until the headers", Client(Ours(tracksBodies: false)), logical),
            ("ours, body tracked", Client(Ours(tracksBodies: true)), logical),
        ];
    }

    /// <summary>So many requests at once, in turns.</summary>
    public async Task RunAsync(int crowd, Pace pace, FigureTable table)
    {
        var turns = _contestants.Select(_ => new List<Turn>()).ToArray();
        await Compiler.SettleAsync(
            pace,
            async () =>
            {
                foreach (var (_, client, requests) in _contestants)
                {
                    await TakeTurnAsync(client, requests, crowd, pace.Turn);
                }
            }
        );
        for (var round = 0; round < pace.Rounds; round++)
        {
            for (var i = 0; i < _contestants.Length; i++)
            {
                // Another one begins each round: whoever follows a costly one would find a warm machine every time.
                var at = (i + round) % _contestants.Length;
                var (_, client, requests) = _contestants[at];
                turns[at].Add(await TakeTurnAsync(client, requests, crowd, pace.Turn));
            }
        }

        for (var i = 0; i < _contestants.Length; i++)
        {
            var middle = Turn.Middle(turns[i]);
            double[] ratios =
            [
                .. turns[i].Zip(turns[0], (own, bare) => own.CpuMicroseconds / bare.CpuMicroseconds).Order(),
            ];
            table.Add(
                _course.Name,
                $"{crowd}",
                _contestants[i].Name,
                FigureTable.Text(middle.PerSecond),
                FigureTable.Text(middle.CpuMicroseconds, 2),
                FigureTable.Text(middle.CpuMicroseconds * Turn.UserShare(turns[i]), 2),
                FigureTable.Text(middle.Bytes),
                i == 0 ? "1" : FigureTable.Text(ratios[pace.Rounds / 2], 3),
                i == 0 ? "-" : $"{FigureTable.Text(ratios[0], 3)} to {FigureTable.Text(ratios[^1], 3)}"
            );
        }
    }

    public void Dispose()
    {
        foreach (var (_, client, _) in _contestants)
        {
            client.Dispose();
        }

        _pool.Dispose();
    }

    private ResilientHandler Ours(bool tracksBodies) => _pool.Wrap(ResilientTransport.Create(), tracksBodies);

    private HttpClient Client(HttpMessageHandler handler) =>
        new(handler)
        {
            DefaultRequestVersion = _course.Version,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

    private static async Task<Turn> TakeTurnAsync(HttpClient client, Uri[] requests, int crowd, TimeSpan length)
    {
        var before = Spent.Now;
        var began = Stopwatch.GetTimestamp();
        var next = Random.Shared.Next(requests.Length);
        var counts = await Task.WhenAll(Enumerable.Range(0, crowd).Select(_ => Task.Run(LoopAsync)));
        return new Turn(counts.Sum(), Spent.Now - before);

        async Task<long> LoopAsync()
        {
            var count = 0L;
            while (Stopwatch.GetElapsedTime(began) < length)
            {
                var turn = (uint)Interlocked.Increment(ref next);
                using var response = await client.GetAsync(requests[turn % requests.Length]);
                response.EnsureSuccessStatusCode();
                count++;
            }

            return count;
        }
    }
}
