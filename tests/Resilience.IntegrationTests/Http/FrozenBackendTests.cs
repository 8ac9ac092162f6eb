using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Failover from a process that is stopped: the kernel still accepts its connections, nothing answers (laws 1 and 10;
/// R49, R139, R140, R141).
/// </summary>
public sealed class FrozenBackendTests : ResilienceTest
{
    [Fact]
    public async Task Gets_BackendFrozenUnderLoadAndThawed_NoneFailsAndItComesBack()
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"), StartAsync("c"));
        var frozen = backends[1];
        var client = Connect(options =>
        {
            options.Add(backends).ForgiveSoon();
            options.Timeouts.Attempt = Limits.Attempt;
        });
        await using var load = Load.Start(client.Http);
        await load.MoreByAsync("b", 20);

        frozen.Freeze();
        await Eventually.BecomesTrueAsync(
            () => client["b"].State == BackendState.Unhealthy,
            Limits.Wait,
            "b is out of rotation"
        );
        await load.MoreAsync(100);
        frozen.Resume();
        await load.MoreByAsync("b", 20);

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
    }

    [Fact]
    public async Task Gets_BackendFrozenAndProbed_IsTakenOutByProbesAndComesBack()
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = Connect(options =>
        {
            options.Add(backends).ProbeOften();
            options.PassiveHealth.Enabled = false;
            options.CircuitBreaker.Enabled = false;
        });
        await Eventually.BecomesTrueAsync(
            () => client["b"].ActiveVerdict == ActiveVerdict.Healthy,
            Limits.Wait,
            "b was probed"
        );

        backends[1].Freeze();
        await Eventually.BecomesTrueAsync(
            () => client["b"].ActiveVerdict == ActiveVerdict.Unhealthy,
            Limits.Wait,
            "probes of b time out"
        );
        await using var load = Load.Start(client.Http);
        await load.MoreAsync(50);
        var whileFrozen = load.AnsweredBy("b");
        backends[1].Resume();
        await load.MoreByAsync("b", 20);

        await load.StopAsync();
        whileFrozen.Should().Be(0);
        load.Failures.Should().BeEmpty();
    }
}
