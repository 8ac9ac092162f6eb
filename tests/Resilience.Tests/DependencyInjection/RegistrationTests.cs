using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>Pools and clients in a service collection: names, keys, several on one (R17, R78, R110, R113).</summary>
public sealed class RegistrationTests
{
    [Fact]
    public async Task AddResilientBackends_TwoNames_AreTwoPoolsByKey()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80", "http://b:80");
        scene.AddPool("orders", "http://c:80");

        scene.Pool("catalog").Backends.Select(each => each.Name).Should().Equal("http://a", "http://b");
        scene.Pool("orders").Backends.Select(each => each.Name).Should().Equal("http://c");
        scene.Pool("orders").Name.Should().Be("orders");
    }

    [Fact]
    public async Task AddResilientBackends_Pool_IsOneForTheWholeApplication()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        await using var scope = scene.Provider.CreateAsyncScope();

        scope.ServiceProvider.GetRequiredKeyedService<BackendPool>("catalog").Should().BeSameAs(scene.Pool("catalog"));
    }

    [Fact]
    public async Task AddResilientBackends_Checker_IsAKeyedServiceOfThePool()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");

        var checker = scene.Provider.GetRequiredKeyedService<HealthChecker>("catalog");

        checker.Should().BeSameAs(scene.Host("catalog").Checker);
    }

    [Fact]
    public async Task BackendPools_ListsAllAndFindsByName()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddPool("orders", "http://c:80");

        var pools = scene.Provider.GetRequiredService<IBackendPools>();

        pools.Count.Should().Be(2);
        pools.Should().BeEquivalentTo([scene.Pool("catalog"), scene.Pool("orders")]);
        pools["orders"].Should().BeSameAs(scene.Pool("orders"));
    }

    [Fact]
    public async Task BackendPools_UnknownName_NamesThoseThereAre()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        var pools = scene.Provider.GetRequiredService<IBackendPools>();

        var act = () => pools["catalogue"];

        act.Should()
            .Throw<KeyNotFoundException>()
            .WithMessage("No pool 'catalogue' is registered. Registered: 'catalog'.");
    }

    [Fact]
    public async Task AddResilientBackends_SameNameAgain_AddsConfiguration()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.Services.AddResilientBackends("catalog", options => options.AddBackend("http://b:80", "b", 3));
        scene.Services.AddResilientBackends("catalog", options => options.Retry.MaxAttempts = 7);

        scene.Pool("catalog").Backends.Select(each => each.Name).Should().Equal("http://a", "b");
        scene.Pool("catalog").Find("b")!.Definition.Weight.Should().Be(3);
        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(7);
    }

    [Fact]
    public async Task AddResilientBackends_SectionThenCode_CodeHasTheLastWord()
    {
        await using var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog(("Retry:MaxAttempts", "5"), ("Retry:Multiplier", "3"));
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);
        scene.Services.AddResilientBackends("catalog", options => options.Retry.MaxAttempts = 7);

        var retry = scene.Host("catalog").Options.Retry;

        retry.MaxAttempts.Should().Be(7);
        retry.Multiplier.Should().Be(3);
    }

    /// <summary>R127: one section carries health checks, passive detection, circuit, retry and timeouts.</summary>
    [Fact]
    public async Task AddResilientBackends_EverySettingInASection_IsBound()
    {
        await using var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog(
            ("Backends:0:Name", "a"),
            ("Backends:0:Host", "api.example.com"),
            ("Backends:0:Weight", "4"),
            ("Backends:0:Metadata:zone", "eu"),
            ("HealthCheck:ExpectedStatuses:0", "200"),
            ("HealthCheck:ExpectedStatuses:1", "204-206"),
            ("LogicalAddress", "http://my-service/"),
            ("ForeignHosts", "PassThrough"),
            ("Transport:AutomaticDecompression", "GZip, Brotli")
        );
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);

        var definition = scene.Pool("catalog").Find("a")!.Definition;
        var options = scene.Host("catalog").Options;

        definition
            .Should()
            .BeEquivalentTo(
                new
                {
                    Host = "api.example.com",
                    Weight = 4,
                    Address = new Uri("http://a:80"),
                }
            );
        definition.Metadata.Should().Equal(new Dictionary<string, string> { ["zone"] = "eu" });
        options.HealthCheck.ExpectedStatuses.Should().Equal("200", "204-206");
        options.LogicalAddress.Should().Be(new Uri("http://my-service/"));
        options.ForeignHosts.Should().Be(ForeignHosts.PassThrough);
        options
            .Transport.AutomaticDecompression.Should()
            .Be(System.Net.DecompressionMethods.GZip | System.Net.DecompressionMethods.Brotli);
    }

    [Fact]
    public async Task AddResilientBackends_WholeConfigurationRoot_IsASectionToo()
    {
        await using var scene = new Scene();
        var configuration = new ReloadableConfiguration(("Backends:0:Address", "http://a:80"));
        scene.Services.AddResilientBackends("catalog", configuration.Root).UseHealthProbe(_ => scene.Probe);

        scene.Pool("catalog").Backends.Should().ContainSingle().Which.Name.Should().Be("http://a");
    }

    [Fact]
    public async Task UseResilientBackends_NamedClient_GoesToTheBackends()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:8080/base");
        scene.AddClient("client", "catalog");
        using var client = scene.Clients.CreateClient("client");

        using var response = await client.GetAsync(new Uri("items?id=1", UriKind.Relative));

        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a:8080/base/items?id=1");
        response.GetBackend().Should().BeSameAs(scene.Pool("catalog").Backends[0]);
        response.RequestMessage!.RequestUri.Should().Be(new Uri("http://catalog/items?id=1"));
    }

    [Fact]
    public async Task UseResilientBackends_BeforeThePoolIsRegistered_Works()
    {
        await using var scene = new Scene();
        scene.AddClient("client", "catalog");
        scene.AddPool("catalog", "http://a:80");
        using var client = scene.Clients.CreateClient("client");

        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/");
    }

    [Fact]
    public async Task UseResilientBackends_TypedClient_GoesToTheBackends()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene
            .Services.AddHttpClient<CatalogClient>()
            .ConfigurePrimaryHttpMessageHandler(() => scene.Stub)
            .UseResilientBackends("catalog");

        await scene.Provider.GetRequiredService<CatalogClient>().GetAsync();

        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/items");
    }

    [Fact]
    public async Task UseResilientBackends_KeyedClient_GoesToTheBackends()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog").AddAsKeyed();
        await using var scope = scene.Provider.CreateAsyncScope();
        var client = scope.ServiceProvider.GetRequiredKeyedService<HttpClient>("client");

        using var response = await client.GetAsync(new Uri("/x", UriKind.Relative));

        scene.Stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/x");
    }

    [Fact]
    public async Task UseResilientBackends_SeveralClientsOnOnePool_ShareItsState()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80", "http://b:80");
        scene.AddClient("first", "catalog");
        scene.AddClient("second", "catalog");
        using var first = scene.Clients.CreateClient("first");
        using var second = scene.Clients.CreateClient("second");

        (await first.GetAsync(new Uri("/", UriKind.Relative))).Dispose();
        (await second.GetAsync(new Uri("/", UriKind.Relative))).Dispose();

        // One turn for both clients: each of two backends once, whatever the random start.
        scene.Pool("catalog").Backends.Select(each => each.Attempts).Should().Equal(1, 1);
    }

    [Fact]
    public async Task UseResilientBackends_TwoPools_DoNotMix()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddPool("orders", "http://c:80");
        scene.AddClient("client", "orders");
        scene.AddClient("other", "catalog");
        using var client = scene.Clients.CreateClient("client");

        (await client.GetAsync(new Uri("/", UriKind.Relative))).Dispose();

        scene.Pool("orders").Backends[0].Attempts.Should().Be(1);
        scene.Pool("catalog").Backends[0].Attempts.Should().Be(0);
    }

    [Fact]
    public async Task UseSelector_OfTheApplication_Chooses()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80", "http://b:80").UseSelector(_ => new LastSelector());
        scene.AddClient("client", "catalog");
        using var client = scene.Clients.CreateClient("client");

        (await client.GetAsync(new Uri("/", UriKind.Relative))).Dispose();
        (await client.GetAsync(new Uri("/", UriKind.Relative))).Dispose();

        scene.Stub.Requests.Select(each => each.Uri).Should().Equal("http://b/", "http://b/");
    }

    /// <summary>Law 14: whatever a pool draws comes from the source that it was given.</summary>
    [Fact]
    public async Task UseRandom_OfTheApplication_IsWhatThePoolDrawsFrom()
    {
        await using var scene = new Scene();
        var random = new ScriptedRandom(0.5);
        scene.AddPool("catalog", "http://a:80").UseRandom(_ => random);
        scene.AddPool("orders", "http://b:80");

        scene.Pool("catalog").Random.Should().BeSameAs(random);
        scene.Pool("orders").Random.Should().BeSameAs(scene.Random);
    }

    [Fact]
    public async Task UseClassifier_OfTheApplication_Decides()
    {
        await using var scene = new Scene();
        scene
            .AddPool("catalog", "http://a:80")
            .UseClassifier((_, _) => new AttemptOutcome(OutcomeKind.ApplicationFailure, FailureKind.Status, 200));
        scene.AddClient("client", "catalog");
        using var client = scene.Clients.CreateClient("client");

        (await client.GetAsync(new Uri("/", UriKind.Relative))).Dispose();

        scene.Pool("catalog").Backends[0].Failures.Should().Be(1);
    }

    [Fact]
    public void UseSelector_OnAForeignBuilder_IsRefused()
    {
        var act = () => new ForeignBuilder().UseSelector(_ => new LastSelector());

        act.Should().Throw<ArgumentException>().WithMessage("The builder is not one of AddResilientBackends.*");
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" ")]
    public void Names_Blank_AreRefusedAtRegistration(string? name)
    {
        var services = new ServiceCollection();

        services.Invoking(each => each.AddResilientBackends(name!, _ => { })).Should().Throw<ArgumentException>();
        services
            .Invoking(each => each.AddHttpClient("c").UseResilientBackends(name!))
            .Should()
            .Throw<ArgumentException>();
    }

    [Fact]
    public void Arguments_Null_AreRefusedAtRegistration()
    {
        var services = new ServiceCollection();
        var builder = services.AddResilientBackends("catalog", _ => { });

        Action[] acts =
        [
            () => services.AddResilientBackends("x", (Action<ResilientBackendsOptions>)null!),
            () => services.AddResilientBackends("x", (Microsoft.Extensions.Configuration.IConfiguration)null!),
            () => ((IServiceCollection)null!).AddResilientBackends("x", _ => { }),
            () => ((IHttpClientBuilder)null!).UseResilientBackends("x"),
            () => builder.UseSelector(null!),
            () => builder.UseHealthProbe(null!),
            () => builder.UseClassifier(null!),
            () => builder.ConfigureTransport(null!),
            () => builder.ConfigureProbeHandler(null!),
            () => ((IResilientBackendsBuilder)null!).UseSelector(_ => new LastSelector()),
        ];

        acts.Should().AllSatisfy(act => act.Should().Throw<ArgumentNullException>());
        services.Should().NotContain(each => Equals(each.ServiceKey, "x"));
    }

    [Fact]
    public async Task UnknownPool_WithoutAHost_IsNamedWhenTheClientIsCreated()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalogue");

        var act = () => scene.Clients.CreateClient("client");

        act.Should()
            .Throw<InvalidOperationException>()
            .WithMessage(
                "The client 'client' uses the pool 'catalogue', which is not registered. Call "
                    + "services.AddResilientBackends(\"catalogue\", ...). Registered: 'catalog'."
            );
    }

    [Fact]
    public async Task InvalidPool_WithoutAHost_IsRefusedWhenFirstResolved()
    {
        await using var scene = new Scene();
        scene.Services.AddResilientBackends("catalog", _ => { });

        var act = () => scene.Pool("catalog");

        act.Should()
            .Throw<OptionsValidationException>()
            .Which.Failures.Should()
            .ContainSingle()
            .Which.Should()
            .StartWith("pool 'catalog':Backends is empty");
    }

    [Fact]
    public async Task Checker_WithoutAHost_StartsWithTheFirstClient()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog");
        _ = scene.Pool("catalog");
        scene.Time.Advance(TimeSpan.FromMinutes(1));
        scene.Probe.Count.Should().Be(0);

        using var client = scene.Clients.CreateClient("client");

        (await scene.Probe.NextAsync()).Should().Be("http://a");
    }

    [Fact]
    public async Task Checker_SwitchedOff_DoesNotProbe()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", options => options.HealthCheck.Enabled = false);
        scene.AddClient("client", "catalog");

        using var client = scene.Clients.CreateClient("client");
        scene.Time.Advance(TimeSpan.FromMinutes(1));
        await scene.Provider.GetRequiredKeyedService<HealthChecker>("catalog").StopAsync();

        scene.Probe.Count.Should().Be(0);
    }

    private sealed class CatalogClient(HttpClient client)
    {
        public async Task GetAsync() => (await client.GetAsync(new Uri("items", UriKind.Relative))).Dispose();
    }

    private sealed class LastSelector : IBackendSelector
    {
        public BackendPicker CreatePicker(IReadOnlyList<Backend> available, BackendPicker? previous, Random random) =>
            new LastPicker(available[^1]);

        private sealed class LastPicker(Backend last) : BackendPicker
        {
            public override Backend Pick(in PickContext context) => last;
        }
    }

    private sealed class ForeignBuilder : IResilientBackendsBuilder
    {
        public string Name => "foreign";

        public IServiceCollection Services { get; } = new ServiceCollection();
    }
}
