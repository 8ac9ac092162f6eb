using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Architecture;
using Resilience.Tests.Backends;
using Resilience.Tests.DependencyInjection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Documentation;

/// <summary>The code of the pages does what they say.</summary>
public sealed partial class DocumentCodeTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public async Task GettingStarted_HostStarted_HasThePool()
    {
        var builder = GettingStartedCode.Register();
        GettingStartedCode.AddCheck(builder);
        builder.Services.AddSingleton<GettingStartedCode.StatusPage>();
        using var host = builder.Build();
        await host.StartAsync();

        var (pool, checker, pools) = GettingStartedCode.Resolve(host);
        pool.Backends.Select(backend => backend.Name).Should().Equal("a", "b");
        checker.Should().NotBeNull();
        pools.Should().Equal(pool);
        host.Services.GetRequiredService<GettingStartedCode.StatusPage>().Pool.Should().BeSameAs(pool);
        GettingStartedCode.Print(pool);

        await host.StopAsync();
    }

    /// <summary>The page's first program, from its first line to the last, over a transport that answers by itself.</summary>
    [Fact]
    public async Task GettingStarted_Run_AsksUntilItIsStopped()
    {
        var builder = GettingStartedCode.Register();
        using var stopping = new CancellationTokenSource();
        var asked = new TaskCompletionSource<string>();
        builder.Services.AddResilientBackends("catalog", options => options.HealthCheck.Enabled = false);
        builder.Services.ConfigureHttpClientDefaults(clients =>
            clients.ConfigurePrimaryHttpMessageHandler(() =>
                new StubHandler(request =>
                {
                    asked.TrySetResult(request.RequestUri!.AbsolutePath);
                    return new HttpResponseMessage { Content = new StringContent("a name") };
                })
            )
        );
        IHostApplicationLifetime? lifetime = null;
        builder.Services.AddHostedService(services =>
        {
            lifetime = services.GetRequiredService<IHostApplicationLifetime>();
            return new Nothing();
        });

        var run = Task.Factory.StartNew(() => GettingStartedCode.Run(builder), TaskCreationOptions.LongRunning);

        (await asked.Task).Should().Be("/products/42/name");
        lifetime!.StopApplication();
        await run;
    }

    /// <summary>Law 16: the page shows the error as it comes.</summary>
    [Fact]
    public async Task GettingStarted_AMistake_IsToldAsThePageSays()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddResilientBackends(
            "catalog",
            options => options.AddBackend("http://a").AddBackend("ftp://b")
        );
        using var host = builder.Build();

        var starting = () => host.StartAsync();

        var told = (await starting.Should().ThrowAsync<OptionsValidationException>()).Which.Message;
        Page("getting-started.md").Should().Contain($"```\n{told}\n```");
    }

    [Fact]
    public void GettingStarted_Namespaces_AreAllThereWithWhatTheyHold()
    {
        var rows = Page("getting-started.md")
            .Split('\n')
            .SkipWhile(line => !line.StartsWith("| namespace |", StringComparison.Ordinal))
            .Skip(3)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => Code().Matches(line).Select(match => match.Groups[1].Value).ToArray())
            .ToArray();
        var types = typeof(BackendPool).Assembly.GetExportedTypes();

        rows.Select(row => row[0])
            .Should()
            .BeEquivalentTo(
                types
                    .Select(type => type.Namespace)
                    .Distinct()
                    .Where(name => name!.StartsWith("Resilience.", StringComparison.Ordinal))
            );
        foreach (var row in rows)
        {
            var names = types.Where(type => type.Namespace == row[0]).ToArray();
            row[1..]
                .Should()
                .OnlyContain(name =>
                    names.Any(type => type.Name == name || type.GetMethods().Any(method => method.Name == name))
                );
        }
    }

    /// <summary>What the fallback of the page catches is what comes.</summary>
    [Theory]
    [InlineData("answered", "a name")]
    [InlineData("503", "unknown")]
    [InlineData("no connection", "unknown")]
    [InlineData("no answer", "unknown")]
    [InlineData("nobody", "unknown, ask again in 00:00:05")]
    public async Task Migration_Fallback_HoldsWhateverFails(string what, string expected)
    {
        using var pool = Pools.Create(_time, "a");
        var options = new ResilientHandlerOptions { Retry = { Enabled = false } };
        using var stub = new StubHandler(
            async (_, token) =>
            {
                switch (what)
                {
                    case "503":
                        return new HttpResponseMessage(HttpStatusCode.ServiceUnavailable);
                    case "no connection":
                        throw new HttpRequestException(HttpRequestError.ConnectionError);
                    case "no answer":
                        _time.Advance(options.Timeouts.Attempt);
                        await Task.Delay(Timeout.Infinite, token);
                        break;
                }

                return new HttpResponseMessage { Content = new StringContent("a name") };
            }
        );
        using var http = new HttpClient(new ResilientHandler(pool, stub, options))
        {
            BaseAddress = new Uri("http://catalog/"),
        };
        if (what == "nobody")
        {
            pool.Backends[0].Disable();
        }

        (await MigrationCode.FallbackAsync(http, default)).Should().Be(expected);
    }

    /// <summary>A list of one's own beside the configured one.</summary>
    [Fact]
    public async Task Backends_FromCode_StandBesideTheConfiguredOnes()
    {
        await using var scene = new Scene();
        BackendsCode.Register(scene.Services);
        scene.Services.AddResilientBackends("catalog", _ => { }).UseHealthProbe(_ => scene.Probe);
        var pool = scene.Pool("catalog");

        BackendsCode.Apply(pool, ["http://10.0.0.1:8080", "http://10.0.0.2:8080"]);
        BackendsCode.Apply(pool, ["http://10.0.0.2:8080", "http://10.0.0.3:8080"]);

        Names().Should().BeEquivalentTo("fallback", "http://10.0.0.2:8080", "http://10.0.0.3:8080");
        var empty = () => BackendsCode.Apply(pool, []);
        empty.Should().Throw<ArgumentException>().WithMessage("*needs at least one backend*");
        Names().Should().HaveCount(3);

        pool.Remove("fallback").Should().BeTrue();
        Names().Should().HaveCount(2);

        IEnumerable<string> Names() => pool.Backends.Select(backend => backend.Name);
    }

    /// <summary>What <c>Apply</c> without a source has replaced, a reload puts back.</summary>
    [Fact]
    public async Task Backends_FromCodeWithoutASource_LastUntilAReload()
    {
        await using var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog();
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);
        var pool = scene.Pool("catalog");

        pool.Apply([new("http://found")]);

        pool.Backends.Should().ContainSingle().Which.Name.Should().Be("http://found");
        configuration.ReloadCatalog(("Backends:0:Weight", "2"));
        pool.Backends.Should().ContainSingle().Which.Name.Should().Be("http://a");
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

    private static string Page(string page) =>
        File.ReadAllText(Path.Combine(SourceTree.Root, "docs", page)).ReplaceLineEndings("\n");

    [GeneratedRegex("`([A-Za-z.]+)`")]
    private static partial Regex Code();

    /// <summary>A service that does nothing: its factory shows that the host is being built.</summary>
    private sealed class Nothing : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.CompletedTask;
    }
}
