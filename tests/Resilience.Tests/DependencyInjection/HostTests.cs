using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Health.Active;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>With a generic host: everything is checked before anything starts; the checker starts and stops (R8, R9, R149).</summary>
public sealed class HostTests
{
    /// <summary>For what must come; a test that waits so long has failed.</summary>
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

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
        await host.Services.GetRequiredKeyedService<HealthChecker>("catalog").StopAsync();

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

    [Fact]
    public async Task Start_WithStartupWait_CompletesWhenEveryBackendHasBeenProbed()
    {
        var release = new TaskCompletionSource();
        var begun = new TaskCompletionSource();
        using var host = BuildWaiting(
            HealthProbe.From(
                async (backend, token) =>
                {
                    begun.TrySetResult();
                    await release.Task.WaitAsync(token);
                    return new ProbeResult(backend.Name != "http://b", "stub");
                }
            )
        );

        var start = host.StartAsync();
        await begun.Task.WaitAsync(Limit);
        start.IsCompleted.Should().BeFalse("nothing is known of the backends yet");
        release.SetResult();
        await start.WaitAsync(Limit);

        PoolOf(host).Backends.Should().OnlyContain(backend => backend.LastProbe != null);
        await host.StopAsync();
    }

    [Fact]
    public async Task Start_WithStartupWait_GoesOnWithAWarningWhenTheTimeIsOver()
    {
        var time = new FakeTime();
        var logs = new CollectingLoggerFactory();
        using var host = BuildWaiting(new RecordingProbe { Hangs = true }, time, logs);
        var start = host.StartAsync();
        // Two probes' limits and the wait itself.
        await time.WhenTimersArmedAsync(3);

        time.Advance(TimeSpan.FromSeconds(2));
        await start.WaitAsync(Limit);

        var line = await logs.WaitForAsync(entry => entry.EventId.Id == 212);
        line.Level.Should().Be(LogLevel.Warning);
        line.Message.Should()
            .Be(
                "Pool catalog: the start has waited 00:00:02 for the first probes and goes on; 2 of 2 backends have not "
                    + "been probed yet, and take traffic"
            );
        await host.StopAsync();
    }

    [Fact]
    public async Task Start_WithStartupWait_EndsWithTheHostsToken()
    {
        using var stopping = new CancellationTokenSource();
        var probe = new RecordingProbe { Hangs = true };
        using var host = BuildWaiting(probe);
        var start = host.StartAsync(stopping.Token);
        await probe.NextAsync();

        await stopping.CancelAsync();

        var act = () => start.WaitAsync(Limit);
        await act.Should().ThrowAsync<OperationCanceledException>();
        await host.StopAsync();
    }

    /// <summary>The round that it waits for has been called off: that is no reason not to start.</summary>
    [Fact]
    public async Task Start_WithStartupWait_GoesOnWhenAReloadSwitchesChecksOff()
    {
        var configuration = ReloadableConfiguration.OfCatalog(("HealthCheck:StartupWait", "00:00:30"));
        var probe = new RecordingProbe { Hangs = true };
        using var host = Build(services =>
            services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => probe)
        );
        var start = host.StartAsync();
        await probe.NextAsync();

        configuration.ReloadCatalog(("HealthCheck:Enabled", "false"));

        await start.WaitAsync(Limit);
        await host.StopAsync();
    }

    [Fact]
    public async Task Start_WithStartupWaitAndChecksSwitchedOff_DoesNotWait()
    {
        var configuration = ReloadableConfiguration.OfCatalog(
            ("HealthCheck:StartupWait", "00:00:30"),
            ("HealthCheck:Enabled", "false")
        );
        using var host = Build(services => services.AddResilientBackends("catalog", configuration.Catalog));

        await host.StartAsync().WaitAsync(Limit);

        await host.StopAsync();
    }

    private static BackendPool PoolOf(IHost host) => host.Services.GetRequiredKeyedService<BackendPool>("catalog");

    /// <summary>A host that waits up to two seconds for the probes of two backends.</summary>
    private static IHost BuildWaiting(
        IHealthProbe probe,
        FakeTime? time = null,
        CollectingLoggerFactory? logs = null
    ) =>
        Build(
            services =>
                services
                    .AddResilientBackends(
                        "catalog",
                        options =>
                        {
                            options.AddBackend("http://a:80").AddBackend("http://b:80");
                            options.HealthCheck.StartupWait = TimeSpan.FromSeconds(2);
                        }
                    )
                    .UseHealthProbe(_ => probe),
            time,
            logs
        );

    private static IHost Build(
        Action<IServiceCollection> configure,
        FakeTime? time = null,
        CollectingLoggerFactory? logs = null
    )
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton<TimeProvider>(time ?? new FakeTime());
        builder.Services.AddSingleton<ILoggerFactory>(logs ?? new CollectingLoggerFactory());
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
