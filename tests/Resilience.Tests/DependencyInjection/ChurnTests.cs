using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Health.Active;
using Resilience.Tests.Backends;
using Resilience.Tests.Health.Active;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>
/// Law 15 under churn: a configuration that is reloaded every 50 ms, with the same values or with others, starves no
/// probe, loses no state and no request, and leaves nothing behind (peers' mistakes 6 and 10).
/// </summary>
public sealed class ChurnTests
{
    private const int ReloadsInAMinute = 1_200;
    private const int Applied = 401;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reload_Every50Milliseconds_EveryProbeComesAtItsTime(bool isChanging)
    {
        await using var scene = Start(out var configuration, out var probe);
        var host = scene.Host("catalog");

        await ChurnAsync(scene, configuration, isChanging, ReloadsInAMinute);

        probe.TimesOf("a").Should().Equal(0, 10, 20, 30, 40, 50, 60);
        probe.TimesOf("b").Should().Equal([0, 1, 3, 7, 15, 31, 47], "it fails, and its backoff survives as well");
        probe.MostAtOnceOfOne.Should().Be(1);
        scene
            .Logs.Entries.Count(entry => entry.EventId.Id == Applied)
            .Should()
            .BeLessThanOrEqualTo(isChanging ? ReloadsInAMinute : 0);
        host.Options.Backends.Should().HaveCount(isChanging ? 4 : 3);
    }

    /// <summary>An interval that changes back and forth is followed, and never waited for longer than the longer one.</summary>
    [Fact]
    public async Task Reload_OfTheIntervalItself_StarvesNoProbe()
    {
        await using var scene = Start(out var configuration, out var probe);

        for (var i = 0; i < ReloadsInAMinute; i++)
        {
            await PassAsync(scene);
            configuration.ReloadCatalog([
                .. Settings(),
                ("HealthCheck:Interval", i % 2 == 0 ? "00:00:11" : "00:00:12"),
            ]);
        }

        double[] times = [.. probe.TimesOf("a"), 60];
        times.Zip(times.Skip(1), (one, next) => next - one).Should().OnlyContain(gap => gap <= 12.05);
        times.Length.Should().BeGreaterThanOrEqualTo(6);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reload_Every50Milliseconds_LosesNoStateAndNoRequest(bool isChanging)
    {
        await using var scene = Start(out var configuration, out _);
        var pool = scene.Pool("catalog");
        var (a, b, c) = (pool.Find("a")!, pool.Find("b")!, pool.Find("c")!);
        a.Succeed();
        c.Fail(5);
        c.Drain();
        var ejectedFor = c.EjectedFor;
        var request = a.Lease();

        await ChurnAsync(scene, configuration, isChanging, 20);

        new[] { pool.Find("a"), pool.Find("b"), pool.Find("c") }.Should().Equal(a, b, c);
        a.InFlight.Should().Be(1);
        a.Attempts.Should().Be(2);
        c.Administration.Should().Be(AdministrativeState.Draining);
        c.EjectedFor.Should().Be(ejectedFor - (20 * Pause));
        c.Failures.Should().Be(5);
        request.End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
        a.InFlight.Should().Be(0);
        await ChurnAsync(scene, configuration, isChanging, ReloadsInAMinute);
        b.ActiveVerdict.Should().Be(ActiveVerdict.Unhealthy, "its probes failed all the time");
        c.PassiveVerdict.Should().Be(PassiveVerdict.Healthy, "its ejection has ended at its time");
        pool.AvailableNames().Should().StartWith("a").And.NotContain(["b", "c"]);
        pool.Backends.Should().OnlyContain(backend => backend.InFlight == 0);
    }

    [Fact]
    public async Task Reload_WithOtherBackendsEachTime_LeavesNothingBehind()
    {
        await using var scene = Start(out var configuration, out _);
        await ChurnAsync(scene, configuration, isChanging: false, 2);
        var timers = scene.Time.ArmedTimers;

        var gone = await ReplaceAsync(scene, configuration, 300);
        configuration.ReloadCatalog(Settings());
        // What was due for one that has left is forgotten when its time comes.
        scene.Time.Advance(TimeSpan.FromSeconds(20));
        await scene.Host("catalog").Checker.WhenIdleAsync();
        await scene.Logs.WaitForAsync(entry =>
            entry.Message.Contains("backend x299 removed", StringComparison.Ordinal)
        );

        scene.Time.ArmedTimers.Should().Be(timers);
        scene.Pool("catalog").Backends.Should().HaveCount(3);
        gone.Should().HaveCount(300);
        Garbage.IsCollected(() => gone.TrueForAll(reference => !reference.IsAlive)).Should().BeTrue();
    }

    private static (string Key, string? Value)[] Settings() =>
        [
            ("Backends:0:Address", "http://a.test"),
            ("Backends:0:Name", "a"),
            ("Backends:1:Address", "http://b.test"),
            ("Backends:1:Name", "b"),
            ("Backends:2:Address", "http://c.test"),
            ("Backends:2:Name", "c"),
            ("HealthCheck:Jitter", "0"),
            ("HealthCheck:Spread", "false"),
            ("PassiveHealth:Jitter", "0"),
        ];

    /// <summary>Three backends, of which probes find <c>b</c> down.</summary>
    private static Scene Start(out ReloadableConfiguration configuration, out FakeProbe probe)
    {
        var scene = new Scene();
        configuration = new ReloadableConfiguration(ReloadableConfiguration.Below("Backends:Catalog", Settings()));
        var fake = probe = new FakeProbe(scene.Time);
        fake.Down.Add("b");
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).UseHealthProbe(_ => fake);
        scene.Host("catalog").EnsureStarted();
        return scene;
    }

    private static async Task ChurnAsync(
        Scene scene,
        ReloadableConfiguration configuration,
        bool isChanging,
        int reloads
    )
    {
        for (var i = 0; i < reloads; i++)
        {
            await PassAsync(scene);
            configuration.ReloadCatalog(isChanging ? Changed(i) : Settings());
        }

        await PassAsync(scene, TimeSpan.Zero);
    }

    /// <summary>Other weights, rules and timeouts each time, and one backend more that is another one each time.</summary>
    private static (string Key, string? Value)[] Changed(int i) =>
        [
            .. Settings(),
            ("Backends:0:Weight", $"{1 + (i % 3)}"),
            ("Backends:3:Address", $"http://x{i}.test"),
            ("HealthCheck:UnhealthyThreshold", $"{3 + (i % 2)}"),
            ("PassiveHealth:ConsecutiveFailures", $"{5 + (i % 4)}"),
            ("CircuitBreaker:ConsecutiveFailures", $"{20 + (i % 5)}"),
            ("Retry:MaxAttempts", $"{2 + (i % 2)}"),
        ];

    /// <summary>Lets time pass, and whatever it brings come to its end.</summary>
    private static async Task PassAsync(Scene scene, TimeSpan? pause = null)
    {
        var host = scene.Host("catalog");
        await host.CheckerChanges;
        await host.Checker.WhenIdleAsync();
        scene.Time.Advance(pause ?? Pause);
        await host.Checker.WhenIdleAsync();
    }

    private static async Task<List<WeakReference>> ReplaceAsync(
        Scene scene,
        ReloadableConfiguration configuration,
        int reloads
    )
    {
        var gone = new List<WeakReference>();
        for (var i = 0; i < reloads; i++)
        {
            configuration.ReloadCatalog([
                .. Settings(),
                ("Backends:3:Address", $"http://x{i}.test"),
                ("Backends:3:Name", $"x{i}"),
            ]);
            gone.Add(Weak(scene.Pool("catalog"), $"x{i}"));
            await PassAsync(scene);
        }

        return gone;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Weak(BackendPool pool, string name) => new(pool.Find(name));
}
