using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Backends to which no connection comes about have seen nothing: every request, POSTs of one-shot contents included,
/// goes on to another one, and it costs neither an attempt nor the budget (laws 1 and 2; R3, R44, R49).
/// </summary>
public sealed class UnreachableBackendTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    [Fact]
    public async Task Post_ConnectTimeout_MovesOnAndArrivesOnce()
    {
        var full = Own(await FullListener.StartAsync());

        await AssertMovesOnAsync(
            full.Address,
            FailureKind.ConnectTimeout,
            timeouts => timeouts.Connect = TimeSpan.FromSeconds(1)
        );
    }

    [Fact]
    public async Task Post_NameDoesNotResolve_MovesOnAndArrivesOnce()
    {
        // Reserved to name nothing (RFC 2606); whole as it is, so that no domain of the machine's own is put behind it. How
        // long it takes to learn that is up to the machine's name server.
        await AssertMovesOnAsync(
            new Uri("http://no-such-backend.invalid./"),
            FailureKind.NameResolution,
            timeouts => timeouts.Connect = timeouts.Attempt = Limits.Wait
        );
    }

    private async Task AssertMovesOnAsync(Uri unreachable, FailureKind failure, Action<TimeoutOptions> configure)
    {
        var client = Connect(options =>
        {
            options.AddBackend(unreachable.ToString(), "down").Add(backends.A);
            configure(options.Timeouts);
            options.Retry.MaxAttempts = 1;
            options.Retry.Budget.MinimumPerSecond = 0;
            options.Retry.Budget.Ratio = 0;
        });
        // A kept connection, so that the short time to connect is not short for the backend that answers.
        await Eventually.BecomesTrueAsync(() => AnswersAsync(client, "a"), Limits.Wait, "a answers");

        // In turn from a random start: at least one of two begins at the unreachable one.
        var met = new List<IReadOnlyList<AttemptRecord>>();
        for (var i = 0; i < 2; i++)
        {
            var id = $"{failure}-{i}";
            using var request = new HttpRequestMessage(HttpMethod.Post, Relative("echo"));
            request.Headers.Add("X-Request-Id", id);
            request.Content = new StreamContent(new MemoryStream([1, 2, 3]));
            using var response = await client.Http.SendAsync(request);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            (await backends.ArrivedAsync(id)).Should().ContainSingle().Which.BodyLength.Should().Be(3);
            met.Add(response.GetAttempts());
        }

        met.RemoveAll(attempts => attempts.Count == 1);
        met.Should().NotBeEmpty();
        met.Should()
            .AllSatisfy(attempts =>
                attempts
                    .Select(attempt => (attempt.Backend, attempt.Outcome))
                    .Should()
                    .Equal(
                        ("down", new AttemptOutcome(OutcomeKind.Failure, failure, IsRetryable: true, NeverSent: true)),
                        ("a", new AttemptOutcome(OutcomeKind.Success, StatusCode: 200))
                    )
            );
    }

    private static async Task<bool> AnswersAsync(ResilientClient client, string backend)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("echo"));
        request.ConfigureResilience(options => options.Backend = backend);
        try
        {
            using var response = await client.Http.SendAsync(request);
            await response.Content.ReadAsByteArrayAsync();
            return response.StatusCode == HttpStatusCode.OK;
        }
        catch (TaskCanceledException)
        {
            // It was not connected to within the short time; again.
            return false;
        }
    }
}
