using System.Text.Json;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Passive;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>R58, R59, R119-R122: what an operator asks of a pool, answered at once.</summary>
public sealed class PoolReportTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public void GetSnapshot_NewPool_SaysThatNothingIsWrong()
    {
        using var pool = Pools.Create(_time, "a", "b");

        var report = pool.GetSnapshot();

        report
            .Should()
            .BeEquivalentTo(
                new
                {
                    Pool = "catalog",
                    Time = _time.GetUtcNow(),
                    Healthy = 2,
                    Available = 2,
                    IsFailOpen = false,
                    FailOpenSince = default(DateTimeOffset?),
                    InFlight = 0,
                    Waiting = 0,
                    Attempts = 0,
                    Failures = 0,
                    RetryBudget = 100,
                }
            );
        report
            .Backends[0]
            .Should()
            .BeEquivalentTo(
                new
                {
                    Name = "a",
                    Address = new Uri("http://a.test:8080"),
                    State = BackendState.Healthy,
                    Reason = StateReason.None,
                    ErrorRate = default(double?),
                    MeanResponseTime = default(TimeSpan?),
                    Latency = default(LatencyReport),
                    LastProbe = default(ProbeReport),
                }
            );
        report.Backends[0].Objections.Should().BeEmpty();
    }

    [Fact]
    public void GetSnapshot_SeveralObjections_NamesAllAndTheFirst()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(2), "a", "b");
        var backend = pool.Find("a")!;
        var since = _time.GetUtcNow();

        backend.Fail(2);
        _time.Advance(Pools.Rest);
        backend.SetAlive(false);

        var report = pool.GetSnapshot().Backends[0];
        report.State.Should().Be(BackendState.Unhealthy);
        report.Reason.Should().Be(StateReason.Circuit);
        report.Objections.Should().Equal(StateReason.Circuit, StateReason.Active);
        report.Since.Should().Be(since, "a second objection does not make the state younger");
        report.Detail.Should().Contain("no connection");
        report.Circuit.State.Should().Be(CircuitState.Open);
        report.Circuit.Since.Should().Be(since);
        report.Circuit.RetryAfter.Should().BePositive();
        report.ErrorRate.Should().Be(1);
    }

    [Theory]
    [InlineData(false, StateReason.Draining)]
    [InlineData(true, StateReason.Disabled)]
    public void GetSnapshot_ByTheOperatorsWord_NamesIt(bool isDisabled, StateReason expected)
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;

        if (isDisabled)
        {
            backend.Disable();
        }
        else
        {
            backend.Drain();
        }

        pool.GetSnapshot().Backends[0].Objections.Should().Equal(expected);
    }

    [Fact]
    public void GetSnapshot_Traffic_IsInTheFigures()
    {
        using var pool = Pools.Create(_time, "a", "b");
        _ = new PassiveHealthChecker(pool);
        var backend = pool.Find("a")!;

        var held = backend.Lease();
        Answer(backend, TimeSpan.FromMilliseconds(40));
        backend.Fail();

        var report = pool.GetSnapshot();
        report.InFlight.Should().Be(1);
        report.Attempts.Should().Be(3);
        report.Failures.Should().Be(1);
        report
            .Backends[0]
            .Should()
            .BeEquivalentTo(
                new
                {
                    InFlight = 1,
                    ErrorRate = 0.5,
                    RecentErrorRate = 0.5,
                    ConsecutiveFailures = 1,
                    MeanResponseTime = TimeSpan.FromMilliseconds(40),
                }
            );
        held.Return();
    }

    [Fact]
    public void GetSnapshot_FailOpen_SaysSinceWhen()
    {
        using var pool = Pools.Create(_time, "a");
        var since = _time.GetUtcNow();
        pool.Find("a")!.SetAlive(false);
        _time.Advance(Pools.Rest);

        // A later snapshot that fails open as well.
        pool.Add(Pools.Definition("b"));
        pool.Find("b")!.SetAlive(false);
        _time.Advance(Pools.Rest);

        var report = pool.GetSnapshot();
        report.IsFailOpen.Should().BeTrue();
        report.Healthy.Should().Be(0);
        report.Available.Should().Be(2);
        report.FailOpenSince.Should().Be(pool.Snapshot.FailOpenSince).And.BeOnOrAfter(since);
        pool.Find("a")!.SetAlive(true);
        _time.Advance(Pools.Rest);
        pool.GetSnapshot().FailOpenSince.Should().BeNull();
    }

    [Fact]
    public void Latency_NotAskedFor_IsNotKept()
    {
        using var pool = Pools.Create(_time, "a");

        Answer(pool.Find("a")!, TimeSpan.FromMilliseconds(10));

        pool.GetSnapshot().Backends[0].Latency.Should().BeNull();
    }

    [Fact]
    public void Latency_AskedFor_IsOfTheWindow()
    {
        using var pool = Pools.Create(_time, new BackendPoolOptions { LatencyWindow = TimeSpan.FromMinutes(1) }, "a");
        for (var i = 1; i <= 100; i++)
        {
            Answer(pool.Find("a")!, TimeSpan.FromMilliseconds(i));
        }

        var latency = pool.GetSnapshot().Backends[0].Latency!;
        latency.Responses.Should().Be(100);
        latency.P50.TotalMilliseconds.Should().BeApproximately(50, 50 * 0.07);
        latency.P95.TotalMilliseconds.Should().BeApproximately(95, 95 * 0.07);
        latency.P99.TotalMilliseconds.Should().BeApproximately(99, 99 * 0.07);

        _time.Advance(TimeSpan.FromMinutes(2));
        pool.GetSnapshot().Backends[0].Latency.Should().BeNull();
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(3_601)]
    public void LatencyWindow_OutOfRange_IsRefused(double seconds)
    {
        var create = () =>
            Pools.Create(_time, new BackendPoolOptions { LatencyWindow = TimeSpan.FromSeconds(seconds) }, "a");

        create.Should().Throw<ArgumentException>().WithMessage("*LatencyWindow*");
    }

    [Fact]
    public void ToJson_HasWhatTheOperatorAsks_AndCanBeReadAgain()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        pool.Find("a")!.Fail();
        _time.Advance(Pools.Rest);

        var json = pool.GetSnapshot().ToJson();

        using var document = JsonDocument.Parse(json);
        var root = document.RootElement;
        root.GetProperty("pool").GetString().Should().Be("catalog");
        root.GetProperty("refusals").GetProperty("circuitOpen").GetInt32().Should().Be(1);
        var backend = root.GetProperty("backends")[0];
        backend.GetProperty("state").GetString().Should().Be("Unhealthy");
        backend.GetProperty("reason").GetString().Should().Be("Circuit");
        backend.GetProperty("circuit").GetProperty("state").GetString().Should().Be("Open");
        JsonSerializer
            .Deserialize(json, PoolReport.JsonTypeInfo)!
            .Should()
            .BeEquivalentTo(pool.GetSnapshot(), options => options.ComparingByMembers<PoolReport>());
    }

    private static void Answer(Backend backend, TimeSpan time)
    {
        var lease = backend.Lease();
        lease.Duration = time;
        lease.End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
    }
}
