using FsCheck;
using FsCheck.Fluent;
using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>The pure steps, one by one, where the class cannot easily be brought.</summary>
public sealed class CircuitWordTests
{
    private static readonly CircuitRules Rules = CircuitFixture.Rules(options => options.ConsecutiveFailures = 2);

    [Fact]
    public void Initial_IsClosedInGenerationOne()
    {
        var word = CircuitWord.Initial;

        CircuitWord.StateOf(word).Should().Be(CircuitState.Closed);
        CircuitWord.GenerationOf(word).Should().Be(1, "a default permit, of generation zero, has to be stale");
        CircuitWord.StreakOf(word).Should().Be(0);
    }

    [Fact]
    public void Report_FailureAtTheThreshold_IsATransitionToTheNextGeneration()
    {
        var counted = Fail(CircuitWord.Initial);

        var step = CircuitWord.Report(
            counted,
            new CircuitTicket(1, isTrial: false),
            CircuitOutcome.Failure,
            0,
            Rules,
            0
        );

        step.Effect.Should().Be(CircuitEffect.Transition);
        CircuitWord.StateOf(step.Word).Should().Be(CircuitState.Open);
        CircuitWord.GenerationOf(step.Word).Should().Be(2);
        CircuitWord.StreakOf(step.Word).Should().Be(1);
        CircuitWord.BreakEnd(step.Word).Should().Be(5_000);
    }

    [Fact]
    public void Report_OtherGeneration_IsStaleAndLeavesTheWord_I4()
    {
        var word = Fail(CircuitWord.Initial);

        var step = CircuitWord.Report(word, new CircuitTicket(2, false), CircuitOutcome.Failure, 0, Rules, 0);

        step.Should().Be(new CircuitStep(word, CircuitEffect.Stale));
    }

    [Fact]
    public void Report_HighestThreshold_OpensAtExactlyIt()
    {
        var rules = CircuitFixture.Rules(options => options.ConsecutiveFailures = 4_095);
        var word = CircuitWord.Initial;
        var failures = 0;

        while (CircuitWord.StateOf(word) == CircuitState.Closed && failures < 10_000)
        {
            word = CircuitWord.Report(word, new CircuitTicket(1, false), CircuitOutcome.Failure, 0, rules, 0).Word;
            failures++;
        }

        failures.Should().Be(4_095);
    }

    [Fact]
    public void Report_MoreFailuresThanTheCountHolds_SticksWithoutTouchingItsNeighbours()
    {
        var off = CircuitFixture.Rules(options => options.ConsecutiveFailures = null);
        var word = CircuitWord.Initial;

        for (var i = 0; i < 5_000; i++)
        {
            word = CircuitWord
                .Report(word, new CircuitTicket(1, false), CircuitOutcome.Failure, 1_000_000, off, 0)
                .Word;
        }

        CircuitWord.ConsecutiveFailuresOf(word).Should().Be(4_095);
        CircuitWord.StateOf(word).Should().Be(CircuitState.Closed);
        CircuitWord.GenerationOf(word).Should().Be(1);
        CircuitWord.StreakOf(word).Should().Be(0);
    }

    [Fact]
    public void Reset_LastGeneration_WrapsWithoutTouchingTheState_H2()
    {
        var word = CircuitWord.Initial;

        for (var i = 0; i < 0xF_FFFF; i++)
        {
            word = CircuitWord.Reset(word).Word;
        }

        CircuitWord.GenerationOf(word).Should().Be(0);
        CircuitWord.StateOf(word).Should().Be(CircuitState.Closed);
        CircuitWord.StreakOf(word).Should().Be(0);
    }

    [Fact]
    public void BreakEnd_AfterSeventeenYears_IsStillExact()
    {
        var years = (long)TimeSpan.FromDays(17 * 365).TotalMilliseconds;

        var opened = CircuitWord
            .Report(
                Fail(CircuitWord.Initial, years),
                new CircuitTicket(1, false),
                CircuitOutcome.Failure,
                years,
                Rules,
                0
            )
            .Word;

        CircuitWord.BreakEnd(opened).Should().Be(years + 5_000);
        CircuitWord.StateOf(opened).Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Acquire_AnyOpenWordAndTime_AdmitsExactlyFromTheBreaksEnd_I8() =>
        Check(
            (start, wait, draw) =>
            {
                var rules = CircuitFixture.Rules(options =>
                {
                    options.ConsecutiveFailures = 1;
                    options.Jitter = 0.3;
                });
                var word = CircuitWord
                    .Report(
                        CircuitWord.Initial,
                        new CircuitTicket(1, false),
                        CircuitOutcome.Failure,
                        start,
                        rules,
                        draw
                    )
                    .Word;
                var end = CircuitWord.BreakEnd(word);
                var step = CircuitWord.Acquire(word, start + wait, rules, draw);

                end.Should()
                    .BeInRange(start + 3_500, start + 5_007, "the break is within its jitter, in units of 8 ms");
                step.Has(CircuitEffect.Admitted).Should().Be(start + wait >= end);
                CircuitWord.Admits(word, start + wait, rules).Should().Be(step.Has(CircuitEffect.Admitted));
            }
        );

    [Fact]
    public void AdmitsFrom_HungTrialAtAnyTime_IsNotBeforeTheExpiryAndNotLongAfter_I16() =>
        Check(
            (start, wait, _) =>
            {
                var word = HalfOpen(start);
                var from = CircuitWord.AdmitsFrom(word, start + wait, Rules);

                from.Should().BeInRange(start + 30_000, start + 30_192);
                CircuitWord.Admits(word, from, Rules).Should().BeTrue();
                CircuitWord.Admits(word, start + 30_000 - 1, Rules).Should().BeFalse();
            }
        );

    [Fact]
    public void Hint_AnyTime_EndsTheBreakAndASecondOneChangesNothing() =>
        Check(
            (start, wait, _) =>
            {
                var open = CircuitWord
                    .Report(Fail(CircuitWord.Initial, start), new(1, false), CircuitOutcome.Failure, start, Rules, 0)
                    .Word;
                var now = start + (wait % 4_000);

                var hinted = CircuitWord.Hint(open, now);
                var again = CircuitWord.Hint(hinted.Word, now);

                CircuitWord.Admits(hinted.Word, now, Rules).Should().BeTrue();
                CircuitWord.GenerationOf(hinted.Word).Should().Be(CircuitWord.GenerationOf(open));
                again.Should().Be(new CircuitStep(hinted.Word, CircuitEffect.None));
            }
        );

    [Fact]
    [Trait("Category", "Property")]
    public void Steps_AnyWordAtAll_RaiseTheGenerationByOneOnATransitionAndNeverElse_H2() =>
        Prop.ForAll<ulong, int, byte>(
                (bits, time, choice) =>
                {
                    // The state's three bits hold one of six values; everything else may be anything.
                    var word = (bits & (ulong.MaxValue >> 3)) | ((ulong)(choice % 6) << 61);
                    var now = (long)Math.Abs((long)time);
                    var permit = new CircuitTicket(CircuitWord.GenerationOf(word), isTrial: choice > 127);
                    var outcome = (CircuitOutcome)(choice / 6 % 3);
                    var generation = CircuitWord.GenerationOf(word);
                    CircuitStep[] steps =
                    [
                        CircuitWord.Acquire(word, now, Rules, 0.5),
                        CircuitWord.Report(word, permit, outcome, now, Rules, 0.5),
                        CircuitWord.ReportLate(word, generation, now, Rules, 0.5),
                        CircuitWord.Trip(word, generation, CircuitChangeReason.FailureRate, now, Rules, 0.5),
                        CircuitWord.Trip(word, generation + 1, CircuitChangeReason.FailureRate, now, Rules, 0.5),
                        .. Enum.GetValues<CircuitState>()
                            .Select(state =>
                                CircuitWord.Force(word, state, CircuitChangeReason.Operator, now, Rules, 0.5)
                            ),
                        CircuitWord.Hint(word, now),
                        CircuitWord.Reset(word),
                    ];

                    return steps.All(step =>
                        CircuitWord.GenerationOf(step.Word)
                            == (
                                (CircuitWord.GenerationOf(word) + (step.Has(CircuitEffect.Transition) ? 1u : 0u))
                                & 0xF_FFFF
                            )
                        && (
                            step.Has(CircuitEffect.Transition)
                            || CircuitWord.StateOf(step.Word) == CircuitWord.StateOf(word)
                        )
                        && (!step.Has(CircuitEffect.Stale) || step.Word == word)
                        && (
                            !step.Has(CircuitEffect.WouldOpen)
                            || CircuitWord.StateOf(step.Word) == CircuitState.MetricsOnly
                        )
                    );
                }
            )
            .Check(Properties.Config.WithMaxTest(2_000));

    [Theory]
    [InlineData(CircuitState.Closed, true)]
    [InlineData(CircuitState.Open, false)]
    [InlineData(CircuitState.HalfOpen, true)]
    [InlineData(CircuitState.ForcedOpen, false)]
    [InlineData(CircuitState.Disabled, true)]
    [InlineData(CircuitState.MetricsOnly, true)]
    public void Begin_AnyState_IsThatStateInGenerationOne(CircuitState state, bool admits)
    {
        var word = CircuitWord.Begin(state, 1_000_000, Rules, 0);

        CircuitWord.StateOf(word).Should().Be(state);
        CircuitWord.GenerationOf(word).Should().Be(1);
        CircuitWord.Admits(word, 1_000_000, Rules).Should().Be(admits);
        CircuitWord.Acquire(word, 1_000_000, Rules, 0).Has(CircuitEffect.Admitted).Should().Be(admits);
    }

    [Fact]
    public void Begin_Closed_IsTheInitialWord()
    {
        CircuitWord.Begin(CircuitState.Closed, 5_000, Rules, 0.5).Should().Be(CircuitWord.Initial);
    }

    [Fact]
    public void Acquire_ForcedOpen_IsRefusedHoweverLongItLasts()
    {
        var word = CircuitWord.Begin(CircuitState.ForcedOpen, 0, Rules, 0);

        foreach (var days in new[] { 0, 1, 400, 17 * 365 })
        {
            var now = (long)TimeSpan.FromDays(days).TotalMilliseconds;
            CircuitWord.Acquire(word, now, Rules, 0).Should().Be(new CircuitStep(word, CircuitEffect.None));
            CircuitWord.AdmitsFrom(word, now, Rules).Should().Be(long.MaxValue);
        }
    }

    [Fact]
    public void Report_Disabled_RecordsNothing()
    {
        var word = CircuitWord.Begin(CircuitState.Disabled, 0, Rules, 0);

        foreach (var outcome in Enum.GetValues<CircuitOutcome>())
        {
            CircuitWord
                .Report(word, new CircuitTicket(1, false), outcome, 0, Rules, 0)
                .Should()
                .Be(new CircuitStep(word, CircuitEffect.None));
        }
    }

    [Fact]
    public void Report_MetricsOnlyAtTheThreshold_WouldOpenAndCountsFromZeroInTheNextGeneration()
    {
        var counted = Fail(CircuitWord.Begin(CircuitState.MetricsOnly, 0, Rules, 0));
        CircuitWord.ConsecutiveFailuresOf(counted).Should().Be(1);

        var step = CircuitWord.Report(counted, new CircuitTicket(1, false), CircuitOutcome.Failure, 0, Rules, 0);

        step.Effect.Should().Be(CircuitEffect.Transition | CircuitEffect.WouldOpen);
        step.Reason.Should().Be(CircuitChangeReason.ConsecutiveFailures);
        CircuitWord.StateOf(step.Word).Should().Be(CircuitState.MetricsOnly);
        CircuitWord.GenerationOf(step.Word).Should().Be(2);
        CircuitWord.ConsecutiveFailuresOf(step.Word).Should().Be(0);
    }

    [Fact]
    public void Trip_ClosedSameGeneration_OpensForTheRulesReason()
    {
        var step = CircuitWord.Trip(CircuitWord.Initial, 1, CircuitChangeReason.SlowCallRate, 0, Rules, 0);

        step.Effect.Should().Be(CircuitEffect.Transition);
        step.Reason.Should().Be(CircuitChangeReason.SlowCallRate);
        CircuitWord.StateOf(step.Word).Should().Be(CircuitState.Open);
    }

    [Theory]
    [InlineData(CircuitState.Open)]
    [InlineData(CircuitState.HalfOpen)]
    [InlineData(CircuitState.ForcedOpen)]
    [InlineData(CircuitState.Disabled)]
    public void Trip_StateThatDoesNotCount_ChangesNothing(CircuitState state)
    {
        var word = CircuitWord.Begin(state, 0, Rules, 0);

        var step = CircuitWord.Trip(word, 1, CircuitChangeReason.FailureRate, 0, Rules, 0);

        step.Should().Be(new CircuitStep(word, CircuitEffect.Stale));
    }

    [Fact]
    public void Trip_GenerationHasPassed_ChangesNothing_I4()
    {
        var word = CircuitWord.Reset(CircuitWord.Initial).Word;

        var step = CircuitWord.Trip(word, 1, CircuitChangeReason.FailureRate, 0, Rules, 0);

        step.Should().Be(new CircuitStep(word, CircuitEffect.Stale));
    }

    [Fact]
    public void Report_OpeningWithAGivenLength_TakesThatInsteadOfTheRules()
    {
        var step = CircuitWord.Report(
            Fail(CircuitWord.Initial),
            new CircuitTicket(1, isTrial: false),
            CircuitOutcome.Failure,
            0,
            Rules,
            0,
            length: 16_000
        );

        CircuitWord.BreakEnd(step.Word).Should().Be(16_000);
    }

    [Theory]
    [InlineData(2, 3, 1)]
    [InlineData(3, 5, 2)]
    [InlineData(1, 63, 62)]
    [InlineData(32, 63, 31)]
    public void Report_TrialsFail_OpensOnceTooFewCanSucceed(int successes, int trials, int tolerated)
    {
        var rules = CircuitFixture.Rules(options =>
        {
            options.SuccessThreshold = successes;
            options.HalfOpenTrialCount = trials;
        });
        var word = CircuitWord.Begin(CircuitState.HalfOpen, 0, rules, 0);
        for (var failed = 0; failed < tolerated; failed++)
        {
            word = Trial(word, CircuitOutcome.Failure, rules).Word;
            CircuitWord.StateOf(word).Should().Be(CircuitState.HalfOpen);
        }

        var step = Trial(word, CircuitOutcome.Failure, rules);

        CircuitWord.StateOf(step.Word).Should().Be(CircuitState.Open);
        step.Reason.Should().Be(CircuitChangeReason.TrialsFailed);
    }

    [Fact]
    public void Acquire_HalfOpenByRatio_NeverLetsMoreThroughThanDecide_I1()
    {
        var rules = CircuitFixture.Rules(options =>
        {
            options.HalfOpenTrials = 63;
            options.SuccessThreshold = 3;
            options.HalfOpenTrialCount = 5;
        });
        var word = CircuitWord.Begin(CircuitState.HalfOpen, 0, rules, 0);
        word = Trial(word, CircuitOutcome.Failure, rules).Word;
        word = Trial(word, CircuitOutcome.Success, rules).Word;

        for (var i = 0; i < 3; i++)
        {
            word = CircuitWord.Acquire(word, 0, rules, 0).Word;
        }

        CircuitWord.InFlightOf(word).Should().Be(3);
        CircuitWord.Acquire(word, 0, rules, 0).Effect.Should().Be(CircuitEffect.None);
    }

    [Fact]
    [Trait("Category", "Property")]
    public void ReportLate_TrialThatSucceeded_CountsAsAFailureInstead()
    {
        var rules = CircuitFixture.Rules(options =>
        {
            options.SuccessThreshold = 2;
            options.HalfOpenTrialCount = 4;
        });
        var word = Trial(CircuitWord.Begin(CircuitState.HalfOpen, 0, rules, 0), CircuitOutcome.Success, rules).Word;

        var late = CircuitWord.ReportLate(word, 1, 0, rules, 0).Word;

        CircuitWord.TrialSuccessesOf(late).Should().Be(0);
        CircuitWord.TrialFailuresOf(late).Should().Be(1);
    }

    private static CircuitStep Trial(ulong word, CircuitOutcome outcome, CircuitRules rules)
    {
        var granted = CircuitWord.Acquire(word, 0, rules, 0);
        granted.Has(CircuitEffect.Trial).Should().BeTrue();
        var ticket = new CircuitTicket(CircuitWord.GenerationOf(granted.Word), isTrial: true);
        return CircuitWord.Report(granted.Word, ticket, outcome, 0, rules, 0);
    }

    private static ulong Fail(ulong word, long now = 0) =>
        CircuitWord
            .Report(
                word,
                new CircuitTicket(CircuitWord.GenerationOf(word), isTrial: false),
                CircuitOutcome.Failure,
                now,
                Rules,
                0
            )
            .Word;

    private static ulong HalfOpen(long now)
    {
        var open = Fail(Fail(CircuitWord.Initial, now - 5_000), now - 5_000);
        var step = CircuitWord.Acquire(open, now + 8, Rules, 0);
        step.Has(CircuitEffect.Trial).Should().BeTrue();
        // Granted at the very time asked for: the 8 ms above only clear the rounding of the break's end.
        return CircuitWord.Acquire(CircuitWord.Hint(open, now - 16).Word, now, Rules, 0).Word;
    }

    /// <summary>A start within 12 days, a wait within 10 s, a draw.</summary>
    private static void Check(Action<long, long, double> property) =>
        Prop.ForAll(
                Gen.Choose(10_000, 1_000_000_000).ToArbitrary(),
                Gen.Choose(0, 10_000).ToArbitrary(),
                Gen.Choose(0, 999).ToArbitrary(),
                (start, wait, draw) => property(start, wait, draw / 1_000.0)
            )
            .Check(Properties.Config.WithMaxTest(1_000));
}
