using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.DependencyInjection;

/// <summary>All state is in the pool: clients come and go (law 12).</summary>
public sealed class SharedPoolTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    private static readonly TimeSpan Forgotten = TimeSpan.FromMinutes(5);

    [Fact]
    public async Task Clients_OfOnePool_ShareWhatOneOfThemLearnt()
    {
        var client = ConnectTyped(options =>
        {
            options.AddRefusing("down").Add(backends.A);
            // It stays learnt until the test has ended, however busy the machine is.
            options.PassiveHealth.EjectionTime = options.PassiveHealth.MaxEjectionTime = Forgotten;
            options.CircuitBreaker.BreakDuration = options.CircuitBreaker.MaxBreakDuration = Forgotten;
        });
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                (await client.Http.GetAsync(Relative("work?ms=0"))).Dispose();
                // The snapshot follows a verdict within its rebuild spacing.
                return client.Pool.Snapshot.Available.Count < 2;
            },
            Limits.Wait,
            "one client has learnt who is down"
        );

        var typed = client.Services.GetRequiredService<TypedClient>();
        for (var i = 0; i < 10; i++)
        {
            using var response = await typed.Http.GetAsync(Relative("work?ms=0"));
            response.GetAttempts().Should().ContainSingle().Which.Backend.Should().Be("a");
        }
    }

    [Fact]
    public async Task Clients_OfOnePool_TakeTurnsTogether()
    {
        var client = ConnectTyped(options => options.Add(backends.A, backends.B));
        var typed = client.Services.GetRequiredService<TypedClient>();
        var answered = new List<string>();
        for (var i = 0; i < 6; i++)
        {
            foreach (var http in new[] { client.Http, typed.Http })
            {
                using var response = await http.GetAsync(Relative("work?ms=0"));
                answered.Add(response.GetBackend()!.Name);
            }
        }

        answered.Count(name => name == "a").Should().Be(6);
        answered.Where((_, i) => i % 2 == 0).Should().OnlyContain(name => name == answered[0]);
    }

    [Fact]
    public async Task Client_Disposed_LeavesThePoolToTheOthers()
    {
        var client = ConnectTyped(options => options.Add(backends.A, backends.B));
        var factory = client.Services.GetRequiredService<IHttpClientFactory>();
        for (var i = 0; i < 3; i++)
        {
            var other = factory.CreateClient("test");
            (await other.GetAsync(Relative("work?ms=0"))).Dispose();
            other.Dispose();
        }

        using var response = await client.Http.GetAsync(Relative("work?ms=0"));

        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Pools_OfTwoNames_KeepTheirStatesApart()
    {
        var services = new ServiceCollection();
        Register(services, options => options.Add(backends.A));
        services.AddResilientBackends("orders", options => options.Add(backends.B).HealthCheck.Enabled = false);
        services.AddHttpClient("orders").UseResilientBackends("orders");
        var provider = services.BuildServiceProvider();
        var client = Own(Made(provider, () => provider.DisposeAsync()));
        Watch(provider.GetRequiredKeyedService<BackendPool>("orders"));
        var orders = provider.GetRequiredService<IHttpClientFactory>().CreateClient("orders");

        using var one = await client.Http.GetAsync(Relative("work?ms=0"));
        using var two = await orders.GetAsync(Relative("work?ms=0"));

        one.GetBackend()!.Name.Should().Be("a");
        two.GetBackend()!.Name.Should().Be("b");
        provider
            .GetRequiredService<IBackendPools>()
            .Select(pool => pool.Name)
            .Should()
            .BeEquivalentTo("catalog", "orders");
    }

    [Fact]
    public async Task Handlers_AroundThePool_RunOncePerRequestOrOncePerAttempt()
    {
        var (outer, inner) = (new Counter(), new Counter());
        var services = new ServiceCollection();
        services.AddResilientBackends(PoolName, options => options.Add(backends.A).HealthCheck.Enabled = false);
        services
            .AddHttpClient("test")
            .AddHttpMessageHandler(() => new CountingHandler(outer))
            .UseResilientBackends(PoolName)
            .AddHttpMessageHandler(() => new CountingHandler(inner));
        var provider = services.BuildServiceProvider();
        var client = Own(Made(provider, () => provider.DisposeAsync()));

        (await client.Http.GetAsync(Relative("status/503"))).Dispose();

        outer.Count.Should().Be(1);
        inner.Count.Should().Be(3);
    }

    private ResilientClient ConnectTyped(Action<ResilientBackendsOptions> configure)
    {
        var services = new ServiceCollection();
        Register(services, configure);
        services.AddHttpClient<TypedClient>().UseResilientBackends(PoolName);
        var provider = services.BuildServiceProvider();
        return Own(Made(provider, () => provider.DisposeAsync()));
    }

    internal sealed class TypedClient(HttpClient http)
    {
        public HttpClient Http => http;
    }

    private sealed class Counter
    {
        public int Count;
    }

    private sealed class CountingHandler(Counter counter) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            Interlocked.Increment(ref counter.Count);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
