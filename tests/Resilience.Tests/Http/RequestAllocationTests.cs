using System.Diagnostics;
using System.Net;
using System.Reflection;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Selection;

namespace Resilience.Tests.Http;

/// <summary>
/// What the handler allocates for a whole request that is answered at once, its body read to the end: no object more than
/// today, and nothing for settings that no request has. What the same costs without a handler is taken off, and what is
/// made only once. Some of it is the platform's: where a patch of that allocates more, the figures follow.
/// </summary>
/// <remarks>
/// Alone in the process: other tests' listeners, and requests with settings of their own, would change what is measured.
/// </remarks>
[Collection(HttpTelemetryCollection.Name)]
public sealed class RequestAllocationTests : IDisposable
{
    private const int Times = 500;

#if DEBUG
    /// <summary>A build for debugging keeps the state of an asynchronous method in an object.</summary>
    private const int Debugging = 120;
#else
    private const int Debugging = 0;
#endif

    /// <summary>Less than the smallest object, 24 bytes: one more for each request fails the tests.</summary>
    private const int Margin = 16 + Debugging;

    /// <summary>The bag in which a request carries options, made with the first look into it.</summary>
    private const int Bag = 104;

    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private static readonly Uri Address = new("http://catalog/v1/products/42");

    /// <summary>Nothing is wrong with this: it only makes every request look for settings.</summary>
    public void Dispose() => SetUsed(true);

    [Theory]
    [InlineData(true, true, 488)]
    [InlineData(false, true, 560)]
    [InlineData(true, false, 624)] // Without a body the record of what happened is in the request's bag.
    [InlineData(false, false, 696)]
    public void Request_NoneEverHadSettingsOfItsOwn_AllocatesNoMoreThanToday(bool isAsync, bool hasBody, int today)
    {
        using var way = new Way(isAsync, hasBody);
        SetUsed(false);

        var allocated = way.Measure(NewMessage, today + Margin);

        allocated.Should().BeLessThanOrEqualTo(today + Margin);
    }

    [Theory]
    [InlineData(true, 488)]
    [InlineData(false, 560)]
    public void Request_OthersHaveSettingsOfTheirOwn_AllocatesTheBagToLookInto(bool isAsync, int today)
    {
        using var way = new Way(isAsync, hasBody: true);
        SetUsed(false);
        NewMessage().ConfigureResilience(_ => { });

        var allocated = way.Measure(NewMessage, today + Bag + Margin);

        allocated.Should().BeLessThanOrEqualTo(today + Bag + Margin);
    }

    [Theory]
    [InlineData(true, 488)]
    [InlineData(false, 560)]
    public void Request_WithSettingsOfItsOwn_AllocatesNothingForThem(bool isAsync, int today)
    {
        using var way = new Way(isAsync, hasBody: true);

        var allocated = way.Measure(
            () => NewMessage().ConfigureResilience(options => options.TotalTimeout = TimeSpan.FromSeconds(7)),
            today + Margin
        );

        allocated.Should().BeLessThanOrEqualTo(today + Margin);
    }

    /// <summary>As in a process in which no request has ever had settings of its own, or one has.</summary>
    private static void SetUsed(bool isUsed) =>
        typeof(ResilientRequestOptions)
            .GetField("IsUsed", BindingFlags.NonPublic | BindingFlags.Static)!
            .SetValue(null, isUsed);

    private static HttpRequestMessage NewMessage()
    {
        var message = new HttpRequestMessage(HttpMethod.Get, Address);
        message.Headers.TryAddWithoutValidation("Accept", "application/json");
        return message;
    }

    /// <summary>The way through a handler, and the same without it.</summary>
    private sealed class Way : IDisposable
    {
        private readonly bool _isAsync;
        private readonly byte[] _buffer = new byte[64];
        private readonly CancellationTokenSource _caller = new();
        private readonly BackendPool _pool;
        private readonly HttpMessageInvoker _bare;
        private readonly HttpMessageInvoker _client;

        public Way(bool isAsync, bool hasBody)
        {
            _isAsync = isAsync;
            _bare = new HttpMessageInvoker(new Transport(hasBody));
            // On the system's clock, as in production: what belongs to a fake one is not kept for the next request.
            _pool = new BackendPool("catalog", [HttpRig.Define(1), HttpRig.Define(2)], new RoundRobinSelector());
            _client = new HttpMessageInvoker(new ResilientHandler(_pool, new Transport(hasBody)));
        }

        /// <summary>
        /// Bytes for each request. The least of as many rounds as it takes to fit: what is made only once, or only until
        /// code has been optimised, does not count, and only a handler that never fits takes all the time there is.
        /// </summary>
        public double Measure(Func<HttpRequestMessage> create, double atMost)
        {
            var (with, without) = (long.MaxValue, long.MaxValue);
            var began = Stopwatch.GetTimestamp();
            double each;
            do
            {
                with = Math.Min(with, Round(_client, create));
                without = Math.Min(without, Round(_bare, create));
                each = (double)(with - without) / Times;
            } while (each > atMost && Stopwatch.GetElapsedTime(began) < Limit);
            return each;
        }

        public void Dispose()
        {
            _client.Dispose();
            _bare.Dispose();
            _pool.Dispose();
            _caller.Dispose();
        }

        private long Round(HttpMessageInvoker client, Func<HttpRequestMessage> create)
        {
            // The messages are their callers'.
            var messages = Enumerable.Range(0, Times).Select(_ => create()).ToArray();
            var before = GC.GetAllocatedBytesForCurrentThread();
            foreach (var message in messages)
            {
                Send(client, message);
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        private void Send(HttpMessageInvoker client, HttpRequestMessage message)
        {
            using var response = _isAsync
                ? client.SendAsync(message, _caller.Token).Result
                : client.Send(message, _caller.Token);
            var body = response.Content.ReadAsStream(_caller.Token);
            while (body.Read(_buffer) > 0) { }
        }
    }

    /// <summary>Answers at once with a body of a known length, as it comes over a wire.</summary>
    private sealed class Transport(bool hasBody) : HttpMessageHandler, IPlainTransport
    {
        private static readonly byte[] Body = new byte[64];

        protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (!hasBody)
            {
                return new HttpResponseMessage(HttpStatusCode.NoContent) { RequestMessage = request };
            }

            var response = new HttpResponseMessage
            {
                RequestMessage = request,
                Content = new StreamContent(new WireStream(Body)),
            };
            response.Content.Headers.TryAddWithoutValidation("Content-Length", "64");
            response.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
            return response;
        }

        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        ) => Task.FromResult(Send(request, cancellationToken));
    }

    private sealed class WireStream(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
