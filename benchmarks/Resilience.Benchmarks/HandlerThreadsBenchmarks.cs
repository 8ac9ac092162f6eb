using BenchmarkDotNet.Attributes;
using Resilience.Benchmarks.Harness;
using Resilience.Benchmarks.Peers;

namespace Resilience.Benchmarks;

/// <summary>
/// What a handler adds to one request while other threads send through it too: its figure is the column "Extra". All threads
/// share the pool, or the pipeline; each is pinned to its own core, has a transport of its own, and sends all requests, so a
/// figure is the time of one request on one thread. Allocated bytes are of all threads together: with two, halve them.
/// </summary>
public class HandlerThreadsBenchmarks
{
    private const int Requests = 10_000;

    private readonly List<Exchange> _exchanges = [];
    private ThreadCrew _crew = null!;
    private OurPool _pool = null!;
    private Action<int> _bare = null!;
    private Action<int> _polly = null!;
    private Action<int> _roundRobinPolly = null!;
    private Action<int> _ours = null!;
    private Action<int> _oursToHeaders = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(Completion.Async, Completion.Sync)]
    public Completion Completion { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _crew = new ThreadCrew(Threads);
        _pool = new OurPool(Addresses.Three);
        var polly = PollyHandler.NewPipeline();
        var backends = new PollyBackends(Addresses.Three);
        _bare = Loop(transport => transport);
        _polly = Loop(transport => new PollyHandler(transport, polly));
        _roundRobinPolly = Loop(transport => new RoundRobinPollyHandler(backends, transport));
        _ours = Loop(transport => _pool.Wrap(transport));
        _oursToHeaders = Loop(transport => _pool.Wrap(transport, tracksBodies: false));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _crew.Dispose();
        _exchanges.ForEach(exchange => exchange.Dispose());
        _pool.Dispose();
    }

    [Benchmark(Baseline = true, OperationsPerInvoke = Requests, Description = "bare")]
    public void Bare() => _crew.Run(_bare);

    [Benchmark(OperationsPerInvoke = Requests, Description = "Polly retry + breaker + timeout")]
    public void Polly() => _crew.Run(_polly);

    [Benchmark(OperationsPerInvoke = Requests, Description = "round-robin + Polly by hand")]
    public void RoundRobinPolly() => _crew.Run(_roundRobinPolly);

    [Benchmark(OperationsPerInvoke = Requests, Description = "ours, body tracked")]
    public void Ours() => _crew.Run(_ours);

    [Benchmark(OperationsPerInvoke = Requests, Description = "ours, until the headers")]
    public void OursToHeaders() => _crew.Run(_oursToHeaders);

    /// <summary>What each thread runs: its own exchange, which only it uses.</summary>
    private Action<int> Loop(Func<HttpMessageHandler, HttpMessageHandler> wrap)
    {
        var exchanges = Enumerable.Range(0, Threads).Select(_ => Open(wrap)).ToArray();
        return thread =>
        {
            var exchange = exchanges[thread];
            for (var request = 0; request < Requests; request++)
            {
                exchange.Send();
            }
        };
    }

    private Exchange Open(Func<HttpMessageHandler, HttpMessageHandler> wrap)
    {
        var exchange = new Exchange(Completion, wrap, Paths.Varied);
        exchange.Verify(exchange => exchange.Send(), sendings: 1);
        _exchanges.Add(exchange);
        return exchange;
    }
}
