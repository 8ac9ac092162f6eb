using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>A backend's circuit as the pool uses it (R85): its forced states, its dry run, its slow calls.</summary>
public sealed class BackendCircuitTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public void ForceOpen_ABackendsCircuit_TakesItOutUntilReset_R153()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;

        backend.Circuit.ForceOpen();
        _time.Advance(TimeSpan.FromHours(3));

        backend.Status.Reason.Should().Be(StateReason.Circuit);
        backend.TryLease().Should().BeNull();
        pool.AvailableNames().Should().Equal("b");
        pool.Snapshot.Refusals.CircuitOpen.Should().Be(1);
        pool.Snapshot.NextChange.Should().Be(long.MaxValue, "time alone ends nothing");
        backend.Circuit.Reset();
        _time.Advance(Pools.Rest);
        pool.AvailableNames().Should().Equal("a", "b");
    }

    [Fact]
    public void Circuit_BeginsForcedOpen_TheNewBackendIsShownAsItIs_Law12()
    {
        var options = new BackendPoolOptions();
        options.CircuitBreaker.InitialState = CircuitState.ForcedOpen;
        using var pool = Pools.Create(_time, options, "a");
        var backend = pool.Find("a")!;

        backend
            .Status.Should()
            .Match<BackendStatus>(status =>
                status.State == BackendState.Unhealthy
                && status.Reason == StateReason.Circuit
                && status.Detail == "circuit forced open"
            );
        pool.AvailableNames().Should().BeEmpty();
        backend.Circuit.Reset();
        backend.Status.Detail.Should().Be("circuit closed");
        backend.IsAlive.Should().BeTrue();
    }

    [Fact]
    public void Disable_ABackendsCircuit_LetsItTakeTrafficWhateverHappens()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a");
        var backend = pool.Find("a")!;
        backend.Circuit.Disable();

        backend.Fail(times: 20);

        backend.IsAlive.Should().BeTrue("a circuit that decides nothing objects to nothing");
        pool.AvailableNames().Should().Equal("a");
        backend.Failures.Should().Be(20);
    }

    [Fact]
    public async Task DryRun_FailuresReachTheThreshold_IsToldAndTakesNothingOut()
    {
        var loggers = new CollectingLoggerFactory();
        var options = Pools.CircuitsOpenAfter(3);
        options.CircuitBreaker.InitialState = CircuitState.MetricsOnly;
        var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a")],
            new RoundRobinSelector(),
            options,
            _time,
            new ScriptedRandom(0),
            loggers
        );
        var backend = pool.Find("a")!;
        var events = new EventRecord(pool);

        backend.Fail(times: 7);

        backend.IsAlive.Should().BeTrue();
        pool.AvailableNames().Should().Equal("a");
        var told = await events.EndAsync();
        told.Should().AllBeOfType<BackendCircuitWouldOpen>().And.HaveCount(2);
        told.Cast<BackendCircuitWouldOpen>()
            .Should()
            .OnlyContain(each => each.Backend == backend && each.Reason == CircuitChangeReason.ConsecutiveFailures);
        SpinWait.SpinUntil(() => Lines().Count() == 2, TimeSpan.FromSeconds(15));
        Lines()
            .Should()
            .Equal(
                Enumerable.Repeat(
                    "Pool catalog: circuit of a would have opened (ConsecutiveFailures), but only measures; "
                        + "the last failure: no connection",
                    2
                )
            );

        IEnumerable<string> Lines() =>
            loggers
                .Entries.Select(entry => entry.Message)
                .Where(message => message.Contains("would have opened", StringComparison.Ordinal));
    }

    [Fact]
    public void SlowAttempts_ShareReached_OpenTheCircuit()
    {
        var options = new BackendPoolOptions();
        options.CircuitBreaker.SlowCallDuration = TimeSpan.FromSeconds(2);
        options.CircuitBreaker.MinimumThroughput = 4;
        using var pool = Pools.Create(_time, options, "a");
        var backend = pool.Find("a")!;

        for (var i = 0; i < 4; i++)
        {
            backend.Circuit.State.Should().Be(CircuitState.Closed);
            var lease = backend.Lease();
            lease.StartedAt = pool.Clock.Ticks;
            _time.Advance(TimeSpan.FromSeconds(i % 2 == 0 ? 2 : 1));
            lease.Duration = TimeSpan.FromTicks(pool.Clock.Ticks - lease.StartedAt);
            lease.End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
        }

        backend.Circuit.State.Should().Be(CircuitState.Open);
        backend.Circuit.TakeSnapshot().LastChange!.Reason.Should().Be(CircuitChangeReason.SlowCallRate);
        backend.Circuit.TakeSnapshot().Name.Should().Be("a");
    }

    [Fact]
    public void BreakDurationGenerator_InAPool_IsToldTheAttemptsOutcome()
    {
        var outcome = new AttemptOutcome(
            OutcomeKind.Failure,
            FailureKind.Status,
            503,
            RetryAfter: TimeSpan.FromSeconds(21)
        );
        var options = Pools.CircuitsOpenAfter(1);
        options.CircuitBreaker.BreakDurationGenerator = static failure =>
            failure.Result is AttemptOutcome attempt ? attempt.RetryAfter : null;
        using var pool = Pools.Create(_time, options, "a");
        var backend = pool.Find("a")!;

        backend.Lease().End(outcome);

        backend.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(21), TimeSpan.FromMilliseconds(8));
    }

    [Fact]
    public void Successes_InAPool_AreNotCountedTwice()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;

        backend.Succeed();
        backend.Fail();

        backend.Circuit.TakeSnapshot().Successes.Should().BeNull("the pool counts by itself");
        backend.Circuit.TakeSnapshot().Failures.Should().Be(1);
        backend.Attempts.Should().Be(2);
    }
}
