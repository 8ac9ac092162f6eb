using BenchmarkDotNet.Attributes;
using Resilience.Benchmarks.Harness;
using Resilience.Benchmarks.Peers;

namespace Resilience.Benchmarks;

/// <summary>
/// What moving a request to another backend adds, after an answer 503 and after a faulted sending. Its figure is the column
/// "Failover": the extra over bare with the fault, less the extra over bare without one. Bare with a fault sends twice by
/// hand, so that the second sending is not counted either.
/// </summary>
public class FailoverBenchmarks
{
    private Exchange _bare = null!;
    private Exchange _polly = null!;
    private Exchange _roundRobinPolly = null!;
    private Exchange _ours = null!;
    private OurPool _pool = null!;

    [Params(Completion.Async, Completion.Sync)]
    public Completion Completion { get; set; }

    /// <summary>Not each with every <see cref="Completion"/>: see <see cref="Running.FailoverRows"/>.</summary>
    [Params(Paths.Same, Paths.Varied)]
    public Paths Paths { get; set; }

    [Params(Fault.None, Fault.Answer503, Fault.FaultedSend)]
    public Fault Fault { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _bare = new Exchange(Completion, transport => transport, Paths);
        _bare.Verify(SendBare, Sendings);
        _polly = Open(transport => new PollyHandler(transport));
        _roundRobinPolly = Open(transport => new RoundRobinPollyHandler(Addresses.Three, transport));
        _pool = new OurPool(Addresses.Three, everySecondSendingFails: true);
        _ours = Open(transport => _pool.Wrap(transport));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _bare.Dispose();
        _polly.Dispose();
        _roundRobinPolly.Dispose();
        _ours.Dispose();
        _pool.Dispose();
    }

    [Benchmark(Baseline = true, Description = "bare, sent again by hand")]
    public int Bare() => SendBare(_bare);

    [Benchmark(Description = "Polly retry + breaker + timeout")]
    public int Polly() => _polly.Send(Fault);

    [Benchmark(Description = "round-robin + Polly by hand")]
    public int RoundRobinPolly() => _roundRobinPolly.Send(Fault);

    [Benchmark(Description = "ours, body tracked")]
    public int Ours() => _ours.Send(Fault);

    private int Sendings => Fault == Fault.None ? 1 : 2;

    private int SendBare(Exchange exchange) => Fault == Fault.None ? exchange.Send() : exchange.SendTwiceByHand(Fault);

    private Exchange Open(Func<HttpMessageHandler, HttpMessageHandler> wrap)
    {
        var exchange = new Exchange(Completion, wrap, Paths);
        // More than once: the failures must not open a circuit or use up a budget.
        for (var round = 0; round < 1_000; round++)
        {
            exchange.Verify(exchange => exchange.Send(Fault), Sendings);
        }

        return exchange;
    }
}
