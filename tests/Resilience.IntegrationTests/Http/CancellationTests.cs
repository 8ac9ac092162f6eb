using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.TestBackend;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// The caller's cancellation is nobody's fault: more of them than would eject a backend and open its circuit leave no
/// trace, and give back all that they held (laws 3 and 4).
/// </summary>
public sealed class CancellationTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    /// <summary>More than the 5 failures that eject and the 10 that open a circuit.</summary>
    private const int Many = 12;

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Cancel_BeforeTheHeaders_LeavesNoTrace(string method)
    {
        var client = Connect(Both);
        var (balance, id) = (client.Pool.Budget.Balance, $"cancel-{method}");
        for (var i = 0; i < Many; i++)
        {
            using var leave = new CancellationTokenSource();
            using var request = new HttpRequestMessage(new HttpMethod(method), Relative("hang"));
            request.Headers.Add("X-Request-Id", $"{id}-{i}");
            var sending = client.Http.SendAsync(request, leave.Token);
            await ArrivesAsync($"{id}-{i}");

            await leave.CancelAsync();

            (await sending.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>())
                .Which.CancellationToken.Should()
                .Be(leave.Token);
            AssertNoTrace(client);
            (await backends.ArrivedAsync($"{id}-{i}")).Should().ContainSingle("it was not sent again");
        }

        client.Pool.Budget.Balance.Should().Be(balance);
    }

    [Fact]
    public async Task Cancel_BeforeItIsSent_ReachesNoBackend()
    {
        var client = Connect(Both);
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("echo"));
        request.Headers.Add("X-Request-Id", "cancelled-before");

        var sending = () => client.Http.SendAsync(request, new CancellationToken(canceled: true));

        await sending.Should().ThrowAsync<OperationCanceledException>();
        AssertNoTrace(client);
        (await backends.ArrivedAsync("cancelled-before")).Should().BeEmpty();
    }

    [Fact]
    public async Task Cancel_InTheBodyWhileReading_LeavesNoTrace()
    {
        var client = Connect(Both);
        for (var i = 0; i < Many; i++)
        {
            using var leave = new CancellationTokenSource();
            using var response = await HeadersOfAsync(client);
            var body = await response.Content.ReadAsStreamAsync();
            var reading = body.ReadAsync(new byte[10], leave.Token).AsTask();

            await leave.CancelAsync();

            await reading.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
            AssertNoTrace(client);
        }
    }

    [Fact]
    public async Task Cancel_InTheBodyWhileTheClientBuffersIt_LeavesNoTrace()
    {
        var client = Connect(Both);
        for (var i = 0; i < Many; i++)
        {
            using var leave = new CancellationTokenSource();
            using var request = new HttpRequestMessage(HttpMethod.Get, Relative("headers-then-hang"));
            request.Headers.Add("X-Request-Id", $"buffered-{i}");
            var sending = client.Http.SendAsync(request, leave.Token);
            // The success of the headers is all that an attempt can show before its body's end.
            await ArrivesAsync($"buffered-{i}");

            await leave.CancelAsync();

            await sending.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
            AssertNoTrace(client);
        }
    }

    [Fact]
    public async Task Dispose_OfAResponseWhoseBodyIsBeingRead_LeavesNoTrace()
    {
        var client = Connect(Both);
        var response = await HeadersOfAsync(client);
        var body = await response.Content.ReadAsStreamAsync();
        var reading = body.ReadAsync(new byte[10]).AsTask();

        // Once is enough to leave a trace; the platform drains the rest of the body for a while, which takes its time.
        response.Dispose();

        await reading.ContinueWith(_ => { }, TaskScheduler.Default).WaitAsync(Limits.Wait);
        AssertNoTrace(client);
    }

    [Fact]
    public async Task Dispose_OfAResponseThatIsNotRead_LeavesNoTrace()
    {
        var client = Connect(Both);
        for (var i = 0; i < Many; i++)
        {
            var response = await HeadersOfAsync(client);
            client.Pool.Backends.Sum(each => each.InFlight).Should().Be(1);

            response.Dispose();

            AssertNoTrace(client);
        }
    }

    [Fact]
    public async Task Timeout_OfTheClientItself_LeavesNoTrace()
    {
        var client = Connect(Both);
        client.Http.Timeout = TimeSpan.FromMilliseconds(100);
        for (var i = 0; i < Many; i++)
        {
            var sending = () => client.Http.GetAsync(Relative("hang"));

            (await sending.Should().ThrowAsync<TaskCanceledException>())
                .Which.InnerException.Should()
                .BeOfType<TimeoutException>();
            AssertNoTrace(client);
        }
    }

    [Fact]
    public async Task CancelPendingRequests_OfTheClient_LeavesNoTrace()
    {
        var client = Connect(Both);
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("hang"));
        request.Headers.Add("X-Request-Id", "pending");
        var sending = client.Http.SendAsync(request);
        await ArrivesAsync("pending");

        client.Http.CancelPendingRequests();

        await sending.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
        AssertNoTrace(client);
    }

    [Fact]
    public async Task Cancel_ManyAtOnce_GivesBackEveryLease()
    {
        var client = Connect(Both);
        using var leave = new CancellationTokenSource();
        var sendings = Enumerable
            .Range(0, 50)
            .Select(_ => client.Http.GetAsync(Relative("hang"), leave.Token))
            .ToList();
        await Eventually.BecomesTrueAsync(
            () => client.Pool.Backends.Sum(each => each.InFlight) == 50,
            Limits.Wait,
            "all are in flight"
        );

        await leave.CancelAsync();

        foreach (var sending in sendings)
        {
            await sending.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
        }

        AssertNoTrace(client);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Timeout_OfAnAttempt_IsTheBackendsFaultAndSaysSo(bool isTotal)
    {
        var (time, id) = (new FakeTime(), $"timeout-{isTotal}");
        var client = Connect(time, options => options.Add(backends.A));
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("hang"));
        request.Headers.Add("X-Request-Id", id);
        request.ConfigureResilience(options =>
        {
            options.AttemptTimeout = TimeSpan.FromMilliseconds(100);
            options.TotalTimeout = isTotal ? TimeSpan.FromMilliseconds(100) : null;
            options.Retry = isTotal;
        });

        var sending = () =>
            SendPastAsync(
                async () => (await backends.ArrivedAsync(id)).Count > 0,
                time,
                () => client.Http.SendAsync(request)
            );

        var problem = (await sending.Should().ThrowAsync<TaskCanceledException>()).Which;
        problem.InnerException.Should().BeOfType<TimeoutException>();
        problem.Message.Should().Contain(isTotal ? "total timeout" : "attempt timeout");
        client["a"].Failures.Should().Be(1);
    }

    private void Both(ResilientBackendsOptions options) => options.Add(backends.A, backends.B);

    private static Task<HttpResponseMessage> HeadersOfAsync(ResilientClient client) =>
        client.Http.GetAsync(Relative("headers-then-hang"), HttpCompletionOption.ResponseHeadersRead);

    private Task ArrivesAsync(string requestId) =>
        Eventually.BecomesTrueAsync(
            async () => (await backends.ArrivedAsync(requestId)).Any(each => each.End == RequestEnd.Running),
            Limits.Wait,
            $"{requestId} has arrived"
        );

    private static void AssertNoTrace(ResilientClient client)
    {
        foreach (var backend in client.Pool.Backends)
        {
            backend.InFlight.Should().Be(0);
            backend.Failures.Should().Be(0);
            backend.State.Should().Be(BackendState.Healthy);
            backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
            backend.Circuit.State.Should().Be(CircuitState.Closed);
        }
    }
}
