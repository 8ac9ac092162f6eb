using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.DependencyInjection;

/// <summary>The generic host starts and stops around requests (laws 13 and 16; R7, R8, R9, R131, R149, S76).</summary>
public sealed class HostTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    [Fact]
    public async Task Stop_RequestInFlight_Finishes()
    {
        await using var server = GatedServer.Start();
        using var host = BuildHost(options => options.AddBackend(server.Address.ToString(), "gated"));
        await host.StartAsync();
        var (client, pool) = ClientOf(host);
        var sending = client.GetAsync(Relative("long"));
        await server.ReceiveAsync();

        await host.StopAsync();
        await ((IAsyncDisposable)host).DisposeAsync();
        await server.AnswerAsync("done");

        using var response = await sending.WaitAsync(Limits.Wait);
        (await response.Content.ReadAsStringAsync()).Should().Be("done");
        pool.Backends[0].InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Dispose_ThenARequest_SaysThatThePoolIsDisposed()
    {
        var host = BuildHost(options => options.Add(backends.A));
        await host.StartAsync();
        var (client, _) = ClientOf(host);
        await host.StopAsync();
        await ((IAsyncDisposable)host).DisposeAsync();

        var sending = () => client.GetAsync(Relative("echo"));

        await sending.Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Stop_ProbesRunning_EndsThemAndSendsNoMore()
    {
        await using var server = GatedServer.Start();
        using var host = BuildHost(options =>
            options.AddBackend(server.Address.ToString(), "gated").ProbeOften().HealthCheck.Timeout = Limits.Wait
        );
        await host.StartAsync();
        var (_, pool) = ClientOf(host);
        // The probe is under way and would wait for its answer as long as this test does.
        await server.ReceiveAsync();

        await host.StopAsync().WaitAsync(Limits.Wait);

        pool.Backends[0].LastProbe.Should().BeNull("a probe that is stopped is no result");
        pool.Backends[0].ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
    }

    [Fact]
    public async Task Stop_ServicesThatStillSend_ReachTheirBackendsUntilTheyEnd()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        Register(builder.Services, options => options.AddRefusing("down").Add(backends.A));
        builder.Services.AddSingleton<LastWords>();
        builder.Services.AddHostedService(services => services.GetRequiredService<LastWords>());
        using var host = builder.Build();
        await host.StartAsync();
        ClientOf(host);
        var lastWords = host.Services.GetRequiredService<LastWords>();

        await host.StopAsync();

        lastWords.Statuses.Should().HaveCount(10).And.OnlyContain(status => status == HttpStatusCode.OK);
    }

    [Fact]
    public async Task Start_InvalidConfiguration_FailsWithEveryProblemBeforeTheFirstRequest()
    {
        using var host = BuildHost(options =>
        {
            options.AddBackend("not an address");
            options.Retry.MaxAttempts = 0;
        });

        var starting = () => host.StartAsync();

        var problem = (await starting.Should().ThrowAsync<OptionsValidationException>()).Which;
        problem.Failures.Should().HaveCountGreaterThanOrEqualTo(2);
    }

    private static IHost BuildHost(Action<Resilience.DependencyInjection.ResilientBackendsOptions> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        Register(builder.Services, configure);
        return builder.Build();
    }

    private (HttpClient Client, BackendPool Pool) ClientOf(IHost host) =>
        (
            host.Services.GetRequiredService<IHttpClientFactory>().CreateClient("test"),
            Watch(host.Services.GetRequiredKeyedService<BackendPool>(PoolName))
        );

    /// <summary>Sends while the host stops.</summary>
    private sealed class LastWords(IHttpClientFactory clients) : IHostedService
    {
        public List<HttpStatusCode> Statuses { get; } = [];

        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public async Task StopAsync(CancellationToken cancellationToken)
        {
            var client = clients.CreateClient("test");
            for (var i = 0; i < 10; i++)
            {
                using var response = await client.GetAsync(Relative("work?ms=0"), cancellationToken);
                Statuses.Add(response.StatusCode);
            }
        }
    }
}
