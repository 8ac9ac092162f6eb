using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Documentation;

/// <summary>The code of the pages does what they say.</summary>
public sealed class DocumentCodeTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public async Task GettingStarted_HostStarted_HasThePool()
    {
        using var host = GettingStartedCode.Register();
        await host.StartAsync();

        var pool = host.Services.GetRequiredKeyedService<BackendPool>("catalog");
        pool.Backends.Select(backend => backend.Name).Should().Equal("a", "b");
        GettingStartedCode.Print(pool);

        await host.StopAsync();
    }

    [Fact]
    public async Task Migration_HostStarted_HasTheSettings()
    {
        using var host = MigrationCode.FromTheStandardHandler();
        await host.StartAsync();

        var pool = host.Services.GetRequiredKeyedService<BackendPool>("catalog");
        pool.Backends.Should().HaveCount(2);

        await host.StopAsync();
        (await MigrationCode.FromPollyAsync(new MigrationCode.OrderClient(), default)).Should().Be(42);
    }

    [Fact]
    public async Task Operations_ByHand_LeavesTheBackendDisabled()
    {
        using var pool = Pools.Create(_time, "api-1", "api-2");

        await OperationsCode.ByHandAsync(pool);

        pool.GetSnapshot().Backends[1].Objections.Should().Equal(StateReason.Disabled);
    }
}
