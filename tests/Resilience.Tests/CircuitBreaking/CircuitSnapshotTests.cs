using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>What a circuit shows of itself (R86, R121).</summary>
public sealed class CircuitSnapshotTests
{
    [Fact]
    public void TakeSnapshot_NewCircuit_IsClosedAndEmpty_S31()
    {
        var circuit = new CircuitBreaker("orders");

        var snapshot = circuit.TakeSnapshot();

        snapshot
            .Should()
            .BeEquivalentTo(
                new
                {
                    Name = "orders",
                    State = CircuitState.Closed,
                    RetryAfter = TimeSpan.Zero,
                    Generation = 1,
                    ConsecutiveFailures = 0,
                    Requests = 0L,
                    Rejected = 0L,
                    LastChange = (CircuitChanged?)null,
                }
            );
    }

    [Fact]
    public void TakeSnapshot_TwoSuccessesAndAFailure_CountsThree_S41()
    {
        var fixture = new CircuitFixture();

        fixture.Report(CircuitOutcome.Success);
        fixture.Report(CircuitOutcome.Success);
        fixture.Report(CircuitOutcome.Failure);

        var snapshot = fixture.Circuit.TakeSnapshot();
        snapshot.Requests.Should().Be(3);
        snapshot.Successes.Should().Be(2);
        snapshot.Failures.Should().Be(1);
        snapshot.ConsecutiveFailures.Should().Be(1);
    }

    [Fact]
    public void TakeSnapshot_Open_CountsRefusalsAndTheRemainingBreak_S33_R86()
    {
        var fixture = new CircuitFixture();
        fixture.Open();
        var openedAt = fixture.Time.GetUtcNow();
        fixture.Advance(2);

        fixture.IsRefused();
        fixture.IsRefused();

        var snapshot = fixture.Circuit.TakeSnapshot();
        snapshot.Rejected.Should().Be(2);
        snapshot.State.Should().Be(CircuitState.Open);
        snapshot.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(3), TimeSpan.FromMilliseconds(8));
        snapshot.Generation.Should().Be(2);
        snapshot.LastChange!.Time.Should().Be(openedAt);
        snapshot.LastChange.To.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void TakeSnapshot_EveryKindOfEnd_SumsUp_I14()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 1);
        var old = fixture.Acquire();
        fixture.Report(CircuitOutcome.Success);
        fixture.Report(CircuitOutcome.Neutral);
        fixture.Fail();
        fixture.IsRefused();
        fixture.Circuit.Report(old, CircuitOutcome.Success);

        var snapshot = fixture.Circuit.TakeSnapshot();

        snapshot
            .Should()
            .BeEquivalentTo(
                new
                {
                    Requests = 5L,
                    Successes = 1L,
                    Ignored = 1L,
                    Failures = 1L,
                    Rejected = 1L,
                    Stale = 1L,
                }
            );
    }

    [Fact]
    public void TakeSnapshot_SuccessesNotCounted_SaysSoInsteadOfZero()
    {
        var fixture = new CircuitFixture(options => options.CountSuccesses = false);
        fixture.Report(CircuitOutcome.Success);
        fixture.Fail();

        var snapshot = fixture.Circuit.TakeSnapshot();

        snapshot.Successes.Should().BeNull();
        snapshot.Requests.Should().BeNull();
        snapshot.Failures.Should().Be(1);
    }

    [Fact]
    public void TakeSnapshot_Disabled_NothingIsRecorded()
    {
        var fixture = new CircuitFixture();
        var before = fixture.Acquire();
        fixture.Circuit.Disable();

        fixture.Circuit.Report(before, CircuitOutcome.Failure);
        fixture.Report(CircuitOutcome.Success);
        fixture.Fail(times: 10);

        fixture.Circuit.TakeSnapshot().Requests.Should().Be(0);
    }

    [Fact]
    public void TakeSnapshot_MetricsOnly_EverythingIsRecordedAndNothingRefused()
    {
        var fixture = new CircuitFixture();
        fixture.Circuit.MeasureOnly();

        fixture.Report(CircuitOutcome.Success);
        fixture.Fail(times: 10);

        var snapshot = fixture.Circuit.TakeSnapshot();
        snapshot.Successes.Should().Be(1);
        snapshot.Failures.Should().Be(10);
        snapshot.Rejected.Should().Be(0);
        fixture.Owner.WouldOpens.Should().Be(3, "three failures in a row would have opened it, three times over");
    }

    [Fact]
    public void TakeSnapshot_ForcedOpen_RefusesWithoutAnEnd()
    {
        var fixture = new CircuitFixture();
        fixture.Circuit.ForceOpen();
        fixture.Advance(3_600);

        fixture.IsRefused().Should().BeTrue();

        fixture.Circuit.TakeSnapshot().RetryAfter.Should().Be(Timeout.InfiniteTimeSpan);
        fixture.Circuit.TakeSnapshot().Rejected.Should().Be(1);
    }

    [Fact]
    public void TakeSnapshot_FailureWithItsException_IsTheLastFailure()
    {
        var fixture = new CircuitFixture();
        var exception = new TimeoutException("too late");
        fixture.Circuit.TryAcquire(out var permit);

        permit.Report(CircuitOutcome.Failure, exception);
        fixture.Fail();

        fixture.Circuit.TakeSnapshot().LastFailure.Should().BeSameAs(exception, "a failure without one says no more");
    }

    [Fact]
    public void TakeSnapshot_LateFailure_CountsInsteadOfItsSuccess_I14()
    {
        var fixture = new CircuitFixture();
        var ticket = fixture.Acquire();
        fixture.Circuit.Report(ticket, CircuitOutcome.Success);

        fixture.Circuit.ReportLateFailure(ticket);

        var snapshot = fixture.Circuit.TakeSnapshot();
        snapshot.Successes.Should().Be(0);
        snapshot.Failures.Should().Be(1);
        snapshot.Requests.Should().Be(1);
    }

    [Fact]
    public void ReportLateFailure_GenerationHasPassed_IsNotCounted()
    {
        var fixture = new CircuitFixture();
        var ticket = fixture.Acquire();
        fixture.Circuit.Report(ticket, CircuitOutcome.Success);
        fixture.Circuit.Reset();

        fixture.Circuit.ReportLateFailure(ticket);

        Totals(fixture).Should().Be((1, 0));
    }

    [Fact]
    public void ReportLateFailure_Disabled_IsNotCounted()
    {
        var fixture = new CircuitFixture(options => options.InitialState = CircuitState.Disabled);
        var ticket = fixture.Acquire();
        fixture.Circuit.Report(ticket, CircuitOutcome.Success);

        fixture.Circuit.ReportLateFailure(ticket);

        Totals(fixture).Should().Be((0, 0));
    }

    [Fact]
    public void Configure_SuccessesNoLongerCounted_ForgetsThemAndBeginsAnew()
    {
        var fixture = new CircuitFixture();
        fixture.Report(CircuitOutcome.Success);

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.BreakDuration = TimeSpan.FromSeconds(6)));
        Totals(fixture).Should().Be((1, 0), "other rules change no totals");

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.CountSuccesses = false));
        fixture.Report(CircuitOutcome.Success);
        Totals(fixture).Should().Be((null, 0));

        fixture.Circuit.Configure(CircuitFixture.Rules());
        fixture.Report(CircuitOutcome.Success);
        Totals(fixture).Should().Be((1, 0));
    }

    private static (long? Successes, long Failures) Totals(CircuitFixture fixture)
    {
        var snapshot = fixture.Circuit.TakeSnapshot();
        return (snapshot.Successes, snapshot.Failures);
    }
}
