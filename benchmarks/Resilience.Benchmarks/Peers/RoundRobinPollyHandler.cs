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
    private readonly PollyBackends _backends;

    public RoundRobinPollyHandler(IEnumerable<Uri> addresses, HttpMessageHandler inner)
        : this(new PollyBackends(addresses), inner) { }

    public RoundRobinPollyHandler(PollyBackends backends, HttpMessageHandler inner)
        : base(inner)
    {
        _retry = new ResiliencePipelineBuilder<HttpResponseMessage>().AddRetry(PollyHandler.RetryAtOnce()).Build();
        _backends = backends;
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

    private ValueTask<Outcome<HttpResponseMessage>> AttemptAsync(
        ResilienceContext context,
        HttpRequestMessage request,
        string pathAndQuery
    )
    {
        var backend = _backends.Next();
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
}
