using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// Many requests at once on the real clock, a third of them cancelled by another thread at any step of their way: what is
/// kept for the next request (calls, time limits, watches) carries nothing over to it, and nothing is left (laws 1, 3, 4).
/// </summary>
[Trait("Category", "Slow")]
public sealed class RequestStressTests
{
    private const int Senders = 4;
    private const int RequestsOfEach = 1_500;

    [Theory]
    [InlineData(null)]
    [InlineData(2)]
    public void Send_ManyAtOnceAndSomeCancelled_TheOthersAreAnsweredAndNothingIsLeft(int? limit)
    {
        var options = new BackendPoolOptions();
        options.CircuitBreaker.Enabled = false;
        options.RetryBudget.MinimumPerSecond = 1_000_000;
        options.ConcurrencyLimit.MaxRequestsPerBackend = limit;
        using var pool = new BackendPool(
            "catalog",
            Enumerable.Range(1, 3).Select(HttpRig.Define),
            new InOrderSelector(),
            options
        );
        using var transport = new Transport();
        using var client = new HttpMessageInvoker(new ResilientHandler(pool, transport));

        Together.Run(
            Senders,
            sender =>
            {
                for (var i = 0; i < RequestsOfEach; i++)
                {
                    SendAsync(client, isCancelled: (i + sender) % 3 == 0).GetAwaiter().GetResult();
                }
            }
        );

        pool.Backends.Sum(backend => backend.InFlight).Should().Be(0);
        pool.WaitingRequests.Should().Be(0);
        pool.Find("b1")!.Failures.Should().BePositive();
        pool.Find("b2")!.Failures.Should().Be(0);
        pool.Find("b3")!.Failures.Should().Be(0);
    }

    private static async Task SendAsync(HttpMessageInvoker client, bool isCancelled)
    {
        using var source = new CancellationTokenSource();
        using var request = HttpRig.Get();
        var cancelling = isCancelled ? Task.Run(source.Cancel) : Task.CompletedTask;
        try
        {
            using var response = await client.SendAsync(request, source.Token);
            (isCancelled || response.StatusCode == HttpStatusCode.OK).Should().BeTrue();
            var text = await response.Content.ReadAsStringAsync(source.Token);
            (isCancelled || text == "hello").Should().BeTrue();
        }
        catch (Exception exception)
            when (isCancelled && (exception is OperationCanceledException or HttpRequestException))
        {
            // Who has left gets no further attempt: what there is then is the last failure, or that he left.
        }

        await cancelling;
        request.RequestUri.Should().Be(new Uri("http://catalog/"));
    }

    /// <summary>The first backend fails in one way and another; all take a moment and heed their token.</summary>
    private sealed class Transport : HttpMessageHandler, IPlainTransport
    {
        private int _failures;

        protected override async Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            await Task.Yield();
            cancellationToken.ThrowIfCancellationRequested();
            var isFailing = request.RequestUri!.Host == "b1";
            var answer = !isFailing
                ? Answers.Body(new StreamContent(new ScriptedStream("hello"u8.ToArray())))
                : (Interlocked.Increment(ref _failures) % 3) switch
                {
                    0 => Answers.Status(503),
                    1 => Answers.Break,
                    _ => Answers.Refuse,
                };
            return await answer(request, cancellationToken);
        }
    }
}
