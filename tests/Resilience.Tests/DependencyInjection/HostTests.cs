using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>With a generic host: everything is checked before anything starts; the checker starts and stops (R8, R9, R149).</summary>
public sealed class HostTests
{
    [Fact]
    public async Task Start_ProblemsInSeveralPools_AreOneExceptionBeforeAnythingStarts()
    {
        var other = new StartSpy();
        using var host = Build(services =>
        {
            services.AddHostedService(_ => other);
            var configuration = new ReloadableConfiguration(
                ("Backends:Catalog:Backends:0:Address", "ftp://a"),
                ("Backends:Catalog:Retry:MaxAttempts", "0")
            );
            services.AddResilientBackends("catalog", configuration.Catalog);
            services.AddResilientBackends("orders", _ => { });
            services.AddResilientBackends("good", options => options.AddBackend("http://a:80"));
            services.AddHttpClient("client").UseResilientBackends("catalogue");
        });

        var act = () => host.StartAsync();

        (await act.Should().ThrowAsync<OptionsValidationException>())
            .Which.Failures.Should()
            .SatisfyRespectively(
                first =>
                    first.Should().StartWith("The client 'client' uses the pool 'catalogue', which is not registered."),
                second => second.Should().StartWith("Backends:Catalog:Backends:0:Address has the scheme 'ftp'"),
                third => third.Should().StartWith("Backends:Catalog:Retry:MaxAttempts is 0, must be from 1 to 100"),
                fourth => fourth.Should().StartWith("pool 'orders':Backends is empty")
            );
        other.IsStarted.Should().BeFalse();
    }

    [Fact]
    public async Task Start_GoodConfiguration_ProbesEveryPoolThoughNoClientWasMade()
    {
        var probe = new RecordingProbe();
        using var host = Build(services =>
        {
            services
                .AddResilientBackends("catalog", options => options.AddBackend("http://a:80"))
                .UseHealthProbe(_ => probe);
            services
                .AddResilientBackends("orders", options => options.AddBackend("http://b:80"))
                .UseHealthProbe(_ => probe);
        });

        await host.StartAsync();

        new[] { await probe.NextAsync(), await probe.NextAsync() }.Should().BeEquivalentTo("http://a", "http://b");
        await host.StopAsync();
    }

    [Fact]
    public async Task Stop_ProbeUnderWay_IsCancelledAndWaitedFor()
    {
        var probe = new RecordingProbe { Hangs = true };
        using var host = Build(services =>
            services
                .AddResilientBackends("catalog", options => options.AddBackend("http://a:80"))
                .UseHealthProbe(_ => probe)
        );
        await host.StartAsync();
        await probe.NextAsync();

        await host.StopAsync();

        probe.UnderWay.Should().Be(0);
    }

    [Fact]
    public async Task Stop_CheckerStaysStopped_WhenTheConfigurationIsReloaded()
    {
        var time = new FakeTime();
        var probe = new RecordingProbe();
        var configuration = ReloadableConfiguration.OfCatalog(("HealthCheck:Interval", "00:00:10"));
        using var host = Build(
            services => services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => probe),
            time
        );
        await host.StartAsync();
        await probe.NextAsync();
        await host.StopAsync();
        var before = probe.Count;

        configuration.ReloadCatalog(("HealthCheck:Interval", "00:00:05"));
        configuration.ReloadCatalog(("HealthCheck:Enabled", "false"));
        configuration.ReloadCatalog(("HealthCheck:Enabled", "true"));
        time.Advance(TimeSpan.FromMinutes(1));
        // Whatever runs after all would have to be waited for here.
        await host.Services.GetRequiredKeyedService<Resilience.Health.Active.HealthChecker>("catalog").StopAsync();

        probe.Count.Should().Be(before);
    }

    [Fact]
    public async Task Stop_OtherServicesFinishFirst_WithProbesStillRunning()
    {
        var probe = new RecordingProbe { Hangs = true };
        var spy = new StartSpy { OnStopping = () => probe.UnderWay };
        using var host = Build(services =>
        {
            services.AddHostedService(_ => spy);
            services
                .AddResilientBackends("catalog", options => options.AddBackend("http://a:80"))
                .UseHealthProbe(_ => probe);
        });
        await host.StartAsync();
        await probe.NextAsync();

        await host.StopAsync();

        spy.SeenWhenStopping.Should().Be(1);
    }

    [Fact]
    public async Task Start_ClientUsedByAnotherServiceThatStartsFirst_Works()
    {
        var stub = new StubHandler();
        using var host = Build(services =>
        {
            services.AddHostedService<EarlyBird>();
            services
                .AddResilientBackends("catalog", options => options.AddBackend("http://a:80"))
                .UseHealthProbe(_ => new RecordingProbe());
            services
                .AddHttpClient("client")
                .ConfigurePrimaryHttpMessageHandler(() => stub)
                .UseResilientBackends("catalog");
        });

        await host.StartAsync();
        await host.StopAsync();

        stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/early");
    }

    private static IHost Build(Action<IServiceCollection> configure, FakeTime? time = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton<TimeProvider>(time ?? new FakeTime());
        builder.Services.AddSingleton<ILoggerFactory>(new CollectingLoggerFactory());
        configure(builder.Services);
        return builder.Build();
    }

    private sealed class StartSpy : IHostedService
    {
        public bool IsStarted { get; private set; }

        public Func<int>? OnStopping { get; init; }

        public int? SeenWhenStopping { get; private set; }

        public Task StartAsync(CancellationToken cancellationToken)
        {
            IsStarted = true;
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken)
        {
            SeenWhenStopping = OnStopping?.Invoke();
            return Task.CompletedTask;
        }
    }

    private sealed class EarlyBird(IHttpClientFactory clients) : IHostedService
    {
        public async Task StartAsync(CancellationToken cancellationToken)
        {
            using var client = clients.CreateClient("client");
            (await client.GetAsync(new Uri("early", UriKind.Relative), cancellationToken)).Dispose();
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
