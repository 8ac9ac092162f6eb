using System.Net;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>A 503 with Retry-After over a real connection takes its backend out of rotation for that time (R139, R141).</summary>
public sealed class CoolingTests : ResilienceTest
{
    [Theory]
    [InlineData("7")]
    [InlineData("a date")]
    public async Task Answer503WithRetryAfter_CoolsTheBackendAndTheRequestGoesElsewhere(string retryAfter)
    {
        var time = new FakeTime();
        var value = retryAfter == "7" ? retryAfter : time.GetUtcNow().AddSeconds(7).ToString("R");
        var busy = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    while (await ScriptServer.ReadHeadAsync(socket, token) is { Length: > 0 })
                    {
                        await ScriptServer.SendAsync(
                            socket,
                            $"HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\nContent-Length: 0\r\n\r\n",
                            token
                        );
                    }
                }
            )
        );
        var free = Server();
        var client = Connect(time, options => options.AddBackend(busy.Address.ToString(), "busy").Add("free", free));
        var backends = new List<string>();
        // Changes of the first 50 ms after another are put together; a clock that stands still would never end them.
        time.Advance(TimeSpan.FromMilliseconds(100));

        // In turn from a random start: at least one of two begins at the busy one, and is answered all the same.
        for (var i = 0; i < 6; i++)
        {
            using var response = await client.Http.GetAsync(Relative(""));
            response.StatusCode.Should().Be(HttpStatusCode.OK);
            backends.AddRange(response.GetAttempts().Select(attempt => attempt.Backend));
        }

        var cooling = client["busy"];
        backends.Count(name => name == "busy").Should().Be(1, "it is left alone from then on");
        cooling.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        cooling.EjectedFor.Should().BeCloseTo(TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(1));
        cooling.Circuit.State.Should().Be(CircuitState.Closed);
        time.Advance(TimeSpan.FromSeconds(7.1));
        cooling.IsAlive.Should().BeTrue("the time that it asked for is over");
    }
}
