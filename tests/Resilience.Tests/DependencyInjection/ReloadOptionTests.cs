using System.Net;
using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.DependencyInjection;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>
/// Law 15, option by option: a changed value takes effect on the running pool. What is read after the reload is what the
/// parts themselves decide by, not the options.
/// </summary>
public sealed class ReloadOptionTests
{
    private static readonly AttemptOutcome Failure = new(OutcomeKind.Failure, FailureKind.Connect);

    /// <summary>What each option changes: the value to set, and what is seen before and after.</summary>
    private static readonly Dictionary<string, Case> Cases = new()
    {
        ["Backends:0:Address"] = new("http://b:80", scene => Only(scene).Name, "http://a", "http://b"),
        ["Backends:0:Name"] = new("first", scene => Only(scene).Name, "http://a", "first"),
        ["Backends:0:Host"] = new("h.example", scene => Only(scene).Definition.Host, null, "h.example"),
        ["Backends:0:HealthAddress"] = new("http://h:9", scene => Probed(scene).RequestUri!.Port, 80, 9),
        ["Backends:0:MaxConcurrentRequests"] = new("7", scene => Only(scene).MaxConcurrentRequests, null, 7),
        ["Backends:0:Weight"] = new("0", AvailableInAWhile, 1, 0),
        ["Backends:0:Metadata:0"] = new(
            "eu",
            scene => Only(scene).Definition.Metadata.GetValueOrDefault("0"),
            null,
            "eu"
        ),
        ["HealthCheck:Enabled"] = new("false", scene => Health(scene).IsEnabled, true, false),
        ["HealthCheck:Path"] = new("/ready", scene => Health(scene).Path, "/health", "/ready"),
        ["HealthCheck:ExpectedStatuses:0"] = new("204", IsNoContentHealthy, false, true),
        ["HealthCheck:Type"] = new("Https", scene => Probed(scene).RequestUri!.Scheme, "http", "https"),
        ["HealthCheck:Method"] = new("HEAD", scene => Probed(scene).Method, HttpMethod.Get, HttpMethod.Head),
        ["HealthCheck:ExpectedBody"] = new("up", IsOkHealthy, true, false),
        ["HealthCheck:Headers:0"] = new("b", scene => Probed(scene).Headers.Contains("0"), false, true),
        ["HealthCheck:Host"] = new("h.example", scene => Probed(scene).Headers.Host, null, "h.example"),
        ["HealthCheck:Port"] = new("9", scene => Probed(scene).RequestUri!.Port, 80, 9),
        ["HealthCheck:HttpVersion"] = new(
            "2.0",
            scene => Probed(scene).Version,
            HttpVersion.Version11,
            HttpVersion.Version20
        ),
        ["HealthCheck:HttpVersionPolicy"] = new(
            "RequestVersionExact",
            scene => Probed(scene).VersionPolicy,
            HttpVersionPolicy.RequestVersionOrLower,
            HttpVersionPolicy.RequestVersionExact
        ),
        ["HealthCheck:ReuseConnections"] = new("false", scene => Probed(scene).Headers.ConnectionClose, null, true),
        ["HealthCheck:Interval"] = new("00:00:07", scene => Health(scene).Interval, Seconds(10), Seconds(7)),
        ["HealthCheck:Jitter"] = new(
            "0",
            scene => Delay(scene, ActiveVerdict.Healthy, 1, 0, 0),
            Seconds(9),
            Seconds(10)
        ),
        ["HealthCheck:Timeout"] = new("00:00:01", scene => Health(scene).Timeout, Seconds(3), Seconds(1)),
        ["HealthCheck:HealthyThreshold"] = new(
            "1",
            scene => Health(scene).VerdictAfter(ActiveVerdict.Unhealthy, 1, 0),
            ActiveVerdict.Unhealthy,
            ActiveVerdict.Healthy
        ),
        ["HealthCheck:UnhealthyThreshold"] = new(
            "1",
            scene => Health(scene).VerdictAfter(ActiveVerdict.Healthy, 0, 1),
            ActiveVerdict.Healthy,
            ActiveVerdict.Unhealthy
        ),
        ["HealthCheck:InitialDelay"] = new("00:00:02", scene => Health(scene).InitialDelay, Seconds(0), Seconds(2)),
        ["HealthCheck:FailureBackoff"] = new(
            "false",
            scene => Delay(scene, ActiveVerdict.Healthy, 0, 1, 0.5),
            Seconds(1),
            Seconds(10)
        ),
        ["HealthCheck:Spread"] = new("false", scene => Health(scene).IsSpread, true, false),
        ["HealthCheck:SkipWhileTrafficSucceeds"] = new("true", scene => Health(scene).IsTrafficEnough, false, true),
        ["HealthCheck:MaxConcurrency"] = new("2", scene => Health(scene).WorkersFor(1), 10, 2),
        ["PassiveHealth:Enabled"] = new("false", scene => FailuresToEject(scene), 5, null),
        ["PassiveHealth:ConsecutiveFailures"] = new("3", scene => FailuresToEject(scene), 5, 3),
        ["PassiveHealth:ConsecutiveSuccesses"] = new("3", scene => Passive(scene).ConsecutiveSuccesses, 0, 3),
        ["PassiveHealth:FailureRate"] = new(
            "0.9",
            scene => Passive(scene).IsTooLarge(80, 100, Passive(scene).FailureRate),
            true,
            false
        ),
        ["PassiveHealth:MinimumRequests"] = new(
            "200",
            scene => Passive(scene).IsTooLarge(80, 100, Passive(scene).FailureRate),
            true,
            false
        ),
        ["PassiveHealth:Window"] = new("00:00:30", scene => Passive(scene).Window, Seconds(60), Seconds(30)),
        ["PassiveHealth:SlowResponseTime"] = new("00:00:02", scene => Passive(scene).CountsSlow, false, true),
        ["PassiveHealth:SlowResponseRate"] = new("0.8", scene => Passive(scene).SlowResponseRate, 0.5, 0.8),
        ["PassiveHealth:Silence"] = new("false", scene => Passive(scene).FindsSilence, true, false),
        ["PassiveHealth:RelativeFailureGap"] = new("0.3", scene => Passive(scene).RelativeFailureGap, 0.0, 0.3),
        ["PassiveHealth:RelativeTimeFactor"] = new("3", scene => Passive(scene).RelativeTimeFactor, 0.0, 3.0),
        ["PassiveHealth:RelativeTimeGap"] = new(
            "00:00:01",
            scene => Passive(scene).RelativeTimeGap,
            Millis(250),
            Seconds(1)
        ),
        ["PassiveHealth:DryRun"] = new("true", scene => FailuresToEject(scene), 5, null),
        ["PassiveHealth:MaxCoolingTime"] = new("00:00:09", scene => Cooling(scene), Seconds(30), Seconds(9)),
        ["PassiveHealth:EjectionTime"] = new("00:00:20", scene => Ejection(scene, 0, 0), 5_000L, 20_000L),
        ["PassiveHealth:MaxEjectionTime"] = new("00:00:08", scene => Ejection(scene, 9, 0), 300_000L, 8_000L),
        ["PassiveHealth:Jitter"] = new("1", scene => Ejection(scene, 0, 0.5), 4_750L, 2_500L),
        ["CircuitBreaker:Enabled"] = new("false", scene => FailuresToOpen(scene), 10, null),
        ["CircuitBreaker:ConsecutiveFailures"] = new("4", scene => FailuresToOpen(scene), 10, 4),
        ["CircuitBreaker:FailureWindow"] = new(
            "00:00:02",
            scene => Circuit(scene).FailureWindowMilliseconds,
            60_000L,
            2_000L
        ),
        ["CircuitBreaker:BreakDuration"] = new(
            "00:00:09",
            scene => Circuit(scene).BreakMilliseconds(0, 0),
            5_000L,
            9_000L
        ),
        ["CircuitBreaker:MaxBreakDuration"] = new(
            "00:00:08",
            scene => Circuit(scene).BreakMilliseconds(9, 0),
            60_000L,
            8_000L
        ),
        ["CircuitBreaker:Jitter"] = new("1", scene => Circuit(scene).BreakMilliseconds(0, 0.5), 4_750L, 2_500L),
        ["CircuitBreaker:HalfOpenTrials"] = new("4", scene => Circuit(scene).Trials, 1u, 4u),
        ["CircuitBreaker:SuccessThreshold"] = new("5", scene => Circuit(scene).SuccessThreshold, 2u, 5u),
        ["CircuitBreaker:FailureRate"] = new("0.25", scene => Circuit(scene).FailureRate, 0.0, 0.25),
        ["CircuitBreaker:SlowCallDuration"] = new(
            "00:00:03",
            scene => Circuit(scene).SlowCallTicks,
            long.MaxValue,
            Seconds(3).Ticks
        ),
        ["CircuitBreaker:SlowCallRate"] = new("0.75", scene => Circuit(scene).SlowCallRate, 0.5, 0.75),
        ["CircuitBreaker:SamplingDuration"] = new(
            "00:00:20",
            scene => Circuit(scene).SamplingMilliseconds,
            30_000L,
            20_000L
        ),
        ["CircuitBreaker:MinimumThroughput"] = new("7", scene => Circuit(scene).MinimumThroughput, 20, 7),
        ["CircuitBreaker:CountSuccesses"] = new(
            "true",
            scene => Only(scene).Circuit.TakeSnapshot().Successes,
            null,
            0L
        ),
        ["CircuitBreaker:HalfOpenTrialCount"] = new("6", scene => Circuit(scene).TrialCount, 2u, 6u),
        ["CircuitBreaker:InitialState"] = new(
            "MetricsOnly",
            scene => Only(scene).Circuit.State,
            CircuitState.Closed,
            CircuitState.MetricsOnly
        ),
        ["CircuitBreaker:HalfOpenExpiry"] = new(
            "00:00:40",
            scene => Circuit(scene).HalfOpenExpiryMilliseconds,
            30_000L,
            40_000L
        ),
        ["Retry:Enabled"] = new("false", scene => Policy(scene).Retry.IsEnabled, true, false),
        ["Retry:MaxAttempts"] = new("5", scene => Policy(scene).Retry.MaxAttempts, 3, 5),
        ["Retry:InitialDelay"] = new(
            "00:00:00.3",
            scene => Policy(scene).Retry.DelayBefore(2, 0),
            Millis(100),
            Millis(300)
        ),
        ["Retry:Multiplier"] = new("3", scene => Policy(scene).Retry.DelayBefore(3, 0), Millis(200), Millis(300)),
        ["Retry:MaxDelay"] = new("00:00:01", scene => Policy(scene).Retry.DelayBefore(90, 0), Seconds(10), Seconds(1)),
        ["Retry:Jitter"] = new("0", scene => Policy(scene).Retry.DelayBefore(2, 0.5), Millis(50), Millis(100)),
        ["Retry:IdempotentMethods:0"] = new(
            "QUERY",
            scene => Policy(scene).Retry.IsIdempotent(HttpMethod.Get),
            true,
            false
        ),
        ["Retry:MaxRetryAfter"] = new("00:00:03", scene => Policy(scene).Retry.MaxRetryAfter, Seconds(30), Seconds(3)),
        ["Retry:Budget:Ratio"] = new("1", BalanceAfterTenRequests, 102, 110),
        ["Retry:Budget:MinimumPerSecond"] = new("1", scene => scene.Pool("catalog").Budget.Balance, 100, 10),
        ["Timeouts:Total"] = new("00:00:20", scene => Policy(scene).TotalTimeout, Seconds(30), Seconds(20)),
        ["Timeouts:Attempt"] = new("00:00:04", scene => Policy(scene).AttemptTimeout, Seconds(10), Seconds(4)),
        ["Timeouts:Connect"] = new("00:00:01", scene => Transport(scene).ConnectTimeout, Seconds(5), Seconds(1)),
        ["Timeouts:IdleRead"] = new("00:00:06", scene => Policy(scene).IdleRead, Seconds(30), Seconds(6)),
        ["Timeouts:IdleWrite"] = new("00:00:07", scene => Policy(scene).IdleWrite, Seconds(30), Seconds(7)),
        ["Timeouts:DeadlineHeader"] = new("X-Left", scene => Policy(scene).DeadlineHeader, null, "X-Left"),
        ["Timeouts:IdleConnection"] = new(
            "00:00:30",
            scene => Transport(scene).PooledConnectionIdleTimeout,
            Seconds(90),
            Seconds(30)
        ),
        ["Transport:ConnectionLifetime"] = new(
            "00:00:30",
            scene => Transport(scene).PooledConnectionLifetime,
            Seconds(120),
            Seconds(30)
        ),
        ["Transport:MaxConnectionsPerServer"] = new(
            "6",
            scene => Transport(scene).MaxConnectionsPerServer,
            int.MaxValue,
            6
        ),
        ["Transport:AllowAutoRedirect"] = new("true", scene => Transport(scene).AllowAutoRedirect, false, true),
        ["Transport:UseCookies"] = new("true", scene => Transport(scene).UseCookies, false, true),
        ["Transport:UseProxy"] = new("true", scene => Transport(scene).UseProxy, false, true),
        ["Transport:AutomaticDecompression"] = new(
            "GZip",
            scene => Transport(scene).AutomaticDecompression,
            DecompressionMethods.None,
            DecompressionMethods.GZip
        ),
        ["ForeignHosts"] = new(
            "PassThrough",
            scene => Policy(scene).ForeignHosts,
            ForeignHosts.Refuse,
            ForeignHosts.PassThrough
        ),
        ["ConcurrencyLimit:MaxRequestsPerBackend"] = new("9", scene => Only(scene).MaxConcurrentRequests, null, 9),
        ["ConcurrencyLimit:QueueLimit"] = new("3", scene => Only(scene).Pool.Limit.QueueLimit, 1_024, 3),
        ["ConcurrencyLimit:QueueTimeout"] = new(
            "00:00:02",
            scene => Only(scene).Pool.Limit.QueueTimeout,
            Seconds(1),
            Seconds(2)
        ),
        ["FailOpenThreshold"] = new("0.6", AvailableOfTwoWithOneUnhealthy, 1, 2),
        ["LatencyWindow"] = new("00:01:00", scene => scene.Pool("catalog").LatencyWindow, TimeSpan.Zero, Seconds(60)),
        ["SummaryInterval"] = new("00:00:05", SummariesInTenSeconds, 0, 2),
        ["BufferRequestsUpTo"] = new("10", scene => Policy(scene).BufferRequestsUpTo, 0, 10),
        ["BufferResponsesUpTo"] = new("20", scene => Policy(scene).BufferResponsesUpTo, 0, 20),
        ["TrackResponseBodies"] = new("false", scene => Policy(scene).TracksBodies, true, false),
    };

    /// <summary>What the options' own documentation names as fixed.</summary>
    private static readonly Dictionary<string, string> Fixed = new()
    {
        ["Retry:Budget:Window"] = "P:Resilience.Retries.RetryBudgetOptions.Window",
        ["HealthCheck:StartupWait"] = "P:Resilience.Health.Active.HealthCheckOptions.StartupWait",
        ["LogicalAddress"] = "P:Resilience.DependencyInjection.ResilientBackendsOptions.LogicalAddress",
    };

    public static TheoryData<string> Options => [.. Cases.Keys];

    [Fact]
    public void EveryOption_HasACaseOrIsDocumentedAsFixed()
    {
        Cases.Keys.Concat(Fixed.Keys).Should().BeEquivalentTo(OptionPaths.All.Select(each => each.Path));
    }

    [Theory]
    [MemberData(nameof(Options))]
    public async Task Reload_OfOneOption_TakesEffect(string option)
    {
        var (value, observe, before, after) = Cases[option];
        await using var old = Start(out _, ownProbe: false);
        await using var scene = Start(out var configuration, ownProbe: false);
        observe(old).Should().Be(before);

        configuration.ReloadCatalog((option, value));
        await scene.Host("catalog").CheckerChanges;

        observe(scene).Should().Be(after);
    }

    [Fact]
    public async Task Reload_OfTheBudgetsWindow_KeepsTheOldOneAsDocumented()
    {
        await using var scene = Start(out var configuration);

        configuration.ReloadCatalog(("Retry:Budget:Window", "00:00:20"));

        // Ten a second over the ten seconds that it began with.
        scene.Pool("catalog").Budget.Balance.Should().Be(100);
        foreach (var member in Fixed.Values)
        {
            Documentation(member).Should().Contain("A reload does not change it");
        }
    }

    [Theory]
    [InlineData("P:Resilience.Timeouts.TimeoutOptions.Connect")]
    [InlineData("P:Resilience.Timeouts.TimeoutOptions.IdleConnection")]
    [InlineData("T:Resilience.Http.TransportOptions")]
    public void Documentation_OfWhatIsFixedForARunningTransport_SaysSo(string member)
    {
        Documentation(member).Should().MatchRegex("A reload changes (it|them) for transports made later");
    }

    [Fact]
    public async Task Reload_OfTheTransport_LeavesTheRunningOneAlone()
    {
        await using var scene = Start(out var configuration);
        var running = Transport(scene);

        configuration.ReloadCatalog(("Timeouts:Connect", "00:00:01"));

        running.ConnectTimeout.Should().Be(Seconds(5));
    }

    [Fact]
    public async Task Reload_OfTheInterval_ShortensTheWaitForTheNextProbe()
    {
        await using var scene = Start(
            out var configuration,
            ("HealthCheck:Interval", "01:00:00"),
            ("HealthCheck:Spread", "false")
        );
        scene.Host("catalog").EnsureStarted();
        await scene.Probe.NextAsync();
        // A timer that is armed may be the probe's own, or the snapshot's: only then is the next probe planned.
        await scene.Provider.GetRequiredKeyedService<HealthChecker>("catalog").WhenIdleAsync();

        configuration.ReloadCatalog(("HealthCheck:Interval", "00:00:01"), ("HealthCheck:Spread", "false"));
        await scene.Host("catalog").CheckerChanges;
        scene.Time.Advance(Seconds(2));

        (await scene.Probe.NextAsync()).Should().Be("http://a");
    }

    /// <summary>From a request to a connection and back again; what is seen is which of its probes is asked.</summary>
    [Fact]
    public async Task Reload_OfTheType_ChangesTheProbeThatIsAsked()
    {
        await using var scene = Start(out var configuration, ownProbe: false);
        Asked(scene).Should().BeOfType<HttpHealthProbe>();

        configuration.ReloadCatalog(("HealthCheck:Type", "Tcp"));
        await scene.Host("catalog").CheckerChanges;
        Asked(scene).Should().BeOfType<TcpHealthProbe>();
        configuration.ReloadCatalog(("HealthCheck:Type", "Https"));
        await scene.Host("catalog").CheckerChanges;

        Asked(scene).Should().BeOfType<HttpHealthProbe>();

        static IHealthProbe Asked(Scene scene) => Private<IHealthProbe>(Running(scene), "_current");
    }

    [Fact]
    public async Task Reload_OfPathAndStatuses_ChangesTheNextProbe()
    {
        await using var scene = new Scene();
        var configuration = ReloadableConfiguration.OfCatalog();
        var stub = new StubHandler(HttpStatusCode.NoContent);
        scene.Services.AddResilientBackends("catalog", configuration.Catalog).ConfigureProbeHandler(_ => stub);
        var host = scene.Host("catalog");

        configuration.ReloadCatalog(("HealthCheck:Path", "/ready?x=1"), ("HealthCheck:ExpectedStatuses:0", "204"));
        host.EnsureStarted();
        await scene.Logs.WaitForAsync(each => each.EventId.Id == 201);

        stub.Requests.Should().ContainSingle().Which.Uri.Should().Be("http://a/ready?x=1");
    }

    private static Scene Start(
        out ReloadableConfiguration configuration,
        params (string Key, string? Value)[] settings
    ) => Start(out configuration, ownProbe: true, settings);

    /// <param name="ownProbe">Whether the scene's probe is used; if not, the one that the options describe.</param>
    private static Scene Start(
        out ReloadableConfiguration configuration,
        bool ownProbe,
        params (string Key, string? Value)[] settings
    )
    {
        var scene = new Scene();
        configuration = ReloadableConfiguration.OfCatalog(settings);
        var pool = scene.Services.AddResilientBackends("catalog", configuration.Catalog);
        _ = ownProbe ? pool.UseHealthProbe(_ => scene.Probe) : pool.ConfigureProbeHandler(_ => new StubHandler());
        scene.Services.AddHttpClient("client").UseResilientBackends("catalog");
        _ = scene.Pool("catalog");
        return scene;
    }

    private static Backend Only(Scene scene) => scene.Pool("catalog").Backends.Should().ContainSingle().Subject;

    private static object AvailableInAWhile(Scene scene)
    {
        // Changes that follow each other closely share one snapshot.
        scene.Time.Advance(Millis(100));
        return scene.Pool("catalog").Snapshot.Available.Count;
    }

    private static object AvailableOfTwoWithOneUnhealthy(Scene scene)
    {
        var pool = scene.Pool("catalog");
        pool.Add(new BackendDefinition("http://spare")).SetAlive(false);
        scene.Time.Advance(Millis(100));
        return pool.Snapshot.Available.Count;
    }

    private static object SummariesInTenSeconds(Scene scene)
    {
        scene.Time.Advance(Seconds(10));
        return scene.Logs.Entries.Count(entry => entry.EventId.Id == 209);
    }

    private static RequestPolicy Policy(Scene scene) => scene.Host("catalog").Policy.Current;

    private static CircuitRules Circuit(Scene scene) => Only(scene).Circuit.Rules;

    private static HealthRules Health(Scene scene) => Private<HealthRules>(scene.Host("catalog").Checker, "_rules");

    private static TimeSpan Delay(Scene scene, ActiveVerdict verdict, int successes, int failures, double random) =>
        TimeSpan.FromMilliseconds(Health(scene).NextAfter(0, 0, verdict, successes, failures, random));

    private static long Ejection(Scene scene, int earlier, double random) =>
        Passive(scene).EjectionMilliseconds(earlier, random);

    private static PassiveRules Passive(Scene scene) =>
        Private<PassiveRules>(scene.Pool("catalog").Observer!, "_rules");

    private static TimeSpan Cooling(Scene scene) =>
        Passive(scene).CoolingTime(new AttemptOutcome(OutcomeKind.Neutral, StatusCode: 429, RetryAfter: Seconds(60)));

    /// <summary>The transport of a chain that is built now.</summary>
    private static SocketsHttpHandler Transport(Scene scene) =>
        (SocketsHttpHandler)HandlerChain.PrimaryOf(HandlerChain.Build(scene.Provider, "client"));

    private static object? FailuresToEject(Scene scene)
    {
        // A second backend, since the last one is never ejected.
        var pool = scene.Pool("catalog");
        pool.Add(new BackendDefinition("http://spare"));
        return FailuresUntil(pool.Find("http://a")!, backend => backend.PassiveVerdict == PassiveVerdict.Ejected);
    }

    private static object? FailuresToOpen(Scene scene) =>
        FailuresUntil(Only(scene), backend => backend.Circuit.State == CircuitState.Open);

    private static object? FailuresUntil(Backend backend, Func<Backend, bool> isReached)
    {
        for (var failures = 1; failures <= 30; failures++)
        {
            if (backend.TryAcquire(new PickContext(null, Random.Shared)) is not { } lease)
            {
                return null;
            }

            lease.Report(Failure);
            lease.Return();
            if (isReached(backend))
            {
                return failures;
            }
        }

        return null;
    }

    private static object BalanceAfterTenRequests(Scene scene)
    {
        for (var i = 0; i < 10; i++)
        {
            scene.Pool("catalog").Budget.RecordRequest();
        }

        return scene.Pool("catalog").Budget.Balance;
    }

    private static object IsNoContentHealthy(Scene scene) => Target(scene).Judge(204, []).IsSuccess;

    private static object IsOkHealthy(Scene scene) => Target(scene).Judge(200, []).IsSuccess;

    private static HttpRequestMessage Probed(Scene scene) => Target(scene).RequestFor(Only(scene).Definition, "x");

    /// <summary>What the probe goes by that the checker has.</summary>
    private static ProbeTarget Target(Scene scene) =>
        Private<ProbeTarget>(Private<HttpHealthProbe>(Running(scene), "_http"), "_target");

    private static ConfiguredHealthProbe Running(Scene scene) =>
        Private<ConfiguredHealthProbe>(scene.Host("catalog").Checker, "_probe");

    private static T Private<T>(object owner, string name)
    {
        var field = owner.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic);
        field.Should().NotBeNull($"{owner.GetType().Name} decides by it; rename it here too");
        return (T)field!.GetValue(owner)!;
    }

    private static string Documentation(string member)
    {
        var file = Path.ChangeExtension(typeof(BackendPool).Assembly.Location, ".xml");
        var element = System
            .Xml.Linq.XDocument.Load(file)
            .Descendants("member")
            .Single(each => each.Attribute("name")?.Value == member);
        return string.Join(' ', element.Value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
    }

    private static TimeSpan Seconds(double seconds) => TimeSpan.FromSeconds(seconds);

    private static TimeSpan Millis(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds);

    private sealed record Case(string Value, Func<Scene, object?> Observe, object? Before, object? After);
}
