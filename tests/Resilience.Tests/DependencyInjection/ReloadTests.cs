using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.DependencyInjection;
using Resilience.Health.Active;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>Law 15: a changed configuration is applied whole or not at all, and never loses state (R78).</summary>
public sealed class ReloadTests
{
    private const int Applied = 401;
    private const int Refused = 402;

    [Fact]
    public async Task Reload_EqualConfiguration_IsNoEvent()
    {
        await using var scene = Start(out var configuration, ("Retry:MaxAttempts", "4"));
        using var events = new EventRecorder(scene.Pool("catalog"));
        var version = scene.Pool("catalog").Snapshot.Version;
        var policy = scene.Host("catalog").Policy.Current;

        configuration.Signal();
        configuration.ReloadCatalog(("Retry:MaxAttempts", "4"));

        // Events come in order: had there been one of the reloads, it would come before this one.
        scene.Pool("catalog").Add(new BackendDefinition("http://sentinel"));
        (await events.NextAsync()).Should().BeOfType<BackendAdded>();
        scene.Pool("catalog").Snapshot.Version.Should().Be(version + 1);
        scene.Host("catalog").Policy.Current.Should().BeSameAs(policy);
    }

    [Fact]
    public async Task Reload_Changed_IsOneEventAndOneLine()
    {
        await using var scene = Start(out var configuration);
        using var events = new EventRecorder(scene.Pool("catalog"));

        configuration.ReloadCatalog(("Retry:MaxAttempts", "4"));

        var item = (await events.NextAsync()).Should().BeOfType<ConfigurationReloaded>().Subject;
        item.Pool.Should().Be("catalog");
        item.Time.Should().Be(scene.Time.GetUtcNow());
        item.Problems.Should().BeEmpty();
        var line = await scene.Logs.WaitForAsync(each => each.EventId.Id == Applied);
        line.Level.Should().Be(LogLevel.Information);
        line["Pool"].Should().Be("catalog");
    }

    /// <summary>Point 6 of what the peers get wrong.</summary>
    [Fact]
    public async Task Reload_UnchangedBackend_KeepsHealthCircuitAndCounters()
    {
        await using var scene = Start(out var configuration, ("Backends:1:Address", "http://b:80"));
        var pool = scene.Pool("catalog");
        var backend = pool.Find("http://a")!;
        for (var i = 0; i < CircuitDefaults.ConsecutiveFailuresInPool; i++)
        {
            Fail(backend);
        }

        backend.SetAlive(false);
        backend.Disable();
        var before = StateOf(backend);

        configuration.ReloadCatalog(
            ("Backends:1:Address", "http://c:80"),
            ("Backends:0:Weight", "7"),
            ("Retry:MaxAttempts", "9"),
            ("CircuitBreaker:ConsecutiveFailures", "20"),
            ("PassiveHealth:ConsecutiveFailures", "20")
        );

        var after = pool.Find("http://a")!;
        after.Should().BeSameAs(backend);
        StateOf(after).Should().Be(before);
        after.Failures.Should().Be(CircuitDefaults.ConsecutiveFailuresInPool);
        after.Circuit.State.Should().Be(CircuitState.Open);
        after.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        after.Definition.Weight.Should().Be(7);
        pool.Backends.Select(each => each.Name).Should().Equal("http://a", "http://c");
    }

    [Fact]
    public async Task Reload_SameNameWithAnotherAddress_IsAnotherBackend()
    {
        await using var scene = Start(out var configuration, ("Backends:0:Name", "a"));
        var old = scene.Pool("catalog").Find("a")!;
        Fail(old);

        configuration.ReloadCatalog(("Backends:0:Address", "http://a:81"), ("Backends:0:Name", "a"));

        var young = scene.Pool("catalog").Find("a")!;
        young.Should().NotBeSameAs(old);
        young.Failures.Should().Be(0);
        old.State.Should().Be(BackendState.Draining);
    }

    [Fact]
    public async Task Reload_RemovedBackend_FinishesWhatItHas()
    {
        await using var scene = Start(out var configuration, ("Backends:1:Address", "http://b:80"));
        var pool = scene.Pool("catalog");
        var backend = pool.Find("http://b")!;
        var lease = backend.TryAcquire(new PickContext(null, Random.Shared))!;

        configuration.ReloadCatalog();

        pool.Find("http://b").Should().BeNull();
        backend.InFlight.Should().Be(1);
        lease.Report(new AttemptOutcome(OutcomeKind.Success));
        lease.Return();
        backend.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Reload_BackendAddedByHand_Stays()
    {
        await using var scene = Start(out var configuration);
        scene.Pool("catalog").Add(new BackendDefinition("http://manual"));

        configuration.ReloadCatalog(("Backends:1:Address", "http://b:80"));

        scene
            .Pool("catalog")
            .Backends.Select(each => each.Name)
            .Should()
            .BeEquivalentTo("http://a", "http://b", "http://manual");
    }

    [Fact]
    public async Task Reload_BackendThatWasAddedByHand_IsRefusedWhole()
    {
        await using var scene = Start(out var configuration);
        scene.Pool("catalog").Add(new BackendDefinition("http://manual"));
        using var events = new EventRecorder(scene.Pool("catalog"));

        configuration.ReloadCatalog(("Backends:1:Address", "http://manual"), ("Retry:MaxAttempts", "9"));

        var item = await events.NextAsync<ConfigurationReloaded>();
        item.Problems.Should().ContainSingle().Which.Should().Contain("'http://manual'");
        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(3);
    }

    [Fact]
    public async Task Reload_Invalid_LeavesTheLastGoodOneInForceAndSaysSo()
    {
        await using var scene = Start(out var configuration, ("Retry:MaxAttempts", "4"));
        using var events = new EventRecorder(scene.Pool("catalog"));
        var before = scene.Host("catalog").Options;

        var act = () =>
            configuration.ReloadCatalog(
                ("Retry:MaxAttempts", "5"),
                ("Backends:1:Address", "http://b:80"),
                ("HealthCheck:Interval", "10"),
                ("CircuitBreaker:Jitter", "2"),
                ("Nonsense", "1")
            );

        act.Should().NotThrow();
        scene.Host("catalog").Options.Should().BeSameAs(before);
        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(4);
        scene.Pool("catalog").Backends.Should().ContainSingle();
        var item = (await events.NextAsync()).Should().BeOfType<ConfigurationReloaded>().Subject;
        item.Problems.Select(each => each.Split(' ')[0])
            .Should()
            .BeEquivalentTo(
                "Backends:Catalog:HealthCheck:Interval",
                "Backends:Catalog:CircuitBreaker:Jitter",
                "Backends:Catalog:Nonsense"
            );
        var line = await scene.Logs.WaitForAsync(each => each.EventId.Id == Refused);
        line.Level.Should().Be(LogLevel.Error);
        item.Problems.Should().AllSatisfy(problem => line.Message.Should().Contain(problem));
    }

    [Fact]
    public async Task Reload_EmptiedConfiguration_LeavesTheLastGoodOneInForce()
    {
        await using var scene = Start(out var configuration);

        configuration.Reload();

        scene.Pool("catalog").Backends.Should().ContainSingle();
        await scene.Logs.WaitForAsync(each => each.EventId.Id == Refused);
    }

    /// <summary>Point 6 besides: one that was refused does not keep later ones out.</summary>
    [Fact]
    public async Task Reload_GoodOneAfterAnInvalidOne_IsApplied()
    {
        await using var scene = Start(out var configuration);
        using var events = new EventRecorder(scene.Pool("catalog"));
        configuration.ReloadCatalog(("Retry:MaxAttempts", "0"));

        configuration.ReloadCatalog(("Retry:MaxAttempts", "6"));

        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(6);
        (await events.NextAsync<ConfigurationReloaded>()).Problems.Should().ContainSingle();
        (await events.NextAsync<ConfigurationReloaded>()).Problems.Should().BeEmpty();
    }

    [Fact]
    public async Task Reload_CallbackOfTheApplicationThrows_IsRefusedAndReported()
    {
        await using var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog();
        var isBroken = false;
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);
        scene.Services.AddResilientBackends(
            "catalog",
            _ =>
            {
                if (isBroken)
                {
                    throw new NotSupportedException("callback");
                }
            }
        );
        using var events = new EventRecorder(scene.Pool("catalog"));
        isBroken = true;

        var act = () => configuration.ReloadCatalog(("Retry:MaxAttempts", "9"));

        act.Should().NotThrow();
        (await events.NextAsync<ConfigurationReloaded>()).Problems.Should().Equal("callback");
        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(3);
    }

    [Fact]
    public async Task Reload_SourceThatCannotBeRead_IsRefusedAndReported()
    {
        await using var scene = new Scene();
        var source = new BrittleSource();
        var root = new ConfigurationBuilder().Add(source).Build();
        scene.Services.AddResilientBackends("catalog", root).UseHealthProbe(_ => scene.Probe);
        using var events = new EventRecorder(scene.Pool("catalog"));
        source.IsBroken = true;

        source.Invoking(each => each.Signal()).Should().NotThrow();

        (await events.NextAsync<ConfigurationReloaded>()).Problems.Should().Equal("source");
    }

    [Fact]
    public async Task Reload_OfAWholeRoot_IsApplied()
    {
        await using var scene = new Scene();
        var configuration = new ReloadableConfiguration(("Backends:0:Address", "http://a:80"));
        scene.Services.AddResilientBackends("catalog", configuration.Root).UseHealthProbe(_ => scene.Probe);
        _ = scene.Pool("catalog");

        configuration.Reload(("Backends:0:Address", "http://b:80"));

        scene.Pool("catalog").Backends.Should().ContainSingle().Which.Name.Should().Be("http://b");
    }

    [Fact]
    public async Task Reload_ByTheRootItself_IsApplied()
    {
        await using var scene = Start(out var configuration);

        // Each provider loads anew and signals; the root signals once more.
        configuration.Root["Backends:Catalog:Retry:MaxAttempts"] = "8";
        configuration.Root.Reload();

        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(8);
    }

    [Fact]
    public async Task Reload_WhileThePoolIsBeingBuilt_IsNotLost()
    {
        await using var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog();
        var isFirst = true;
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);
        scene.Services.AddResilientBackends(
            "catalog",
            _ =>
            {
                if (isFirst)
                {
                    // The section has been read, and nobody listens yet.
                    isFirst = false;
                    configuration.ReloadCatalog(("Retry:MaxAttempts", "9"));
                }
            }
        );

        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(9);
    }

    [Fact]
    public async Task Reload_OfOnePool_LeavesTheOthersAlone()
    {
        await using var both = new Scene();
        var configuration = new ReloadableConfiguration(
            ("Backends:Catalog:Backends:0:Address", "http://a:80"),
            ("Backends:Orders:Backends:0:Address", "http://o:80")
        );
        both.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => both.Probe);
        both.Services.AddResilientBackends("orders", configuration.Root.GetSection("Backends:Orders"))
            .UseHealthProbe(_ => both.Probe);
        using var events = new EventRecorder(both.Pool("orders"));
        _ = both.Pool("catalog");
        configuration.Reload(
            ("Backends:Catalog:Backends:0:Address", "http://a2:80"),
            ("Backends:Orders:Backends:0:Address", "http://o:80")
        );

        both.Pool("catalog").Backends[0].Name.Should().Be("http://a2");
        both.Pool("orders").Add(new BackendDefinition("http://sentinel"));
        (await events.NextAsync()).Should().BeOfType<BackendAdded>();
    }

    [Fact]
    public async Task Reload_AfterDisposal_DoesNothing()
    {
        var scene = Start(out var configuration);
        var host = scene.Host("catalog");
        var before = host.Options;
        await scene.DisposeAsync();

        var act = () => configuration.ReloadCatalog(("Retry:MaxAttempts", "9"));

        act.Should().NotThrow();
        host.Options.Should().BeSameAs(before);
        scene.Logs.Entries.Should().NotContain(each => each.EventId.Id == Refused || each.EventId.Id == Applied);
    }

    [Fact]
    public async Task Reload_AfterThePoolAloneWasDisposed_DoesNotThrow()
    {
        await using var scene = Start(out var configuration);
        await scene.Pool("catalog").DisposeAsync();

        var act = () => configuration.ReloadCatalog(("Backends:1:Address", "http://b"));

        act.Should().NotThrow();
    }

    [Fact]
    public async Task Reload_DuringDisposal_EndsCleanly()
    {
        for (var round = 0; round < 50; round++)
        {
            var scene = Start(out var configuration);
            scene.Host("catalog").EnsureStarted();
            using var together = new Barrier(2);
            var reloading = Task.Run(() =>
            {
                together.SignalAndWait();
                for (var i = 0; i < 20; i++)
                {
                    configuration.ReloadCatalog(
                        ("Retry:MaxAttempts", i % 2 == 0 ? "5" : "6"),
                        ("HealthCheck:Enabled", i % 2 == 0 ? "true" : "false")
                    );
                }
            });
            together.SignalAndWait();

            await scene.DisposeAsync();
            await reloading;

            scene.Probe.UnderWay.Should().Be(0);
            scene.Probe.IsDisposed.Should().BeTrue();
            scene.Time.ArmedTimers.Should().Be(0);
        }
    }

    [Fact]
    public async Task Reload_FromManyThreads_EndsWithTheLastConfiguration()
    {
        await using var scene = Start(out var configuration);
        var pool = scene.Pool("catalog");

        await Task.WhenAll(
            Enumerable
                .Range(0, 8)
                .Select(thread =>
                    Task.Run(() =>
                    {
                        for (var i = 0; i < 25; i++)
                        {
                            configuration.ReloadCatalog(
                                ("Backends:1:Address", $"http://b{thread}-{i}"),
                                ("Retry:MaxAttempts", $"{(thread + i) % 10 + 1}")
                            );
                        }
                    })
                )
        );
        configuration.ReloadCatalog(("Backends:1:Address", "http://last"), ("Retry:MaxAttempts", "77"));

        scene.Host("catalog").Policy.Current.Retry.MaxAttempts.Should().Be(77);
        pool.Backends.Select(each => each.Name).Should().Equal("http://a", "http://last");
        pool.Backends[0].Should().BeSameAs(pool.Find("http://a"));
    }

    [Fact]
    public async Task Reload_NeverReadsOptionsMonitorOnTheRequestPath()
    {
        await using var scene = Start(out var configuration);
        configuration.ReloadCatalog(("Retry:MaxAttempts", "0"));
        using var client = scene.Clients.CreateClient("client");

        var act = () => client.GetAsync(new Uri("/", UriKind.Relative));

        // A client made, and a request sent, while the configuration is invalid.
        (await act.Should().NotThrowAsync()).Which.Dispose();
    }

    [Fact]
    public async Task Reload_ChecksSwitchedOffAndOn_StopAndBeginProbing()
    {
        await using var scene = Start(out var configuration);
        var host = scene.Host("catalog");
        host.EnsureStarted();
        await scene.Probe.NextAsync();

        configuration.ReloadCatalog(("HealthCheck:Enabled", "false"));
        await host.Checker.StopAsync();
        scene.Time.Advance(TimeSpan.FromMinutes(1));
        scene.Probe.Count.Should().Be(1);

        configuration.ReloadCatalog(("HealthCheck:Enabled", "true"));
        (await scene.Probe.NextAsync()).Should().Be("http://a");
    }

    [Fact]
    public async Task Reload_ChecksSwitchedOnBeforeAnyClient_DoNotBeginYet()
    {
        await using var scene = Start(out var configuration, ("HealthCheck:Enabled", "false"));
        var host = scene.Host("catalog");

        configuration.ReloadCatalog(("HealthCheck:Enabled", "true"));
        scene.Time.Advance(TimeSpan.FromMinutes(1));
        scene.Probe.Count.Should().Be(0);

        host.EnsureStarted();
        (await scene.Probe.NextAsync()).Should().Be("http://a");
    }

    [Fact]
    public async Task Reload_CheckerStoppedByHand_StaysStopped()
    {
        await using var scene = Start(out var configuration);
        scene.Host("catalog").EnsureStarted();
        await scene.Probe.NextAsync();
        var checker = scene.Provider.GetRequiredKeyedService<HealthChecker>("catalog");
        await checker.StopAsync();

        configuration.ReloadCatalog(("HealthCheck:Interval", "00:00:01"));
        scene.Time.Advance(TimeSpan.FromMinutes(1));
        await checker.StopAsync();

        scene.Probe.Count.Should().Be(1);
    }

    private static Scene Start(out ReloadableConfiguration configuration, params (string Key, string? Value)[] settings)
    {
        var scene = new Scene();
        configuration = ReloadableConfiguration.OfCatalog(settings);
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);
        scene.AddClient("client", "catalog");
        _ = scene.Pool("catalog");
        return scene;
    }

    private static object StateOf(Backend backend) =>
        (
            backend.Attempts,
            backend.Failures,
            backend.ActiveVerdict,
            backend.PassiveVerdict,
            backend.EjectedUntil,
            backend.Administration,
            backend.Circuit.Word,
            backend.Status
        );

    private static void Fail(Backend backend)
    {
        var lease = backend.TryAcquire(new PickContext(null, Random.Shared))!;
        lease.Report(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect));
        lease.Return();
    }

    private sealed class BrittleSource : ConfigurationProvider, IConfigurationSource
    {
        public BrittleSource() => Data["Backends:0:Address"] = "http://a";

        public bool IsBroken { get; set; }

        public void Signal() => OnReload();

        public override bool TryGet(string key, out string? value) =>
            IsBroken ? throw new IOException("source") : base.TryGet(key, out value);

        IConfigurationProvider IConfigurationSource.Build(IConfigurationBuilder builder) => this;
    }
}
