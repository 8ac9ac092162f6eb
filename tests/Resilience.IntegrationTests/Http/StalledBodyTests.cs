using Resilience.Backends;
using Resilience.DependencyInjection;
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

    /// <summary>What comes late is nobody's: neither this reader's, who would miss some of it, nor the next request's.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_GoesOnAfterTheIdleReadTimeout_IsBrokenAndTheNextRequestGoesWell(bool isAsync)
    {
        var goOn = new TaskCompletionSource();
        var server = Own(
            ScriptServer.Start(
                async (socket, number, token) =>
                {
                    for (var i = 0; (await ScriptServer.ReadHeadAsync(socket, token)).Length > 0; i++)
                    {
                        if (number + i > 1)
                        {
                            await ScriptServer.SendAsync(
                                socket,
                                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext",
                                token
                            );
                            continue;
                        }

                        await ScriptServer.SendAsync(
                            socket,
                            $"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{new string('0', 100)}",
                            token
                        );
                        await goOn.Task.WaitAsync(token);
                        for (var piece = 1; piece <= 9; piece++)
                        {
                            await ScriptServer.SendAsync(socket, new string((char)('0' + piece), 100), token);
                        }
                    }
                }
            )
        );
        var (time, idleRead) = (new FakeTime(), new ResilientBackendsOptions().Timeouts.IdleRead);
        var client = Connect(time, options => options.AddBackend(server.Address.ToString(), "a"));
        using var response = await client.Http.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead);
        using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[100]);
        // A timer that this read may have armed finds nobody waiting, and rests.
        time.Advance(2 * idleRead);
        var armed = time.ArmedTimers;

        var reading = isAsync ? body.ReadAsync(new byte[1000]).AsTask() : Task.Run(() => body.Read(new byte[1000]));
        await time.WhenTimersArmedAsync(armed + 1);
        time.Advance(idleRead);
        goOn.SetResult();

        var thrown = await reading.WaitAsync(Limits.Wait).Invoking(task => task).Should().ThrowAsync<IOException>();
        thrown.Which.InnerException.Should().BeOfType<TimeoutException>();
        client["a"].Failures.Should().Be(1);
        client["a"].InFlight.Should().Be(0);
        for (var i = 0; i < 2; i++)
        {
            (await client.Http.GetStringAsync(Relative(""))).Should().Be("next");
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_StopsInTheMiddleWithinTheBuffersLimit_ComesFromAnotherBackend(bool isAsync) // law 1
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
                () => SendAsync(client, isAsync)
            );

            (await response.Content.ReadAsStringAsync()).Should().Be("ok");
            response.GetAttempts()[^1].Backend.Should().Be("b");
        }

        client["a"].Failures.Should().BePositive();
        client["b"].Failures.Should().Be(0);
    }

    private static Task<HttpResponseMessage> SendAsync(ResilientClient client, bool isAsync) =>
        isAsync
            ? client.Http.GetAsync(Relative(""))
            : Task.Run(() =>
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, Relative(""));
                return client.Http.Send(request);
            });
}
