using BenchmarkDotNet.Attributes;
using Resilience.Benchmarks.Harness;
using Resilience.Benchmarks.Peers;

namespace Resilience.Benchmarks;

/// <summary>
/// What a whole handler adds to one request. Its figure is the column "Extra", the difference to bare: message, transport
/// and body are in both rows.
/// </summary>
public class HandlerBenchmarks
{
    private Exchange _bare = null!;
    private Exchange _polly = null!;
    private Exchange _roundRobinPolly = null!;
    private Exchange _ours = null!;
    private Exchange _oursToHeaders = null!;
    private OurPool _pool = null!;

    [Params(Completion.Async, Completion.Sync)]
    public Completion Completion { get; set; }

    [Params(Paths.Same, Paths.Varied)]
    public Paths Paths { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _bare = Open(transport => transport);
        _polly = Open(transport => new PollyHandler(transport));
        _roundRobinPolly = Open(transport => new RoundRobinPollyHandler(Addresses.Three, transport));
        _pool = new OurPool(Addresses.Three);
        _ours = Open(transport => _pool.Wrap(transport));
        _oursToHeaders = Open(transport => _pool.Wrap(transport, tracksBodies: false));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _bare.Dispose();
        _polly.Dispose();
        _roundRobinPolly.Dispose();
        _ours.Dispose();
        _oursToHeaders.Dispose();
        _pool.Dispose();
    }

    [Benchmark(Baseline = true, Description = "bare")]
    public int Bare() => _bare.Send();

    [Benchmark(Description = "Polly retry + breaker + timeout")]
    public int Polly() => _polly.Send();

    [Benchmark(Description = "round-robin + Polly by hand")]
    public int RoundRobinPolly() => _roundRobinPolly.Send();

    [Benchmark(Description = "ours, body tracked")]
    public int Ours() => _ours.Send();

    [Benchmark(Description = "ours, until the headers")]
    public int OursToHeaders() => _oursToHeaders.Send();

    private Exchange Open(Func<HttpMessageHandler, HttpMessageHandler> wrap)
    {
        var exchange = new Exchange(Completion, wrap, Paths);
        exchange.Verify(exchange => exchange.Send(), sendings: 1);
        return exchange;
    }
}
