using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.Health;
using Resilience.Http;
using Resilience.Selection;
using Resilience.Tests.Architecture;
using Resilience.Tests.Backends;
using Resilience.Tests.DependencyInjection;
using Resilience.Tests.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Documentation;

/// <summary>docs/how-to.md: what it shows works, and the messages that it explains are those that come.</summary>
public sealed class HowToPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "how-to.md"))
        .ReplaceLineEndings("\n");

    [Fact]
    public async Task NamedClient_IsOneOfThePool()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a");
        HowToCode.NamedClient(scene.Services);
        scene.Services.AddHttpClient("reports").ConfigurePrimaryHttpMessageHandler(() => scene.Stub);

        await HowToCode.UseNamedAsync(scene.Clients);

        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/reports/today");
    }

    [Fact]
    public async Task SeveralPools_EachClient_GoesToItsOwn()
    {
        await using var scene = new Scene();
        var configuration = new ReloadableConfiguration(
            ("Backends:Catalog:Backends:0:Address", "http://c"),
            ("Backends:Orders:Backends:0:Address", "http://o")
        );
        HowToCode.SeveralPools(scene.Services, configuration.Root);
        scene.Services.ConfigureHttpClientDefaults(each => each.ConfigurePrimaryHttpMessageHandler(() => scene.Stub));
        WithoutProbes(scene, "catalog", "orders");

        await GetAsync(scene.Provider.GetRequiredService<HowToCode.CatalogClient>().Http);
        await GetAsync(scene.Provider.GetRequiredService<HowToCode.OrderClient>().Http);

        scene.Stub.Requests.Select(each => each.Uri).Should().Equal("http://c/x", "http://o/x");
    }

    [Fact]
    public async Task LogicalAddress_OfAPoolWhoseNameIsNoHost_IsTheBaseAddress()
    {
        await using var scene = new Scene();
        HowToCode.LogicalAddress(scene.Services);
        scene.AddClient("client", "Product catalogue");
        WithoutProbes(scene, "Product catalogue");
        using var client = scene.Clients.CreateClient("client");

        await GetAsync(client);

        client.BaseAddress.Should().Be("http://catalog/");
        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://10.0.0.1:8080/x");
    }

    [Fact]
    public async Task OneRequest_WithoutRetry_IsSentOnce()
    {
        using var rig = new HttpRig(2);
        rig.On("b1", Answers.Status(503));
        using var http = new HttpClient(new ResilientHandler(rig.Pool, rig.Transport))
        {
            BaseAddress = new Uri("http://catalog/"),
        };

        var asking = () => HowToCode.OneRequestAsync(http, 1, default);

        await asking.Should().ThrowAsync<HttpRequestException>();
        rig.Sent.Should().HaveCount(1);
    }

    [Fact]
    public void RequestOptions_AreAllInTheTable_AndLeaveItToThePoolByDefault()
    {
        var rows = Table("| option |").Select(cells => cells[1].Trim('`'));
        var options = typeof(ResilientRequestOptions).GetProperties();

        rows.Should().BeEquivalentTo(options.Select(option => option.Name));
        options.Should().OnlyContain(option => option.GetValue(new ResilientRequestOptions()) == null);
    }

    [Fact]
    public async Task Correlation_AllAttempts_ShareTheId()
    {
        await using var scene = new Scene();
        scene.AddPool("orders", "http://a", "http://b");
        HowToCode.Correlation(scene.Services);
        var ids = new List<string>();
        using var stub = new StubHandler(request =>
        {
            ids.AddRange(request.Headers.GetValues("X-Correlation-Id"));
            request.Headers.GetValues("X-Api-Version").Should().Equal("2");
            return new HttpResponseMessage(ids.Count == 1 ? HttpStatusCode.ServiceUnavailable : HttpStatusCode.OK);
        });
        scene.Services.AddHttpClient<HowToCode.OrderClient>().ConfigurePrimaryHttpMessageHandler(() => stub);

        await GetAsync(scene.Provider.GetRequiredService<HowToCode.OrderClient>().Http);

        ids.Should().HaveCount(2);
        ids.Distinct().Should().ContainSingle();
    }

    [Fact]
    public async Task Testing_AfterTheApplicationsRegistrations_TheFakeAnswersAndNothingIsProbed()
    {
        var services = new ServiceCollection();
        services.AddResilientBackends("catalog", options => options.AddBackend("http://10.0.0.1:8080"));
        services.AddHttpClient<HowToCode.CatalogClient>().UseResilientBackends("catalog");
        using var fake = new StubHandler();
        HowToCode.Replace(services, fake, new FakeTime());
        await using var provider = services.BuildServiceProvider();

        await GetAsync(provider.GetRequiredService<HowToCode.CatalogClient>().Http);

        fake.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://10.0.0.1:8080/x");
        var pool = provider.GetRequiredKeyedService<BackendPool>("catalog");
        pool.Clock.Provider.Should().BeOfType<FakeTime>();
        provider
            .GetRequiredService<IOptionsMonitor<Resilience.DependencyInjection.ResilientBackendsOptions>>()
            .Get("catalog")
            .HealthCheck.Enabled.Should()
            .BeFalse();
    }

    [Fact]
    public async Task HealthEndpoint_HasItsLinesWhereThePageSays()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a", "http://b", "http://c", "http://d");
        scene.Services.AddLogging();
        HowToCode.HealthEndpoint(scene.Services);
        var checks = scene.Provider.GetRequiredService<HealthCheckService>();
        var pool = scene.Pool("catalog");
        var said = new List<HealthStatus> { await StatusAsync() };

        foreach (var backend in pool.Backends)
        {
            backend.SetAlive(false);
            scene.Time.Advance(Pools.Rest);
            said.Add(await StatusAsync());
        }

        said.Should()
            .Equal(
                HealthStatus.Healthy,
                HealthStatus.Degraded,
                HealthStatus.Degraded,
                HealthStatus.Unhealthy,
                HealthStatus.Unhealthy
            );
        var defaults = new BackendPoolHealthCheckOptions();
        Table("| state |")
            .Select(cells => cells[3])
            .Take(2)
            .Should()
            .SatisfyRespectively(
                unhealthy => unhealthy.Should().StartWith($"{defaults.UnhealthyBelow}:"),
                degraded => degraded.Should().StartWith($"{defaults.DegradedBelow}:")
            );

        async Task<HealthStatus> StatusAsync() =>
            (await checks.CheckHealthAsync(each => each.Tags.Contains("ready"))).Status;
    }

    [Fact]
    public async Task OverHttp2_TheVersionAndItsPolicyReachTheTransport()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a");
        HowToCode.OverHttp2(scene.Services);
        (Version, HttpVersionPolicy)? sent = null;
        using var stub = new StubHandler(request =>
        {
            sent = (request.Version, request.VersionPolicy);
            return new HttpResponseMessage();
        });
        scene.Services.AddHttpClient<HowToCode.CatalogClient>().ConfigurePrimaryHttpMessageHandler(() => stub);

        await GetAsync(scene.Provider.GetRequiredService<HowToCode.CatalogClient>().Http);

        sent.Should().Be((HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact));
    }

    /// <summary>What the page says of gRPC: a status in trailers is seen by nobody here, and a POST is not repeated for it.</summary>
    [Fact]
    public async Task Trailers_WithAFailure_CountAsASuccess()
    {
        using var rig = new HttpRig(2);
        using var stub = new StubHandler(_ =>
        {
            var response = new HttpResponseMessage { Content = new ByteArrayContent([1]) };
            response.TrailingHeaders.Add("grpc-status", "14");
            return response;
        });
        using var http = new HttpClient(new ResilientHandler(rig.Pool, stub));

        using var answer = await http.PostAsync(new Uri("http://catalog/a.B/C"), new ByteArrayContent([1]));

        answer.TrailingHeaders.GetValues("grpc-status").Should().Equal("14");
        stub.Requests.Should().ContainSingle();
        rig.Pool.Backends.Sum(backend => backend.Failures).Should().Be(0);
    }

    [Fact]
    public async Task Stream_HoldsItsBackendUntilItHasEnded()
    {
        using var rig = new HttpRig();
        using var stub = new StubHandler(_ => new HttpResponseMessage
        {
            Content = new StreamContent(new MemoryStream("one\ntwo\n"u8.ToArray())),
        });
        using var http = new HttpClient(new ResilientHandler(rig.Pool, stub))
        {
            BaseAddress = new Uri("http://catalog/"),
        };

        using (await http.GetAsync(new Uri("events", UriKind.Relative), HttpCompletionOption.ResponseHeadersRead))
        {
            rig.InFlight.Should().Be(1);
        }

        (await HowToCode.StreamAsync(http, default)).Should().Equal("one", "two");
        rig.InFlight.Should().Be(0);
    }

    /// <summary>Whoever searches for a message finds it: each row is a stretch of one that comes, and each that comes has a row.</summary>
    [Fact]
    public async Task ErrorMessages_AreThoseThatCome()
    {
        var told = await MessagesAsync();

        var rows = Table("| message |").Select(cells => cells[1].Trim('`')).ToArray();

        rows.Where(row => !told.Any(message => Says(message, row))).Should().BeEmpty("somebody says each of them");
        told.Where(message => !rows.Any(row => Says(message, row))).Should().BeEmpty("each has a row");
    }

    private static bool Says(string message, string row) =>
        Regex.IsMatch(
            message,
            Regex.Escape(row).Replace(@"\.\.\.", ".*", StringComparison.Ordinal),
            RegexOptions.Singleline
        );

    private static async Task<List<string>> MessagesAsync()
    {
        var told = new List<string>();
        told.AddRange(
            Failures(services =>
            {
                services.AddHttpClient("shop").UseResilientBackends("catalog");
            })
        );
        told.Add(
            Thrown<InvalidOperationException>(() =>
                new ServiceCollection()
                    .AddHttpClient("shop")
                    .UseResilientBackends("catalog")
                    .UseResilientBackends("orders")
            )
        );
        told.Add(
            Thrown<ArgumentException>(() =>
                new ServiceCollection().ConfigureHttpClientDefaults(each => each.UseResilientBackends("catalog"))
            )
        );
        using var pool = new BackendPool("catalog", [new("http://a")], new RoundRobinSelector());
        using var client = new HttpMessageInvoker(new ResilientHandler(pool, new StubHandler()));
        told.Add(await ThrownAsync(client, new Uri("https://elsewhere/x")));
        told.Add(await ThrownAsync(client, new Uri("x", UriKind.Relative)));
        told.Add(await ThrownAsync(client, new Uri("http://catalog/"), options => options.Backend = "b"));
        pool.Backends[0].Disable();
        told.Add(await ThrownAsync(client, new Uri("http://catalog/")));
        using var other = new BackendPool("Product catalogue", [new("http://a")], new RoundRobinSelector());
        told.Add(Thrown<ArgumentException>(() => new ResilientHandler(other, new StubHandler())));
        told.AddRange(
            Failures(services =>
                services.AddResilientBackends("Product catalogue", options => options.AddBackend("http://a"))
            )
        );
        told.AddRange(Failures(services => services.AddResilientBackends("catalog", _ => { })));
        told.AddRange(Failures(("Backends:0:Address", "http://a"), ("Retry:MaxAttemps", "2")));
        told.AddRange(Failures(("Backends:0:Address", "http://a"), ("Timeouts:Total", "10")));
        told.AddRange(Failures(("Backends:0:Address", "http://a"), ("Timeouts:Attempt", "00:00:30")));
        told.AddRange(
            Failures(services =>
            {
                var configuration = ReloadableConfiguration.OfCatalog();
                services.AddResilientBackends("catalog", configuration.Catalog);
                services.AddResilientBackends("catalog", configuration.Root.GetSection("Other"));
            })
        );
        told.Add(Thrown<ArgumentException>(() => pool.Apply([new("http://a"), new("http://a")])));
        told.Add(await TimedOutAsync());
        return told;
    }

    private static string[] Failures(params (string Key, string? Value)[] settings) =>
        Failures(services => services.AddResilientBackends("catalog", new ReloadableConfiguration(settings).Root));

    /// <summary>What a host says that does not start.</summary>
    private static string[] Failures(Action<IServiceCollection> register)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder();
        register(builder.Services);
        using var host = builder.Build();
        var exception = Record.Exception(() => host.StartAsync().GetAwaiter().GetResult());
        return [.. exception.Should().BeOfType<OptionsValidationException>().Which.Failures];
    }

    private static string Thrown<T>(Action act)
        where T : Exception => act.Should().Throw<T>().Which.Message;

    private static async Task<string> ThrownAsync(
        HttpMessageInvoker client,
        Uri address,
        Action<ResilientRequestOptions>? configure = null
    )
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address).ConfigureResilience(
            configure ?? (_ => { })
        );
        var sending = () => client.SendAsync(request, default);
        return (await sending.Should().ThrowAsync<Exception>()).Which.Message;
    }

    private static async Task<string> TimedOutAsync()
    {
        using var rig = new HttpRig();
        using var stub = new StubHandler(
            async (_, token) =>
            {
                await Task.Delay(Timeout.Infinite, token);
                return new HttpResponseMessage();
            }
        );
        var once = new ResilientHandlerOptions { Retry = { Enabled = false } };
        using var client = new HttpMessageInvoker(new ResilientHandler(rig.Pool, stub, once));
        var sending = ThrownAsync(client, new Uri("http://catalog/"));
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        return await sending;
    }

    private static void WithoutProbes(Scene scene, params string[] pools)
    {
        foreach (var pool in pools)
        {
            scene.Services.AddResilientBackends(pool, options => options.HealthCheck.Enabled = false);
        }
    }

    private static async Task GetAsync(HttpClient client)
    {
        using var _ = await client.GetAsync(new Uri("x", UriKind.Relative));
    }

    private static IEnumerable<string[]> Table(string head) =>
        Page.Split('\n')
            .SkipWhile(line => !line.StartsWith(head, StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries));
}
