using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>The rules over time: the share of failures and of slow calls, alone and beside failures in a row.</summary>
public sealed class CircuitRateTests
{
    [Fact]
    public void Report_ShareOfFailuresReached_Opens()
    {
        var fixture = new CircuitFixture(Half);
        Alternate(fixture, calls: 9);
        fixture.Circuit.State.Should().Be(CircuitState.Closed, "nine calls make no rate");

        fixture.Fail();

        fixture.Circuit.State.Should().Be(CircuitState.Open);
        fixture.Circuit.TakeSnapshot().LastChange!.Reason.Should().Be(CircuitChangeReason.FailureRate);
        fixture.Circuit.TakeSnapshot().LastChange!.Calls.Should().Be(10);
        fixture.Circuit.TakeSnapshot().LastChange!.Failures.Should().Be(5);
    }

    [Fact]
    public void ReportLateFailure_NoRuleOfTheFailureRate_DoesNotOpen()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = null);

        for (var i = 0; i < 20; i++)
        {
            var ticket = fixture.Acquire();
            fixture.Circuit.Report(ticket, CircuitOutcome.Success);
            fixture.Circuit.ReportLateFailure(ticket);
        }

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Circuit.TakeSnapshot().FailureRate.Should().BeNull();
    }

    [Fact]
    public void ReportLateFailure_OfATrialThatTheOthersOutweigh_MakesNoRate()
    {
        var fixture = new CircuitFixture(options =>
        {
            Half(options);
            options.InitialState = CircuitState.HalfOpen;
            options.SuccessThreshold = 2;
            options.HalfOpenTrialCount = 4;
        });
        var trial = fixture.Acquire();
        fixture.Circuit.Report(trial, CircuitOutcome.Success);
        fixture.Circuit.TakeSnapshot().FailureRate.Should().BeNull("trials are counted by themselves");

        fixture.Circuit.ReportLateFailure(trial);

        fixture.Circuit.State.Should().Be(CircuitState.HalfOpen);
        fixture.Circuit.TakeSnapshot().FailureRate.Should().BeNull("trials are counted by themselves");
    }

    [Fact]
    public void TakeSnapshot_RuleTakenAway_ShowsNoRate_R86()
    {
        var fixture = new CircuitFixture(options =>
        {
            Half(options);
            options.SlowCallDuration = TimeSpan.FromSeconds(1);
        });
        fixture.Fail();
        fixture.Circuit.TakeSnapshot().FailureRate.Should().Be(1);
        fixture.Circuit.TakeSnapshot().SlowCallRate.Should().Be(0);

        fixture.Circuit.Configure(CircuitFixture.Rules());

        fixture.Circuit.TakeSnapshot().FailureRate.Should().BeNull();
        fixture.Circuit.TakeSnapshot().SlowCallRate.Should().BeNull();
    }

    [Fact]
    public void Report_SlowSuccessAfterAFailure_IsNoFailure()
    {
        var fixture = new CircuitFixture(options => options.SlowCallDuration = TimeSpan.FromSeconds(1));
        fixture.Fail(times: 2);
        fixture.Circuit.TryAcquire(out var permit);
        fixture.Advance(2);

        permit.Report(CircuitOutcome.Success);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Circuit.TakeSnapshot().ConsecutiveFailures.Should().Be(0);
        fixture.Circuit.TakeSnapshot().SlowCalls.Should().Be(1);
    }

    [Theory]
    [InlineData(0.5, 0, CircuitState.HalfOpen)]
    [InlineData(2, 1, CircuitState.Open)]
    public void Report_SuccessfulTrial_CountsAsSlowByItsTime(double seconds, int slowCalls, CircuitState then)
    {
        var fixture = new CircuitFixture(options => options.SlowCallDuration = TimeSpan.FromSeconds(1));
        fixture.Open();
        fixture.Time.Advance(fixture.Circuit.RetryAfter);
        fixture.Circuit.TryAcquire(out var trial);
        fixture.Advance(seconds);

        trial.Report(CircuitOutcome.Success);

        fixture.Circuit.State.Should().Be(then);
        fixture.Circuit.TakeSnapshot().SlowCalls.Should().Be(slowCalls);
    }

    [Fact]
    public void Report_ShareOfFailuresBelow_StaysClosed()
    {
        var fixture = new CircuitFixture(Half);

        for (var i = 0; i < 50; i++)
        {
            fixture.Report(CircuitOutcome.Success);
            fixture.Report(CircuitOutcome.Success);
            fixture.Fail();
        }

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Circuit.TakeSnapshot().FailureRate.Should().BeApproximately(1 / 3.0, 0.001);
    }

    [Fact]
    public void Report_SuccessMakesTheRate_Opens()
    {
        var fixture = new CircuitFixture(Half);
        fixture.Fail(times: 9);

        fixture.Report(CircuitOutcome.Success);

        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_FailuresOlderThanTheWindow_AreForgotten()
    {
        var fixture = new CircuitFixture(Half);
        fixture.Fail(times: 9);

        fixture.Advance(31);
        fixture.Fail(times: 9);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Fail();
        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_Neutral_MakesNoRate_I11()
    {
        var fixture = new CircuitFixture(Half);
        fixture.Fail(times: 9);

        for (var i = 0; i < 20; i++)
        {
            fixture.Report(CircuitOutcome.Neutral);
        }

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Report_BothRulesOn_WhicheverComesFirstOpens()
    {
        var fixture = new CircuitFixture(options =>
        {
            Half(options);
            options.ConsecutiveFailures = 3;
        });

        fixture.Fail(times: 3);

        fixture.Circuit.State.Should().Be(CircuitState.Open);
        fixture.Circuit.TakeSnapshot().LastChange!.Reason.Should().Be(CircuitChangeReason.ConsecutiveFailures);
        fixture.Circuit.Reset();
        Alternate(fixture, calls: 10);
        fixture.Circuit.State.Should().Be(CircuitState.Open);
        fixture.Circuit.TakeSnapshot().LastChange!.Reason.Should().Be(CircuitChangeReason.FailureRate);
    }

    [Fact]
    public void Report_ClosedAgain_CountsFromZero()
    {
        var fixture = new CircuitFixture(options =>
        {
            Half(options);
            options.SuccessThreshold = 1;
        });
        Alternate(fixture, calls: 10);
        fixture.Circuit.Report(fixture.FirstTrial(), CircuitOutcome.Success);
        fixture.Circuit.State.Should().Be(CircuitState.Closed);

        Alternate(fixture, calls: 9);

        fixture.Circuit.State.Should().Be(CircuitState.Closed, "the five failures before the break are past");
        fixture.Fail();
        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_PermitsFromBeforeTheBreak_MakeNoRateAfterIt_I4_H4()
    {
        var fixture = new CircuitFixture(Half);
        var old = Enumerable.Range(0, 50).Select(_ => fixture.Acquire()).ToList();
        fixture.Circuit.Reset();
        Alternate(fixture, calls: 8);

        old.ForEach(ticket => fixture.Circuit.Report(ticket, CircuitOutcome.Failure));

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Circuit.TakeSnapshot().FailureRate.Should().Be(0.5);
        fixture.Circuit.TakeSnapshot().Stale.Should().Be(50);
    }

    [Fact]
    public void Report_MetricsOnly_WouldOpenAndCountsFromZero()
    {
        var fixture = new CircuitFixture(options =>
        {
            Half(options);
            options.InitialState = CircuitState.MetricsOnly;
        });

        Alternate(fixture, calls: 30);

        fixture.Owner.WouldOpens.Should().Be(3);
        fixture.Circuit.State.Should().Be(CircuitState.MetricsOnly);
    }

    [Fact]
    public void Report_LateFailure_CountsInTheWindowToo()
    {
        var fixture = new CircuitFixture(Half);
        Alternate(fixture, calls: 9);
        var ticket = fixture.Acquire();
        fixture.Circuit.Report(ticket, CircuitOutcome.Success);
        fixture.Circuit.State.Should().Be(CircuitState.Closed, "4 of 10");

        fixture.Circuit.ReportLateFailure(ticket);
        fixture.Circuit.State.Should().Be(CircuitState.Closed, "5 of 11");
        fixture.Fail();

        fixture.Circuit.State.Should().Be(CircuitState.Open, "6 of 12");
    }

    [Fact]
    public void Report_ShareOfSlowCallsReached_OpensThoughTheySucceed()
    {
        var fixture = new CircuitFixture(Slow);

        for (var i = 0; i < 5; i++)
        {
            Call(fixture, seconds: 0.1);
            Call(fixture, seconds: 2);
        }

        fixture.Circuit.State.Should().Be(CircuitState.Open);
        var snapshot = fixture.Circuit.TakeSnapshot();
        snapshot.LastChange!.Reason.Should().Be(CircuitChangeReason.SlowCallRate);
        snapshot.LastChange.Failures.Should().Be(5);
        snapshot.SlowCalls.Should().Be(5);
        snapshot.Successes.Should().Be(10);
    }

    [Fact]
    public void Report_CallsJustBelowTheDuration_AreNotSlow()
    {
        var fixture = new CircuitFixture(Slow);

        for (var i = 0; i < 30; i++)
        {
            Call(fixture, seconds: 0.999);
        }

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Circuit.TakeSnapshot().SlowCalls.Should().Be(0);
        fixture.Circuit.TakeSnapshot().SlowCallRate.Should().Be(0);
        Call(fixture, seconds: 1);
        fixture.Circuit.TakeSnapshot().SlowCalls.Should().Be(1);
    }

    [Fact]
    public void Report_SlowFailure_CountsAsBoth()
    {
        var fixture = new CircuitFixture(options =>
        {
            Slow(options);
            options.FailureRate = 1;
        });

        Call(fixture, seconds: 2, CircuitOutcome.Failure);

        var snapshot = fixture.Circuit.TakeSnapshot();
        snapshot.Failures.Should().Be(1);
        snapshot.SlowCalls.Should().Be(1);
        snapshot.FailureRate.Should().Be(1);
        snapshot.SlowCallRate.Should().Be(1);
    }

    [Fact]
    public void Report_SlowTrial_OpensAgain()
    {
        var fixture = new CircuitFixture(options =>
        {
            Slow(options);
            options.ConsecutiveFailures = 1;
            options.SuccessThreshold = 1;
        });
        fixture.Open();
        fixture.Time.Advance(fixture.Circuit.RetryAfter);

        Call(fixture, seconds: 2);

        fixture.Circuit.State.Should().Be(CircuitState.Open, "it answers, but as slowly as before");
        fixture.Circuit.TakeSnapshot().Successes.Should().Be(1);
    }

    [Fact]
    public void Execute_SlowCalls_AreTimed()
    {
        var fixture = new CircuitFixture(Slow);

        for (var i = 0; i < 10; i++)
        {
            fixture.Circuit.Execute(() => fixture.Advance(1));
        }

        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Configure_OtherSamplingDuration_CountsAnew()
    {
        var fixture = new CircuitFixture(Half);
        fixture.Fail(times: 9);

        fixture.Circuit.Configure(
            CircuitFixture.Rules(options =>
            {
                Half(options);
                options.SamplingDuration = TimeSpan.FromSeconds(60);
            })
        );
        fixture.Fail(times: 9);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Fail();
        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Configure_SlowRuleOnWhileACallRuns_DoesNotTakeItForSlow()
    {
        var fixture = new CircuitFixture();
        fixture.Circuit.TryAcquire(out var permit);
        fixture.Circuit.Configure(
            CircuitFixture.Rules(options =>
            {
                Slow(options);
                options.MinimumThroughput = 1;
            })
        );
        fixture.Advance(5);

        permit.Report(CircuitOutcome.Success);

        fixture.Circuit.State.Should().Be(CircuitState.Closed, "nobody knows when it began");
    }

    [Fact]
    public void TakeSnapshot_RuleOffOrNoCalls_HasNoRate()
    {
        new CircuitFixture().Circuit.TakeSnapshot().FailureRate.Should().BeNull();
        new CircuitFixture(Half).Circuit.TakeSnapshot().FailureRate.Should().BeNull();
        new CircuitFixture(Half).Circuit.TakeSnapshot().SlowCallRate.Should().BeNull();
    }

    private static void Half(CircuitBreakerOptions options)
    {
        options.ConsecutiveFailures = null;
        options.FailureRate = 0.5;
        options.MinimumThroughput = 10;
        options.SamplingDuration = TimeSpan.FromSeconds(30);
    }

    private static void Slow(CircuitBreakerOptions options)
    {
        options.ConsecutiveFailures = null;
        options.SlowCallDuration = TimeSpan.FromSeconds(1);
        options.SlowCallRate = 0.5;
        options.MinimumThroughput = 10;
    }

    /// <summary>Success and failure in turns, the success first.</summary>
    private static void Alternate(CircuitFixture fixture, int calls)
    {
        for (var i = 0; i < calls; i++)
        {
            fixture.Report(i % 2 == 0 ? CircuitOutcome.Success : CircuitOutcome.Failure);
        }
    }

    private static void Call(CircuitFixture fixture, double seconds, CircuitOutcome outcome = CircuitOutcome.Success)
    {
        fixture.Circuit.TryAcquire(out var permit).Should().BeTrue();
        fixture.Advance(seconds);
        permit.Report(outcome);
    }
}
