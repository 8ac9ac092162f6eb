using Polly;

namespace Resilience.Benchmarks.Peers;

/// <summary>One of <see cref="PollyBackends"/>.</summary>
internal sealed record PollyBackend(Uri Address, ResiliencePipeline<HttpResponseMessage> Guard);
