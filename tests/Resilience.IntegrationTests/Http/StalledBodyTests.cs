using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>A body that stops coming over a real connection holds nobody for ever (R97, R124).</summary>
public sealed class StalledBodyTests : ResilienceTest
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_StopsInTheMiddle_EndsByTheIdleReadTimeoutAndClosesTheConnection(bool isAsync)
    {
        var (server, time) = (Server(WireFault.StallMidBody), new FakeTime());
        var client = Connect(time, options => options.Add("a", server).HealthCheck.Enabled = false);
        using var response = await client.Http.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead);
        using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[100]);

        var reading = isAsync ? body.ReadAsync(new byte[1]).AsTask() : Task.Run(() => body.Read(new byte[1]));
        await PastAsync(time, reading);

        var thrown = await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        thrown.Which.Message.Should().Contain("Timeouts:IdleRead");
        client["a"].Failures.Should().Be(1);
        client["a"].InFlight.Should().Be(0);
        await Eventually.BecomesTrueAsync(
            () => server.OpenConnections == 0,
            Limits.Wait,
            "the connection that stalled was closed"
        );
    }

    [Fact]
    public async Task Body_StopsInTheMiddleWithinTheBuffersLimit_ComesFromAnotherBackend() // law 1
    {
        var (stalling, good, time) = (Server(WireFault.StallMidBody), Server(), new FakeTime());
        var client = Connect(
            time,
            options =>
            {
                options.Add("a", stalling).Add("b", good).HealthCheck.Enabled = false;
                options.BufferResponsesUpTo = 1_000;
            }
        );

        // In turn from a random start: at least one of two begins there.
        for (var i = 0; i < 2; i++)
        {
            var before = stalling.RequestCount;
            using var response = await SendPastAsync(
                () => Task.FromResult(stalling.RequestCount > before),
                time,
                () => client.Http.GetAsync(Relative(""))
            );

            (await response.Content.ReadAsStringAsync()).Should().Be("ok");
            response.GetAttempts()[^1].Backend.Should().Be("b");
        }

        client["a"].Failures.Should().BePositive();
        client["b"].Failures.Should().Be(0);
    }
}
