using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.Health;
using Resilience.Tests.Backends;
using Resilience.Tests.DependencyInjection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health;

/// <summary>R28, R31, R180: what the application's own health endpoint says of a pool.</summary>
public sealed class BackendPoolHealthCheckTests
{
    private readonly FakeTime _time = new();

    [Theory]
    [InlineData(0, HealthStatus.Healthy)]
    [InlineData(1, HealthStatus.Degraded)]
    [InlineData(3, HealthStatus.Degraded)]
    [InlineData(4, HealthStatus.Unhealthy)]
    public async Task Check_ByDefault_IsDegradedFromTheFirstAndUnhealthyWithTheLast(int felled, HealthStatus expected)
    {
        using var pool = Pools.Create(_time, "a", "b", "c", "d");
        Fell(pool, felled);

        (await CheckAsync(pool)).Status.Should().Be(expected);
    }

    [Theory]
    [InlineData(1, HealthStatus.Healthy)]
    [InlineData(2, HealthStatus.Degraded)]
    [InlineData(3, HealthStatus.Unhealthy)]
    public async Task Check_Thresholds_AreSharesOfTheEnabledBackends(int felled, HealthStatus expected)
    {
        using var pool = Pools.Create(_time, "a", "b", "c", "d", "e");
        // Nobody's fault: the operator took it out.
        pool.Find("e")!.Disable();
        Fell(pool, felled);

        var options = new BackendPoolHealthCheckOptions { DegradedBelow = 0.75, UnhealthyBelow = 0.5 };

        (await CheckAsync(pool, options)).Status.Should().Be(expected);
    }

    [Fact]
    public async Task Check_FailOpenWithSomeHealthy_IsDegradedAtLeast()
    {
        using var pool = Pools.Create(_time, new BackendPoolOptions { FailOpenThreshold = 0.6 }, "a", "b");
        Fell(pool, 1);

        var result = await CheckAsync(pool, new BackendPoolHealthCheckOptions { DegradedBelow = 0.1 });

        result.Status.Should().Be(HealthStatus.Degraded);
        result.Description.Should().Contain("fail-open");
    }

    [Fact]
    public async Task Check_EverythingDisabled_IsUnhealthy()
    {
        using var pool = Pools.Create(_time, "a");
        pool.Find("a")!.Disable();

        (await CheckAsync(pool)).Status.Should().Be(HealthStatus.Unhealthy);
    }

    [Fact]
    public async Task Check_Data_NamesWhoIsOutSinceWhenAndWhy()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var since = _time.GetUtcNow();
        pool.Find("b")!.SetAlive(false);
        _time.Advance(Pools.Rest);

        var result = await CheckAsync(pool);

        result.Description.Should().Be("Pool 'catalog': 1 of 2 backends are healthy.");
        result
            .Data.Should()
            .BeEquivalentTo(
                new Dictionary<string, object>
                {
                    ["pool"] = "catalog",
                    ["backends"] = 2,
                    ["enabled"] = 2,
                    ["healthy"] = 1,
                    ["available"] = 1,
                    ["failOpen"] = false,
                    ["retryBudget"] = 100,
                    ["backend b"] = $"Unhealthy (Active) since {since:u}: set dead by hand",
                }
            );
    }

    [Fact]
    public async Task Check_ManyOut_NamesTwentyAtMost()
    {
        using var pool = Pools.Create(_time, [.. Enumerable.Range(0, 30).Select(number => $"b{number}")]);
        Fell(pool, 30);

        (await CheckAsync(pool)).Data.Keys.Count(key => key.StartsWith("backend ")).Should().Be(20);
    }

    [Fact]
    public void Options_OutOfRange_AreNamedAllAtOnce()
    {
        using var pool = Pools.Create(_time, "a");
        var options = new BackendPoolHealthCheckOptions { DegradedBelow = -1, UnhealthyBelow = 2 };

        var create = () => new BackendPoolHealthCheck(pool, options);

        create
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*DegradedBelow is -1*")
            .WithMessage("*UnhealthyBelow is 2*must not be above DegradedBelow*");
    }

    [Fact]
    public async Task Registered_WithTheApplicationsChecks_IsFoundByThePoolsName()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80", "http://b:80");
        scene.Services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        scene.Services.AddHealthChecks().AddResilientBackends("catalog", options => options.DegradedBelow = 0.4);
        scene.Pool("catalog").Find("http://a")!.Disable();
        scene.Pool("catalog").Find("http://b")!.SetAlive(false);

        var report = await scene.Provider.GetRequiredService<HealthCheckService>().CheckHealthAsync();

        report.Entries["catalog"].Status.Should().Be(HealthStatus.Unhealthy);
    }

    [Fact]
    public async Task Registered_ForAPoolThatIsNot_SaysWhatToDo()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.Services.AddSingleton(typeof(ILogger<>), typeof(Logger<>));
        scene.Services.AddHealthChecks().AddResilientBackends("catalogue");

        var check = () => scene.Provider.GetRequiredService<HealthCheckService>().CheckHealthAsync();

        (await check.Should().ThrowAsync<InvalidOperationException>())
            .Which.Message.Should()
            .Contain("the pool 'catalogue', which is not registered")
            .And.Contain("Registered: 'catalog'");
    }

    [Fact]
    public async Task Registered_ForAPoolThatIsNot_KeepsTheHostFromStarting()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddResilientBackends("catalog", options => options.AddBackend("http://a:80"));
        builder.Services.AddResilientBackends("orders", options => options.AddBackend("http://b:80"));
        builder.Services.AddHealthChecks().AddResilientBackends("catalogue", name: "backends");
        using var host = builder.Build();

        var start = () => host.StartAsync();

        (await start.Should().ThrowAsync<OptionsValidationException>())
            .Which.Failures.Should()
            .Equal(
                "The health check 'backends' is for the pool 'catalogue', which is not registered. Call "
                    + "services.AddResilientBackends(\"catalogue\", ...). Registered: 'catalog', 'orders'."
            );
    }

    [Fact]
    public async Task Registered_WhereThereIsNoPoolAtAll_KeepsTheHostFromStarting()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddHealthChecks().AddResilientBackends("catalog");
        using var host = builder.Build();

        var start = () => host.StartAsync();

        (await start.Should().ThrowAsync<OptionsValidationException>())
            .Which.Message.Should()
            .Contain("Registered: none");
    }

    [Fact]
    public async Task Registered_BeforeItsPool_Starts()
    {
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddHealthChecks().AddResilientBackends("catalog");
        builder
            .Services.AddResilientBackends("catalog", options => options.AddBackend("http://a:80"))
            .UseHealthProbe(_ => new RecordingProbe());
        using var host = builder.Build();

        await host.StartAsync();

        await host.StopAsync();
    }

    [Fact]
    public void Registered_OptionsOutOfRange_AreRefusedAtOnce()
    {
        var register = () =>
            new ServiceCollection()
                .AddHealthChecks()
                .AddResilientBackends("catalog", options => options.DegradedBelow = 2);

        register.Should().Throw<ArgumentException>().WithMessage("*DegradedBelow*");
    }

    private void Fell(BackendPool pool, int count)
    {
        foreach (var backend in pool.Backends.Take(count))
        {
            backend.SetAlive(false);
        }

        _time.Advance(Pools.Rest);
    }

    private static Task<HealthCheckResult> CheckAsync(BackendPool pool, BackendPoolHealthCheckOptions? options = null)
    {
        var check = new BackendPoolHealthCheck(pool, options);
        var registration = new HealthCheckRegistration("catalog", check, HealthStatus.Unhealthy, null);
        return check.CheckHealthAsync(new HealthCheckContext { Registration = registration });
    }
}
