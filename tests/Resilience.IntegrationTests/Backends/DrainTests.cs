using Resilience.Backends;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Backends;

/// <summary>A backend is taken out of rotation without losing a request (laws 4 and 5; R53, S76).</summary>
public sealed class DrainTests : ResilienceTest
{
    [Theory]
    [InlineData(SetUp.Services)]
    [InlineData(SetUp.Constructors)]
    public async Task DrainAsync_UnderLoad_LosesNothingAndTheServerSeesNothingUntilEnabled(SetUp setUp)
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = await ConnectAsync(setUp, options => options.Add(backends));
        await using var load = Load.Start(client.Http);
        await load.MoreByAsync("b", 20);

        var isDrained = await client["b"].DrainAsync(Limits.Wait);

        var seen = (await backends[1].GetRequestsAsync()).Count;
        await load.MoreAsync(200);
        var seenLater = (await backends[1].GetRequestsAsync()).Count;
        client["b"].State.Should().Be(BackendState.Draining);
        client["b"].Enable();
        await load.MoreByAsync("b", 20);
        await load.StopAsync();
        isDrained.Should().BeTrue();
        seenLater.Should().Be(seen);
        load.Failures.Should().BeEmpty();
    }

    [Fact]
    public async Task DrainAsync_ManyTimesUnderLoad_NeverEndsWithARequestInFlight()
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = Connect(options => options.Add(backends));
        await using var load = Load.Start(client.Http, "work?ms=0", workers: 16);
        await load.MoreByAsync("b", 20);

        for (var i = 0; i < 30; i++)
        {
            (await client["b"].DrainAsync(Limits.Wait)).Should().BeTrue();
            // A pick that is refused counts itself in for an instant, so a single look may be unlucky; the server's
            // own count is not.
            await Eventually.BecomesTrueAsync(() => client["b"].InFlight == 0, Limits.Wait, "nothing is in flight");
            var seen = (await backends[1].GetRequestsAsync()).Count;
            await load.MoreAsync(20);
            (await backends[1].GetRequestsAsync()).Should().HaveCount(seen);
            client["b"].Enable();
            await load.MoreByAsync("b", 1);
        }

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
    }

    [Fact]
    public async Task DrainAsync_BodyStillBeingRead_WaitsForItsEnd()
    {
        await using var server = GatedServer.Start();
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a"));
        var sending = client.Http.GetAsync(Relative("stream"), HttpCompletionOption.ResponseHeadersRead);
        await server.ReceiveAsync();
        await server.SendHeadersAsync();
        using var response = await sending;

        var draining = client["a"].DrainAsync(Limits.Wait);
        var wasDraining = client["a"].InFlight == 1 && !draining.IsCompleted;
        await server.SendChunkAsync("last");
        await server.EndAsync();
        var body = await response.Content.ReadAsStringAsync();

        (await draining).Should().BeTrue();
        wasDraining.Should().BeTrue();
        body.Should().Be("last");
        client["a"].InFlight.Should().Be(0);
    }

    [Fact]
    public async Task RollingRestart_UnderLoad_NoRequestFails()
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"), StartAsync("c"));
        var client = await ConnectByHostAsync(options => options.Add(backends).ProbeOften().ForgiveSoon());
        await using var load = Load.Start(client.Http);

        foreach (var process in backends)
        {
            await load.MoreByAsync(process.Name, 20);
            (await client[process.Name].DrainAsync(Limits.Wait)).Should().BeTrue();
            await process.RestartAsync();
            client[process.Name].Enable();
            await load.MoreByAsync(process.Name, 20);
        }

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
    }
}
