namespace Resilience.Benchmarks.Peers;

/// <summary>The least that a handler of any kind costs: it waits for the one within, and does nothing.</summary>
internal sealed class AwaitingHandler(HttpMessageHandler inner) : DelegatingHandler(inner)
{
    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    ) => await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
}
