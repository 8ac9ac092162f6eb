using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Resilience.Backends;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.DependencyInjection;

/// <summary>An appsettings.json is rewritten while requests run (law 15; R78).</summary>
public sealed class ReloadTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("resilience-reload-");
    private readonly ConcurrentQueue<ConfigurationReloaded> _reloads = new();

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public async Task Rewrite_BackendReplacedUnderLoad_TrafficMovesAndNoRequestFails()
    {
        var client = await StartHostAsync(backends.A);
        await using var load = Load.Start(client.Http);
        await load.MoreByAsync("a", 20);

        Write(backends.A, backends.B);
        await load.MoreByAsync("b", 20);
        Write(backends.B);
        await Eventually.BecomesTrueAsync(() => client.Pool.Find("a") is null, Limits.Wait, "a has left the pool");
        await load.MoreByAsync("b", 100);

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
        _reloads.Should().OnlyContain(each => each.Problems.Count == 0);
    }

    [Fact]
    public async Task Rewrite_OtherSettings_KeepsTheStateOfItsBackends()
    {
        var client = await StartHostAsync(backends.A, backends.B);
        var (a, b) = (client["a"], client["b"]);
        b.Drain();
        for (var i = 0; i < 5; i++)
        {
            (await client.Http.GetAsync(Relative("work?ms=0"))).Dispose();
        }

        Write(new { Retry = new { MaxAttempts = 2 } }, backends.A, backends.B);
        await ReloadedAsync(1);

        client["a"].Should().BeSameAs(a);
        client["b"].Should().BeSameAs(b);
        a.Attempts.Should().Be(5);
        b.State.Should().Be(BackendState.Draining);
    }

    [Fact]
    public async Task Rewrite_Invalid_IsRefusedWholeAndTheLastGoodOneServes()
    {
        var client = await StartHostAsync(backends.A);
        await using var load = Load.Start(client.Http);
        await load.MoreByAsync("a", 20);

        Write(new { Retry = new { MaxAttempts = -1 }, Timeouts = new { Total = "10" } }, backends.B);
        await ReloadedAsync(1);
        await load.MoreByAsync("a", 50);

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
        load.AnsweredBy("b").Should().Be(0);
        _reloads
            .Should()
            .ContainSingle()
            .Which.Problems.Should()
            .Contain(each => each.Contains("Pool:Retry:MaxAttempts"))
            .And.Contain(each => each.Contains("Pool:Timeouts:Total"));
    }

    [Fact]
    public async Task Rewrite_RemovedBackendWithARequestInFlight_LetsItFinish()
    {
        await using var server = GatedServer.Start();
        Write(("gated", server.Address));
        var client = await StartHostAsync();
        var gated = client["gated"];
        var sending = client.Http.GetAsync(Relative("long"));
        await server.ReceiveAsync();

        Write(backends.A);
        await Eventually.BecomesTrueAsync(() => client.Pool.Find("gated") is null, Limits.Wait, "it has left the pool");
        var inFlight = gated.InFlight;
        await server.AnswerAsync("done");

        using var response = await sending;
        (await response.Content.ReadAsStringAsync()).Should().Be("done");
        inFlight.Should().Be(1);
        gated.InFlight.Should().Be(0);
    }

    private Task ReloadedAsync(int count) =>
        Eventually.BecomesTrueAsync(() => _reloads.Count >= count, Limits.Wait, $"reload {count} was seen");

    private void Write(params BackendProcess[] members) => Write(new { }, members);

    private void Write(object settings, params BackendProcess[] members) =>
        Write(settings, [.. members.Select(each => (each.Name, each.Address))]);

    private void Write((string Name, Uri Address) member) => Write(new { }, [member]);

    /// <summary>Replaces the file in one step, as an editor or a deployment does.</summary>
    private void Write(object settings, (string Name, Uri Address)[] members)
    {
        var pool = JsonSerializer.SerializeToNode(settings)!.AsObject();
        pool["HealthCheck"] = JsonSerializer.SerializeToNode(new { Enabled = false });
        pool["Backends"] = JsonSerializer.SerializeToNode(members.Select(each => new { each.Name, each.Address }));
        var fresh = Path.Combine(_folder.FullName, "fresh.json");
        File.WriteAllText(fresh, JsonSerializer.Serialize(new Dictionary<string, object> { ["Pool"] = pool }));
        File.Move(fresh, Path.Combine(_folder.FullName, "appsettings.json"), overwrite: true);
    }

    /// <summary>A host over the file; written first if there are members.</summary>
    private async Task<ResilientClient> StartHostAsync(params BackendProcess[] members)
    {
        if (members.Length > 0)
        {
            Write(members);
        }

        var builder = Host.CreateEmptyApplicationBuilder(new() { ContentRootPath = _folder.FullName });
        builder.Configuration.AddJsonFile("appsettings.json", optional: false, reloadOnChange: true);
        builder.Services.AddResilientBackends(PoolName, builder.Configuration.GetSection("Pool"));
        builder.Services.AddHttpClient("test").UseResilientBackends(PoolName);
        var host = builder.Build();
        var client = Own(
            Made(
                host.Services,
                async () =>
                {
                    await host.StopAsync();
                    await ((IAsyncDisposable)host).DisposeAsync();
                }
            )
        );
        client.Pool.Subscribe(item =>
        {
            if (item is ConfigurationReloaded reload)
            {
                _reloads.Enqueue(reload);
            }
        });
        await host.StartAsync();
        return client;
    }
}
