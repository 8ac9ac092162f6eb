using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Health.Active;

namespace Resilience.Tests.DependencyInjection;

/// <summary>Law 13: whoever disposes the services, however, nothing is left running.</summary>
public sealed class DisposalTests
{
    public static TheoryData<string, bool> Ways =>
        new()
        {
            { "pool", true },
            { "pool", false },
            { "checker", true },
            { "checker", false },
            { "pools", true },
            { "pools", false },
            { "client", true },
            { "client", false },
        };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Disposal_OfTheProvider_LeavesNothingRunning(string resolved, bool isAsync)
    {
        var scene = new Scene();
        scene.AddPool("catalog", "http://a:80", "http://b:80");
        scene.AddClient("client", "catalog");
        scene.Probe.Hangs = true;
        Resolve(scene, resolved);
        var host = scene.Host("catalog");
        host.EnsureStarted();
        await scene.Probe.NextAsync();

        await DisposeAsync(scene, isAsync);

        scene.Probe.UnderWay.Should().Be(0);
        scene.Probe.IsDisposed.Should().BeTrue();
        scene.Time.ArmedTimers.Should().Be(0);
        host.Pool.IsDisposed.Should().BeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Disposal_OfAProviderThatResolvedNothing_Works(bool isAsync)
    {
        var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        _ = scene.Provider;

        var act = () => DisposeAsync(scene, isAsync);

        await act.Should().NotThrowAsync();
        scene.Time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task Disposal_Twice_Works()
    {
        var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        var host = scene.Host("catalog");
        await scene.DisposeAsync();

        var act = async () =>
        {
            await host.DisposeAsync();
            host.Dispose();
            await host.Checker.DisposeAsync();
            host.Pool.Dispose();
        };

        await act.Should().NotThrowAsync();
    }

    [Fact]
    public async Task EnsureStarted_AfterDisposal_StartsNothing()
    {
        var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        var host = scene.Host("catalog");
        await scene.DisposeAsync();

        host.EnsureStarted();
        host.Checker.Start();
        scene.Time.Advance(TimeSpan.FromMinutes(1));

        scene.Probe.Count.Should().Be(0);
        scene.Time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task Disposal_ListenersOfTheConfiguration_AreGone()
    {
        var configuration = ReloadableConfiguration.OfCatalog();
        var calls = 0;
        var scene = new Scene();
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => scene.Probe);
        scene.Services.AddResilientBackends("catalog", _ => calls++);
        _ = scene.Pool("catalog");
        calls.Should().Be(1);
        await scene.DisposeAsync();

        configuration.ReloadCatalog(("Retry:MaxAttempts", "5"));

        calls.Should().Be(1);
    }

    [Fact]
    public async Task Disposal_ProbeWhoseCancellationThrows_StillEndsThePool()
    {
        var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog();
        var probe = new ThrowingProbe();
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => probe);
        var host = scene.Host("catalog");
        host.EnsureStarted();
        await probe.Begun.WaitAsync(TimeSpan.FromSeconds(15));
        // Switching checks off cancels the probe, whose callback throws.
        configuration.ReloadCatalog(("HealthCheck:Enabled", "false"));

        await scene.DisposeAsync();

        host.Pool.IsDisposed.Should().BeTrue();
    }

    [Theory]
    [InlineData("selector")]
    [InlineData("random")]
    [InlineData("probe")]
    [InlineData("probe handler")]
    [InlineData("transport")]
    public async Task Construction_ApplicationsOwnPartThrows_LeavesNothingRunning(string part)
    {
        await using var scene = new Scene();
        var pool = scene.Services.AddResilientBackends("catalog", options => options.AddBackend("http://a:80"));
        _ = part switch
        {
            "selector" => pool.UseSelector(_ => throw new NotSupportedException("own")),
            "random" => pool.UseRandom(_ => throw new NotSupportedException("own")),
            "probe" => pool.UseHealthProbe(_ => throw new NotSupportedException("own")),
            "probe handler" => pool.ConfigureProbeHandler(_ => throw new NotSupportedException("own")),
            _ => pool.ConfigureTransport(_ => throw new NotSupportedException("own")),
        };

        var act = () => scene.Pool("catalog");

        act.Should().Throw<NotSupportedException>().WithMessage("own");
        // A pool would have said that it has a backend: its log is written by a task of its own.
        scene.Logs.Entries.Should().BeEmpty();
        scene.Time.ArmedTimers.Should().Be(0);
    }

    private static void Resolve(Scene scene, string what)
    {
        switch (what)
        {
            case "pool":
                scene.Pool("catalog");
                break;
            case "checker":
                scene.Provider.GetRequiredKeyedService<HealthChecker>("catalog");
                break;
            case "pools":
                scene.Provider.GetRequiredService<IBackendPools>().ToList();
                break;
            default:
                scene.Clients.CreateClient("client").Dispose();
                break;
        }
    }

    private static async Task DisposeAsync(Scene scene, bool isAsync)
    {
        if (isAsync)
        {
            await scene.DisposeAsync();
        }
        else
        {
            scene.Provider.Dispose();
        }
    }

    private sealed class ThrowingProbe : IHealthProbe
    {
        private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Begun => _begun.Task;

        public async ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken)
        {
            await using var registration = cancellationToken.Register(() =>
                throw new NotSupportedException("callback")
            );
            _begun.TrySetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return new ProbeResult(true, "never");
        }
    }
}
