using Resilience.ChaosTests.Infrastructure;
using Resilience.ChaosTests.Servers;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>
/// nginx and HAProxy as backends, beside one of our own: how servers that nobody here wrote die, finish, close their
/// connections and answer for others (laws 1, 2 and 4; R3, R49, R139-R141).
/// </summary>
public sealed class ServerTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("resilience-servers-");

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _folder.Delete(recursive: true);
    }

    [SkippableTheory]
    [InlineData("nginx")]
    [InlineData("haproxy")]
    public async Task Killed_NoGetFails(string name)
    {
        var (run, server) = await BeginAsync(name, "SIGKILL");

        await run.StrikeAsync(server.KillAsync);
        await run.IsAvoidedAsync(name);
        await run.GoOnAsync();
        await run.IsOutAsync(name);
        await run.CureAsync(server.StartAgainAsync);
        await run.IsBackAsync(name);
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [SkippableTheory]
    [InlineData("nginx")]
    [InlineData("haproxy")]
    public async Task Stopped_NoGetFails(string name)
    {
        var (run, server) = await BeginAsync(name, "SIGSTOP, SIGCONT");

        await run.StrikeAsync(server.Freeze);
        await run.IsAvoidedAsync(name);
        await run.GoOnAsync();
        await run.IsOutAsync(name);
        await run.CureAsync(server.Resume);
        await run.IsBackAsync(name);
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [SkippableTheory]
    [InlineData("nginx")]
    [InlineData("haproxy")]
    public async Task RestartedGracefully_NoGetFails(string name)
    {
        const int Times = 3;
        var (run, server) = await BeginAsync(name, $"graceful restart, {Times} times");

        await run.StrikeAsync(async () =>
        {
            for (var time = 0; time < Times; time++)
            {
                await server.FinishAsync();
                await server.StartAgainAsync();
                await run.Load.MoreByAsync(name, 5);
            }
        });
        await run.CureAsync(() => { });
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [SkippableFact]
    public async Task Reloaded_NginxThatClosesItsConnectionsOften_NoGetFails()
    {
        var (run, server) = await BeginAsync("nginx", "reloads, 10 requests per connection", requestsPerConnection: 10);

        await run.StrikeAsync(async () =>
        {
            for (var enough = run.Load.Ended + ChaosSettings.Part; run.Load.Ended < enough; )
            {
                server.Reload();
                await run.Load.MoreByAsync("nginx", 10);
            }
        });
        await run.CureAsync(() => { });
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [SkippableFact]
    public async Task HaproxyWhoseServerDies_Answers503_NoGetFails()
    {
        Skip.If(DebianServer.Find("haproxy") is null, "haproxy is not installed (Debian package haproxy)");
        var folder = Path.Combine(_folder.FullName, "haproxy");
        var server = Own(await DebianServer.StartHaproxyAsync(folder, Ledger("passed"), Backends.B.Address));
        var run = await BeginWithAsync(
            "HAProxy: its only server dies",
            options => options.Add(Backends.A, Backends.C).AddBackend(server.Address.ToString(), "haproxy")
        );
        run.Behind = Backends.B.Name;

        await run.StrikeAsync(Backends.B.KillAsync);
        await run.IsAvoidedAsync("haproxy");
        await run.GoOnAsync();
        await run.IsOutAsync("haproxy");
        await run.CureAsync(Backends.B.RestartAsync);
        await run.IsBackAsync("haproxy");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    private string Ledger(string name) => Backends.LedgerOf($"{name}-{_folder.Name}");

    /// <summary>Begins a scenario on an nginx, an HAProxy and one of our own.</summary>
    private async Task<(ChaosRun Run, DebianServer Struck)> BeginAsync(
        string struck,
        string what,
        int requestsPerConnection = 1000
    )
    {
        foreach (var program in (string[])["nginx", "haproxy"])
        {
            Skip.If(DebianServer.Find(program) is null, $"{program} is not installed (Debian package {program})");
        }

        var nginx = Own(
            await DebianServer.StartNginxAsync(
                Path.Combine(_folder.FullName, "nginx"),
                Ledger("nginx"),
                requestsPerConnection
            )
        );
        var haproxy = Own(
            await DebianServer.StartHaproxyAsync(Path.Combine(_folder.FullName, "haproxy"), Ledger("haproxy"))
        );
        var run = await BeginWithAsync(
            $"{(struck == "nginx" ? "nginx" : "HAProxy")}: {what}",
            options =>
                options
                    .Add(Backends.A)
                    .AddBackend(nginx.Address.ToString(), nginx.Name)
                    .AddBackend(haproxy.Address.ToString(), haproxy.Name)
        );
        run.LedgersMayLag = true;
        return (run, struck == "nginx" ? nginx : haproxy);
    }
}
