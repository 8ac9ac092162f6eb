using Resilience.Backends;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Health;

/// <summary>
/// Probes see a backend die and come back, with no hand in it (R5, R18, R36, R38, R52, R123, R141, R147, R187).
/// </summary>
public sealed class RecoveryTests : ResilienceTest
{
    [Theory]
    [InlineData(SetUp.Services)]
    [InlineData(SetUp.Host)]
    [InlineData(SetUp.Constructors)]
    public async Task Backend_KilledAndRestarted_IsUnhealthyThenHealthyAndTakesTrafficAgain(SetUp setUp)
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = await ConnectAsync(setUp, options => options.Add(backends).ProbeOften().ForgiveSoon());
        await using var load = Load.Start(client.Http, workers: 4);
        await load.MoreByAsync("b", 20);

        await backends[1].KillAsync();
        await BecomesAsync(client["b"], ActiveVerdict.Unhealthy);
        await Eventually.BecomesTrueAsync(
            () => client["b"].State == BackendState.Unhealthy,
            Limits.Wait,
            "b is shown as unhealthy"
        );
        await backends[1].RestartAsync();
        await BecomesAsync(client["b"], ActiveVerdict.Healthy);
        await load.MoreByAsync("b", 20);

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
        await Eventually.BecomesTrueAsync(() => client["b"].IsAlive, Limits.Wait, "nothing objects to b any more");
    }

    [Fact]
    public async Task Backend_KilledWithoutAnyTraffic_IsFoundByProbesAlone()
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = await ConnectByHostAsync(options => options.Add(backends).ProbeOften());
        await BecomesAsync(client["b"], ActiveVerdict.Healthy);

        await backends[1].KillAsync();
        await BecomesAsync(client["b"], ActiveVerdict.Unhealthy);

        client["b"].Attempts.Should().Be(0);
        client["b"].LastProbe!.IsSuccess.Should().BeFalse();
        client.Pool.GetHealthyBackends().Should().Equal(client["a"]);
    }

    [Fact]
    public async Task Backend_WhoseHealthAnswers503_IsUnhealthyWhileItsTrafficFlowsElsewhere()
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = Connect(options => options.Add(backends).ProbeOften());
        using (await client.Http.GetAsync(Relative("echo")))
        {
            // Without a host the first client starts the probes.
        }

        await backends[1].SetHealthAsync(503);
        await BecomesAsync(client["b"], ActiveVerdict.Unhealthy);
        // The snapshot follows a verdict within its rebuild spacing.
        await Eventually.BecomesTrueAsync(
            () => !client.Pool.Snapshot.Available.Contains(client["b"]),
            Limits.Wait,
            "b takes no traffic"
        );
        await backends[1].ClearRequestsAsync();
        for (var i = 0; i < 10; i++)
        {
            using var response = await client.Http.GetAsync(Relative("echo"));
        }

        (await backends[1].GetRequestsAsync()).Should().NotContain(request => request.RawTarget == "/echo");
        client["b"].LastProbe!.StatusCode.Should().Be(503);
    }

    private static Task BecomesAsync(Backend backend, ActiveVerdict verdict) =>
        Eventually.BecomesTrueAsync(
            () => backend.ActiveVerdict == verdict,
            Limits.Wait,
            $"probes find {backend.Name} {verdict}"
        );
}
