using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

public sealed class CircuitBreakerTests
{
    [Fact]
    public void State_NewCircuit_IsClosed_S31()
    {
        var fixture = new CircuitFixture();

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Circuit.RetryAfter.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public void Report_FailuresBelowTheThreshold_StaysClosed_S32()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 3);

        fixture.Fail(times: 2);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Report_FailureAtTheThreshold_Opens_S32_R107()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 3);

        fixture.Fail(times: 3);

        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_DefaultOptions_OpensAtTheFifthFailure_R81()
    {
        var time = new FakeTime();
        var circuit = new CircuitBreaker(timeProvider: time, random: new ScriptedRandom(0));
        var states = new List<CircuitState>();

        for (var i = 0; i < 5; i++)
        {
            circuit.TryAcquireTicket(out var permit);
            circuit.Report(permit, CircuitOutcome.Failure);
            states.Add(circuit.State);
        }

        states.Take(4).Should().AllBeEquivalentTo(CircuitState.Closed);
        states[4].Should().Be(CircuitState.Open);
    }

    [Fact]
    public void TryAcquire_Open_RefusesEveryCallUntilTheBreakEnds_S33_R80()
    {
        var fixture = new CircuitFixture(options => options.BreakDuration = TimeSpan.FromSeconds(5));
        fixture.Open();
        var refusals = 0;

        for (var i = 0; i < 49; i++)
        {
            fixture.Advance(0.1);
            refusals += fixture.IsRefused() ? 1 : 0;
        }

        refusals.Should().Be(49);
    }

    [Fact]
    public void TryAcquire_Refused_GivesAPermitThatChangesNothing()
    {
        var fixture = new CircuitFixture();
        fixture.Open();
        fixture.Circuit.TryAcquireTicket(out var permit);
        var word = fixture.Circuit.Word;

        fixture.Circuit.Report(permit, CircuitOutcome.Success);
        fixture.Circuit.Report(permit, CircuitOutcome.Failure);

        fixture.Circuit.Word.Should().Be(word);
    }

    [Fact]
    public void TryAcquire_BreakEnded_LetsATrialThrough_S34_R80()
    {
        var fixture = new CircuitFixture(options => options.BreakDuration = TimeSpan.FromMilliseconds(100));
        fixture.Open();
        fixture.Advance(0.15);

        var isAdmitted = fixture.Circuit.TryAcquireTicket(out var permit);

        isAdmitted.Should().BeTrue();
        permit.IsTrial.Should().BeTrue();
        fixture.Circuit.State.Should().Be(CircuitState.HalfOpen);
    }

    [Fact]
    public void State_BreakEndedButNoCallCame_IsStillOpen()
    {
        var fixture = new CircuitFixture();
        fixture.Open();

        fixture.Advance(3_600);

        fixture.Circuit.State.Should().Be(CircuitState.Open);
        fixture.Circuit.RetryAfter.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public void Report_TrialFails_OpensAgain_S35_R107()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 1);
        var trial = fixture.HalfOpen();

        fixture.Circuit.Report(trial, CircuitOutcome.Failure);

        fixture.Circuit.State.Should().Be(CircuitState.Open);
        fixture.IsRefused().Should().BeTrue();
    }

    [Fact]
    public void Report_SecondTrialFails_OpensAgainHoweverTheFirstEnded_R107()
    {
        var fixture = new CircuitFixture(options => options.SuccessThreshold = 2);
        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Success);

        fixture.Report(CircuitOutcome.Failure);

        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_TrialsSucceedAsOftenAsTheThreshold_Closes_S36_R84_R107()
    {
        var fixture = new CircuitFixture(options =>
        {
            options.ConsecutiveFailures = 4;
            options.SuccessThreshold = 2;
        });
        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Success);
        fixture.Circuit.State.Should().Be(CircuitState.HalfOpen, "one success is not enough");

        fixture.Report(CircuitOutcome.Success);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(63)]
    public void Report_AnySuccessThreshold_ClosesAtExactlyThatManyTrials_R84(int threshold)
    {
        var fixture = new CircuitFixture(options => options.SuccessThreshold = threshold);
        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Success);
        var successes = 1;

        while (fixture.Circuit.State == CircuitState.HalfOpen)
        {
            fixture.Report(CircuitOutcome.Success);
            successes++;
        }

        successes.Should().Be(threshold);
    }

    [Fact]
    public void TryAcquire_TrialIsRunning_RefusesASecondCall_S37()
    {
        var fixture = new CircuitFixture(options => options.HalfOpenTrials = 1);
        fixture.HalfOpen();

        fixture.IsRefused().Should().BeTrue();

        fixture.Circuit.State.Should().Be(CircuitState.HalfOpen);
    }

    [Fact]
    public void TryAcquire_SeveralTrialsAllowed_LetsThatManyThroughAtATime()
    {
        var fixture = new CircuitFixture(options =>
        {
            options.HalfOpenTrials = 3;
            options.SuccessThreshold = 5;
        });
        fixture.HalfOpen();

        fixture.Acquire();
        fixture.Acquire();

        fixture.IsRefused().Should().BeTrue();
    }

    [Fact]
    public void TryAcquire_MoreTrialsAllowedThanNeeded_LetsOnlyAsManyThroughAsCouldClose_I1()
    {
        var fixture = new CircuitFixture(options =>
        {
            options.HalfOpenTrials = 63;
            options.SuccessThreshold = 2;
        });
        fixture.HalfOpen();

        fixture.Acquire();

        fixture.IsRefused().Should().BeTrue("two trials decide");
    }

    [Fact]
    public void Reset_Open_ClosesAndForgetsTheFailures_S39()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 3);
        fixture.Open();

        fixture.Circuit.Reset();
        fixture.Fail(times: 2);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Reset_HalfOpen_ClosesAndTheTrialBecomesStale()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 1);
        var trial = fixture.HalfOpen();

        fixture.Circuit.Reset();
        fixture.Circuit.Report(trial, CircuitOutcome.Failure);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Reset_AfterManyOpenings_TheNextBreakIsTheFirstAgain()
    {
        var fixture = new CircuitFixture(options => options.BreakDuration = TimeSpan.FromSeconds(5));
        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Failure);
        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(8));

        fixture.Circuit.Reset();
        fixture.Open();

        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
    }

    [Fact]
    public void Report_OpeningFailure_TellsTheOwnerOnceFromClosedToOpen_S40_R83()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 1);

        fixture.Fail();

        fixture.Owner.Changes.Should().Equal((CircuitState.Closed, CircuitState.Open));
    }

    [Fact]
    public void Report_WholeRound_TellsTheOwnerEveryChangeInOrder_R83_I5()
    {
        var fixture = new CircuitFixture(options => options.SuccessThreshold = 1);

        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Failure);
        fixture.Circuit.Report(fixture.FirstTrial(), CircuitOutcome.Success);

        fixture
            .Owner.Changes.Should()
            .Equal(
                (CircuitState.Closed, CircuitState.Open),
                (CircuitState.Open, CircuitState.HalfOpen),
                (CircuitState.HalfOpen, CircuitState.Open),
                (CircuitState.Open, CircuitState.HalfOpen),
                (CircuitState.HalfOpen, CircuitState.Closed)
            );
    }

    [Fact]
    public void Report_TrialGivenBack_TellsTheOwnerThatOneIsFree_Law8()
    {
        var fixture = new CircuitFixture();
        var trial = fixture.HalfOpen();
        var before = fixture.Owner.Calls;

        fixture.Circuit.Report(trial, CircuitOutcome.Neutral);

        fixture.Owner.Calls.Should().Be(before + 1);
    }

    [Fact]
    public void States_InText_AreTheirNames_S42()
    {
        var texts = Enum.GetNames<CircuitState>();

        texts.Should().Equal("Closed", "Open", "HalfOpen", "ForcedOpen", "Disabled", "MetricsOnly");
    }

    [Fact]
    public void Report_SuccessOfAHealthyCircuit_WritesNothing_R117()
    {
        var fixture = new CircuitFixture();
        var word = fixture.Circuit.Word;

        for (var i = 0; i < 100; i++)
        {
            fixture.Report(CircuitOutcome.Success);
        }

        fixture.Circuit.Word.Should().Be(word);
        fixture.Owner.Calls.Should().Be(0);
    }

    [Fact]
    public void Report_SuccessBetweenFailures_StartsTheRunAnew()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 3);
        fixture.Fail(times: 2);

        fixture.Report(CircuitOutcome.Success);
        fixture.Fail(times: 2);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Report_NeutralBetweenFailures_ChangesNothing_Law3_I11()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 3);
        fixture.Fail(times: 2);
        var word = fixture.Circuit.Word;

        fixture.Report(CircuitOutcome.Neutral);

        fixture.Circuit.Word.Should().Be(word);
        fixture.Fail();
        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_RunOlderThanTheFailureWindow_IsForgotten()
    {
        var fixture = new CircuitFixture(options =>
        {
            options.ConsecutiveFailures = 3;
            options.FailureWindow = TimeSpan.FromSeconds(60);
        });
        fixture.Fail(times: 2);

        fixture.Advance(60.2);
        fixture.Fail(times: 2);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Fail();
        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_FailuresEachInsideTheWindowOfTheOneBefore_AreOneRun_I6()
    {
        var fixture = new CircuitFixture(options =>
        {
            options.ConsecutiveFailures = 3;
            options.FailureWindow = TimeSpan.FromSeconds(60);
        });

        fixture.Fail();
        fixture.Advance(59);
        fixture.Fail();
        fixture.Advance(59);
        fixture.Fail();

        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_FailuresAtEveryOffsetInsideTheShortestWindow_AreOneRun_I6()
    {
        // The word keeps times in units of 64 ms: a run must not be forgotten early because two failures lie on
        // unlucky sides of the units' borders.
        for (var offset = 0; offset < 64; offset++)
        {
            var fixture = new CircuitFixture(options =>
            {
                options.ConsecutiveFailures = 2;
                options.FailureWindow = TimeSpan.FromMilliseconds(100);
            });
            fixture.Advance(0.640 + (offset / 1_000.0));

            fixture.Fail();
            fixture.Advance(0.100);
            fixture.Fail();

            fixture
                .Circuit.State.Should()
                .Be(CircuitState.Open, "the second failure came 100 ms later, at {0}", offset);
        }
    }

    [Fact]
    public void Report_FirstFailureLongAfterBirth_IsARunOfOne()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 2);
        fixture.Advance(13 * 24 * 3_600); // Past the wrap of the 24-bit time of the last failure.

        fixture.Fail();

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Fail();
        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_SwitchedOff_NeverOpensAndRecordsNothing_R80()
    {
        var fixture = new CircuitFixture(options => options.Enabled = false);
        var word = fixture.Circuit.Word;

        fixture.Fail(times: 5_000);

        fixture.Circuit.State.Should().Be(CircuitState.Disabled);
        fixture.Circuit.Word.Should().Be(word);
        fixture.Owner.Calls.Should().Be(0);
    }

    [Fact]
    public void RetryAfter_Open_CountsDown()
    {
        var fixture = new CircuitFixture(options => options.BreakDuration = TimeSpan.FromSeconds(5));
        fixture.Open();

        fixture.Advance(2);

        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(3), TimeSpan.FromMilliseconds(8));
    }

    [Fact]
    public void RetryAfter_HalfOpenWithAFreeTrial_IsZero()
    {
        var fixture = new CircuitFixture();
        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Success);

        fixture.Circuit.RetryAfter.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public void RetryAfter_HalfOpenWithItsTrialOut_IsTheExpiry()
    {
        var fixture = new CircuitFixture(options => options.HalfOpenExpiry = TimeSpan.FromSeconds(30));
        fixture.HalfOpen();

        fixture
            .Circuit.RetryAfter.Should()
            .BeGreaterThanOrEqualTo(TimeSpan.FromSeconds(30))
            .And.BeLessThanOrEqualTo(TimeSpan.FromSeconds(30.2));
    }

    [Fact]
    public void RetryAfter_Waited_TheNextCallIsAdmitted()
    {
        var fixture = new CircuitFixture(options => options.Jitter = 0.1, new ScriptedRandom(0.123));
        fixture.Advance(0.0123);
        fixture.Open();

        fixture.Time.Advance(fixture.Circuit.RetryAfter);

        fixture.IsRefused().Should().BeFalse();
    }

    [Fact]
    public void Hint_Open_LetsTheNextCallTestAtOnce()
    {
        var fixture = new CircuitFixture();
        fixture.Open();

        fixture.Circuit.Hint();

        fixture.Circuit.State.Should().Be(CircuitState.Open, "the hint itself is no transition");
        fixture.Acquire().IsTrial.Should().BeTrue();
    }

    [Fact]
    public void Hint_Open_TellsTheOwnerThatATrialIsFree()
    {
        var fixture = new CircuitFixture();
        fixture.Open();
        var before = fixture.Owner.Calls;

        fixture.Circuit.Hint();
        fixture.Circuit.Hint();

        fixture.Owner.Calls.Should().Be(before + 1, "the second hint finds the break over");
    }

    [Fact]
    public void Hint_ThenTheTrialFails_TheNextBreakIsTheLongerOneAndTheNextHintEndsItToo()
    {
        var fixture = new CircuitFixture(options => options.BreakDuration = TimeSpan.FromSeconds(5));
        fixture.Open();
        fixture.Circuit.Hint();
        fixture.Circuit.Report(fixture.Acquire(), CircuitOutcome.Failure);
        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(8));

        fixture.Circuit.Hint();

        fixture.IsRefused().Should().BeFalse();
    }

    [Fact]
    public void Hint_ClosedOrHalfOpen_ChangesNothing()
    {
        var fixture = new CircuitFixture();
        var closed = fixture.Circuit.Word;
        fixture.Circuit.Hint();
        fixture.Circuit.Word.Should().Be(closed);
        fixture.HalfOpen();
        var halfOpen = fixture.Circuit.Word;

        fixture.Circuit.Hint();

        fixture.Circuit.Word.Should().Be(halfOpen);
        fixture.IsRefused().Should().BeTrue("the trial is still out");
    }

    [Fact]
    public void Configure_NewThreshold_CountsTheRunThatThereIs_Law15()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 5);
        fixture.Fail(times: 2);

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.ConsecutiveFailures = 3));
        fixture.Fail();

        fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Configure_Open_KeepsTheStateAndTheBreak_Law15()
    {
        var fixture = new CircuitFixture(options => options.BreakDuration = TimeSpan.FromSeconds(5));
        fixture.Open();
        var word = fixture.Circuit.Word;

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.BreakDuration = TimeSpan.FromSeconds(1)));

        fixture.Circuit.Word.Should().Be(word);
    }

    [Fact]
    public void Configure_SwitchedOffWhileOpen_LetsCallsPass()
    {
        var fixture = new CircuitFixture();
        fixture.Open();

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.Enabled = false));

        fixture.Circuit.State.Should().Be(CircuitState.Disabled);
        fixture.IsRefused().Should().BeFalse();
        fixture.Owner.Changes[^1].Should().Be((CircuitState.Open, CircuitState.Disabled));
    }

    [Fact]
    public void Configure_SwitchedOffWhileAFailureIsBeingReported_EndsDisabled()
    {
        // The step of the failure has read the old rules and is about to open the circuit when the new ones arrive: the
        // draw of the break's length is the last thing that it does before it publishes.
        CircuitFixture? fixture = null;
        var isOff = false;
        var random = new HookedRandom(() =>
        {
            if (!isOff && CircuitWord.ConsecutiveFailuresOf(fixture!.Circuit.Word) == 2)
            {
                isOff = true;
                fixture.Circuit.Configure(CircuitFixture.Rules(options => options.Enabled = false));
            }
        });
        fixture = new CircuitFixture(options => options.ConsecutiveFailures = 3, random);

        fixture.Fail(times: 3);

        isOff.Should().BeTrue();
        fixture.Circuit.State.Should().Be(CircuitState.Disabled);
    }

    [Fact]
    public void Configure_SwitchedOnAgain_Closes()
    {
        var fixture = new CircuitFixture(options => options.Enabled = false);

        fixture.Circuit.Configure(CircuitFixture.Rules());

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Open();
    }

    [Fact]
    public void Configure_SwitchedOffWhileForcedOpen_StaysForcedOpen()
    {
        var fixture = new CircuitFixture();
        fixture.Circuit.ForceOpen();

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.Enabled = false));

        fixture.Circuit.State.Should().Be(CircuitState.ForcedOpen, "what the operator said is not the configuration's");
    }

    [Fact]
    public void Configure_DryRunEnds_CircuitsThatMeasureCloseAndDecide()
    {
        var fixture = new CircuitFixture(options => options.InitialState = CircuitState.MetricsOnly);

        fixture.Circuit.Configure(CircuitFixture.Rules());

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
        fixture.Open();
    }

    [Fact]
    public void Configure_InitialStateIsOpenNow_LeavesARunningCircuitAsItIs_Law15()
    {
        var fixture = new CircuitFixture();
        var word = fixture.Circuit.Word;

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.InitialState = CircuitState.Open));

        fixture.Circuit.Word.Should().Be(word);
    }

    [Fact]
    public void Configure_FewerSuccessesNeededThanThereAre_TheNextTrialCloses_Law8()
    {
        var fixture = new CircuitFixture(options => options.SuccessThreshold = 3);
        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Success);
        fixture.Report(CircuitOutcome.Success);

        fixture.Circuit.Configure(CircuitFixture.Rules(options => options.SuccessThreshold = 2));
        fixture.Report(CircuitOutcome.Success);

        fixture.Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Constructor_OptionsOutOfRange_NamesThemAll_Law16()
    {
        var options = new CircuitBreakerOptions
        {
            ConsecutiveFailures = 4_096,
            HalfOpenTrials = 64,
            SuccessThreshold = 0,
            BreakDuration = TimeSpan.FromSeconds(61),
            Jitter = double.NaN,
        };

        var creating = () => new CircuitBreaker("c", options);

        creating
            .Should()
            .Throw<ArgumentException>()
            .Which.Message.Should()
            .ContainAll(
                "ConsecutiveFailures is 4096",
                "HalfOpenTrials is 64",
                "SuccessThreshold is 0",
                "MaxBreakDuration is 00:01:00, must not be shorter than BreakDuration (00:01:01)",
                "Jitter is NaN"
            );
    }

    [Fact]
    public void TryAcquireAndReport_AnyState_AllocateNothing_Law11()
    {
        var fixture = new CircuitFixture(options => options.ConsecutiveFailures = 4_000);
        var refusing = new CircuitFixture(options => options.BreakDuration = TimeSpan.FromSeconds(60));
        refusing.Open();
        Run();

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run();

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        void Run()
        {
            for (var i = 0; i < 100; i++)
            {
                fixture.Circuit.TryAcquireTicket(out var permit);
                fixture.Circuit.Report(permit, CircuitOutcome.Failure);
                fixture.Circuit.TryAcquireTicket(out permit);
                fixture.Circuit.Report(permit, CircuitOutcome.Success);
                refusing.Circuit.TryAcquireTicket(out _);
            }
        }
    }

    private sealed class HookedRandom(Action onDraw) : Random
    {
        public override double NextDouble()
        {
            onDraw();
            return 0;
        }
    }
}
