using Polly;
using Polly.CircuitBreaker;
using Polly.Retry;

namespace Resilience.Benchmarks.Peers;

/// <summary>
/// Polly's retry, circuit breaker and timeout in one pipeline, as a handler for one address: no backends. It is written as
/// the handler of Microsoft.Extensions.Http.Resilience is (pooled context, outcomes instead of exceptions), which is the
/// cheapest way through a pipeline. No telemetry is attached.
/// </summary>
internal sealed class PollyHandler : DelegatingHandler
{
    private readonly ResiliencePipeline<HttpResponseMessage> _pipeline;

    public PollyHandler(HttpMessageHandler inner)
        : this(inner, NewPipeline()) { }

    /// <summary>With a pipeline that other handlers may use too.</summary>
    public PollyHandler(HttpMessageHandler inner, ResiliencePipeline<HttpResponseMessage> pipeline)
        : base(inner) => _pipeline = pipeline;

    public static ResiliencePipeline<HttpResponseMessage> NewPipeline() =>
        new ResiliencePipelineBuilder<HttpResponseMessage>()
            .AddRetry(RetryAtOnce())
            .AddCircuitBreaker(Breaker())
            .AddTimeout(TimeSpan.FromSeconds(10))
            .Build();

    /// <summary>Three attempts in total, the next one at once.</summary>
    public static RetryStrategyOptions<HttpResponseMessage> RetryAtOnce() =>
        new()
        {
            MaxRetryAttempts = 2,
            Delay = TimeSpan.Zero,
            ShouldHandle = static arguments => new ValueTask<bool>(Transient.IsRetryable(arguments.Outcome)),
        };

    /// <summary>
    /// Opens when 9 of 10 of at least 100 requests fail, so that it stays closed where a benchmark lets every second
    /// sending fail.
    /// </summary>
    public static CircuitBreakerStrategyOptions<HttpResponseMessage> Breaker() =>
        new()
        {
            FailureRatio = 0.9,
            MinimumThroughput = 100,
            SamplingDuration = TimeSpan.FromSeconds(30),
            BreakDuration = TimeSpan.FromSeconds(5),
            ShouldHandle = static arguments => new ValueTask<bool>(Transient.IsFailure(arguments.Outcome)),
        };

    protected override async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        var context = ResilienceContextPool.Shared.Get(cancellationToken);
        try
        {
            var outcome = await _pipeline
                .ExecuteOutcomeAsync(
                    static (context, call) => call.Handler.SendOnceAsync(call.Request, context.CancellationToken),
                    context,
                    (Handler: this, Request: request)
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
