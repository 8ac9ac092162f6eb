using Polly;

namespace Resilience.Benchmarks.Peers;

/// <summary>
/// The backends of a <see cref="RoundRobinPollyHandler"/>, taken in turn, each with a breaker and a timeout of its own; may be
/// shared by several handlers. Thread-safe.
/// </summary>
internal sealed class PollyBackends(IEnumerable<Uri> addresses)
{
    private readonly PollyBackend[] _backends = [.. addresses.Select(address => new PollyBackend(address, NewGuard()))];
    private uint _position;

    /// <summary>The next one.</summary>
    public PollyBackend Next() => _backends[Interlocked.Increment(ref _position) % (uint)_backends.Length];

    private static ResiliencePipeline<HttpResponseMessage> NewGuard() =>
        new ResiliencePipelineBuilder<HttpResponseMessage>()
            .AddCircuitBreaker(PollyHandler.Breaker())
            .AddTimeout(TimeSpan.FromSeconds(10))
            .Build();
}
