using Resilience.Backends;
using Resilience.ChaosTests.Infrastructure;
using Resilience.ChaosTests.Servers;
using Resilience.DependencyInjection;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>
/// The way to one of three backends is closed, lossy, slow or forgetful (laws 1, 2 and 9; R3, R44, R49).
/// </summary>
public sealed class NetworkTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    [Fact]
    public async Task Refused_BackendAddedWhereNobodyListens_NoRequestFails()
    {
        var run = await BeginAsync("connection refused");

        await run.StrikeAsync(() =>
            run.Client.Pool.Add(new BackendDefinition(new Uri($"http://127.0.0.1:{TestPorts.Next()}")) { Name = "d" })
        );
        await run.IsAvoidedAsync("d");
        await run.GoOnAsync();
        await run.CureAsync(() => run.Client.Pool.Remove("d"));
        await run.GoOnAsync();

        var row = await EndAsync(run);
        row.During.WritesFailed.Should().Be(0, "what never reached a backend may go on, whatever its method");
    }

    [SkippableFact]
    public async Task BlackHole_OneOfThree_NoGetFails()
    {
        var isolated = await StartIsolatedAsync();
        var run = await BeginWithAsync("black hole", isolated.Address);

        await run.StrikeAsync(isolated.DropPacketsAsync);
        await run.IsAvoidedAsync("b");
        await run.GoOnAsync();
        await run.IsOutAsync("b");
        await run.CureAsync(isolated.PassPacketsAsync);
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [SkippableFact]
    public async Task PacketLoss_OneOfThree_NoGetFails()
    {
        var isolated = await StartIsolatedAsync();
        var run = await BeginWithAsync("a fifth of the packets lost", isolated.Address);

        await run.StrikeAsync(() => isolated.LosePacketsAsync(percent: 20));
        await run.GoOnAsync();
        await run.GoOnAsync();
        await run.CureAsync(isolated.PassPacketsAsync);
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task DelayAndJitter_OneOfThree_NoRequestFails()
    {
        var proxy = Own(TcpProxy.Start(Backends.B.Address));
        var run = await BeginWithAsync("40 to 120 ms each way", proxy.Address);

        await run.StrikeAsync(() => proxy.Delay(TimeSpan.FromMilliseconds(40), TimeSpan.FromMilliseconds(80)));
        await run.GoOnAsync();
        await run.GoOnAsync();
        await run.CureAsync(() => proxy.Delay(TimeSpan.Zero, TimeSpan.Zero));
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        var row = await EndAsync(run);
        row.During.WritesFailed.Should().Be(0, "late is not lost");
    }

    [Fact]
    public async Task ConnectionsReset_OneOfThreeAgainAndAgain_NoGetFails()
    {
        const int Times = 5;
        var proxy = Own(TcpProxy.Start(Backends.B.Address));
        var run = await BeginWithAsync($"connections reset, {Times} times", proxy.Address);

        await run.StrikeAsync(async () =>
        {
            for (var time = 0; time < Times; time++)
            {
                proxy.ResetAll();
                await run.Load.MoreByAsync("b", 5);
            }
        });
        await run.CureAsync(() => { });
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    /// <summary>Two backends as they are, and b by another way.</summary>
    private Task<ChaosRun> BeginWithAsync(string name, Uri wayToB) =>
        BeginWithAsync(
            name,
            options => options.Add(Backends.A, Backends.C).AddBackend(wayToB.ToString(), "b"),
            // Between this machine and itself a connection takes no time, or never comes about.
            options => options.Timeouts.Connect = TimeSpan.FromSeconds(2)
        );

    private async Task<BackendProcess> StartIsolatedAsync()
    {
        var obstacle = await NetworkNamespace.Obstacle;
        Skip.If(obstacle is not null, obstacle);
        return Own(await BackendProcess.StartIsolatedAsync("b", Backends.LedgerOf("isolated")));
    }
}
