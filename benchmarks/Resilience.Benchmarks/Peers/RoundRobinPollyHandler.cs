using Polly;

namespace Resilience.Benchmarks.Peers;

/// <summary>
/// What a careful user writes today without this library: Polly's retry around a round-robin over the backends, each with
/// its own circuit breaker and timeout. The cheapest Polly calls are used throughout; the address is rewritten as everybody
/// rewrites it. It knows no health, no budget, no draining and no tracked body.
/// </summary>
internal sealed class RoundRobinPollyHandler : DelegatingHandler
{
    private readonly ResiliencePipeline<HttpResponseMessage> _retry;
    private readonly GuardedBackend[] _backends;
    private uint _position;

    public RoundRobinPollyHandler(IEnumerable<Uri> addresses, HttpMessageHandler inner)
        : base(inner)
    {
        _retry = new ResiliencePipelineBuilder<HttpResponseMessage>().AddRetry(PollyHandler.RetryAtOnce()).Build();
        _backends = [.. addresses.Select(address => new GuardedBackend(address, Guard()))];
    }

    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        try
        {
            var outcome = await _retry
                .ExecuteOutcomeAsync(
                    static (context, call) => call.Handler.AttemptAsync(context, call.Request, call.PathAndQuery),
                    context,
                    (Handler: this, Request: request, request.RequestUri!.PathAndQuery)
                )
                .ConfigureAwait(false);
            outcome.ThrowIfException();
            return outcome.Result!;
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    private static ResiliencePipeline<HttpResponseMessage> Guard() =>
        new ResiliencePipelineBuilder<HttpResponseMessage>()
            .AddCircuitBreaker(PollyHandler.Breaker())
            .AddTimeout(TimeSpan.FromSeconds(10))
            .Build();

    private ValueTask<Outcome<HttpResponseMessage>> AttemptAsync(
        ResilienceContext context,
        HttpRequestMessage request,
        string pathAndQuery
    )
    {
        var backend = _backends[Interlocked.Increment(ref _position) % (uint)_backends.Length];
        request.RequestUri = new Uri(backend.Address, pathAndQuery);
        return backend.Guard.ExecuteOutcomeAsync(
            static (context, call) => call.Handler.SendOnceAsync(call.Request, context.CancellationToken),
            context,
            (Handler: this, Request: request)
        );
    }

    private async ValueTask<Outcome<HttpResponseMessage>> SendOnceAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        try
        {
            return Outcome.FromResult(await base.SendAsync(request, cancellationToken).ConfigureAwait(false));
        }
        catch (Exception exception)
        {
            return Outcome.FromException<HttpResponseMessage>(exception);
        }
    }

    private sealed record GuardedBackend(Uri Address, ResiliencePipeline<HttpResponseMessage> Guard);
}
