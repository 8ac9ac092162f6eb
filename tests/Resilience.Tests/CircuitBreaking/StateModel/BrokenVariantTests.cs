using Resilience.CircuitBreaking;
using Xunit.Abstractions;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>
/// The exploration sees what it looks for: each way to break the protocol, most of them found in other libraries, breaks
/// the invariants that it should, and no others.
/// </summary>
[Trait("Category", "Slow")]
public sealed class BrokenVariantTests(ITestOutputHelper output)
{
    private const int InFlightShift = 30;
    private const int GenerationShift = 36;
    private const ulong LastGrantMask = (1UL << 18) - 1;

    private static readonly ModelTerms OneTrial = new(Clients: 2, Trials: 1, Successes: 2, Tested: 2);
    private static readonly ModelTerms TwoTrials = new(Clients: 2, Trials: 2, Successes: 2, Tested: 3);
    private static readonly ModelTerms Short = OneTrial with { LastTick = 3, LastGeneration = 3 };
    private static readonly ModelTerms WithOperator = Short with { Commands = 1 };
    private static readonly ModelSteps Sound = new();

    [Fact]
    public void Report_WithoutGenerationCheck_TakesStaleResultsForTheTrials_I4() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Report = static (word, ticket, outcome, now, rules) =>
                    Sound.Report(
                        word,
                        new CircuitTicket(CircuitWord.GenerationOf(word), ticket.IsTrial),
                        outcome,
                        now,
                        rules
                    ),
            },
            Invariants.TrialsAreFewI1
                | Invariants.TrialsAreAccountedForI2
                | Invariants.StaleReportsChangeNothingI4
                | Invariants.RunOpensAtThresholdI6
        );

    [Fact]
    public void Acquire_WithoutHalfOpenExpiry_StaysHalfOpenForEver_I3() =>
        Breaks(
            OneTrial,
            new ModelSteps { Acquire = AcquireWithoutExpiry },
            Invariants.CanAlwaysRecoverI3 | Invariants.AdmissionIsForeseenI12
        );

    [Fact]
    public void Report_CancelThatDoesNotRelease_LosesTheTrial_I2() =>
        Breaks(OneTrial, new ModelSteps { Report = ReportKeepingCancelled }, Invariants.TrialsAreAccountedForI2);

    [Fact]
    public void Report_CancelThatDoesNotReleaseAndNoExpiry_StaysHalfOpenForEver_I2_I3() =>
        Breaks(
            OneTrial,
            new ModelSteps { Report = ReportKeepingCancelled, Acquire = AcquireWithoutExpiry },
            Invariants.TrialsAreAccountedForI2 | Invariants.CanAlwaysRecoverI3 | Invariants.AdmissionIsForeseenI12
        );

    [Fact]
    public void Report_CancelThatCountsAsSuccess_ClosesTheCircuit_I11() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Report = static (word, ticket, outcome, now, rules) =>
                    Sound.Report(
                        word,
                        ticket,
                        outcome == CircuitOutcome.Neutral ? CircuitOutcome.Success : outcome,
                        now,
                        rules
                    ),
            },
            Invariants.RunOpensAtThresholdI6 | Invariants.NeutralChangesNothingI11
        );

    [Fact]
    public void Acquire_WinnerOfTheTransitionTakesNoTrial_LetsOneTooManyThrough_I1_I2_I8() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Acquire = static (word, now, rules) =>
                    Sound.Acquire(word, now, rules) is var step && IsChange(word, step, CircuitState.HalfOpen)
                        ? step with
                        {
                            Word = step.Word - (1UL << InFlightShift),
                        }
                        : step,
            },
            Invariants.TrialsAreFewI1 | Invariants.TrialsAreAccountedForI2 | Invariants.BreakIsKeptI8
        );

    [Fact]
    public void Acquire_ExpiryFromTheStartOfHalfOpen_GivesUpAYoungTrial_I16() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Acquire = static (word, now, rules) =>
                    Sound.Acquire(word, now, rules) is var step
                    && step.Has(CircuitEffect.Trial)
                    && !step.Has(CircuitEffect.Transition)
                        ? step with
                        {
                            Word = (step.Word & ~LastGrantMask) | (word & LastGrantMask),
                        }
                        : step,
            },
            Invariants.YoungTrialsLiveI16
        );

    [Fact]
    public void Acquire_ClockReadBeforeTheWord_GivesUpATrialFromTheFuture_I16() =>
        Breaks(OneTrial, new ModelSteps { ReadsClockFirst = true }, Invariants.YoungTrialsLiveI16);

    [Fact]
    public void Report_TwiceWithoutGuard_GivesBackAnothersTrial_I2_I15() =>
        Breaks(
            Short,
            new ModelSteps { LetsReportTwice = true },
            Invariants.TrialsAreFewI1
                | Invariants.TrialsAreAccountedForI2
                | Invariants.RunOpensAtThresholdI6
                | Invariants.SecondReportsChangeNothingI15
        );

    [Fact]
    public void Report_LateOutcomeThatMovesTheBreaksEnd_IsSeen_I4_I9() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Report = static (word, ticket, outcome, now, rules) =>
                    CircuitWord.StateOf(word) == CircuitState.Open && outcome == CircuitOutcome.Failure
                        ? new CircuitStep(
                            (word >> GenerationShift << GenerationShift)
                                | (ulong)((now + rules.BreakMilliseconds(0, 0)) / 8),
                            CircuitEffect.None
                        )
                        : Sound.Report(word, ticket, outcome, now, rules),
            },
            Invariants.StaleReportsChangeNothingI4 | Invariants.BreakEndStaysI9
        );

    [Fact]
    public void Report_OpeningWithoutANewGeneration_LetsStaleResultsIn_I5() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Report = static (word, ticket, outcome, now, rules) =>
                    Sound.Report(word, ticket, outcome, now, rules) is var step && step.Has(CircuitEffect.Transition)
                        ? step with
                        {
                            Word = step.Word - (1UL << GenerationShift),
                        }
                        : step,
            },
            Invariants.TransitionsAreGenerationsI5 | Invariants.RunOpensAtThresholdI6
        );

    [Fact]
    public void Report_SuccessThatDoesNotEndTheRun_OpensTooEarly_I6() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Report = static (word, ticket, outcome, now, rules) =>
                    CircuitWord.StateOf(word) == CircuitState.Closed && outcome == CircuitOutcome.Success
                        ? new CircuitStep(word, CircuitEffect.None)
                        : Sound.Report(word, ticket, outcome, now, rules),
            },
            Invariants.RunOpensAtThresholdI6
        );

    [Fact]
    public void Trip_WithoutGenerationCheck_OpensForCallsOfThePast_I4() =>
        Breaks(
            OneTrial with
            {
                HasRates = true,
            },
            new ModelSteps
            {
                Trip = static (word, _, now, rules) => Sound.Trip(word, CircuitWord.GenerationOf(word), now, rules),
            },
            Invariants.StaleReportsChangeNothingI4
        );

    [Fact]
    public void Trip_ThatIsLost_LeavesTheCircuitClosed_I7() =>
        Breaks(
            OneTrial with
            {
                HasRates = true,
            },
            new ModelSteps { Trip = static (word, _, _, _) => new CircuitStep(word, CircuitEffect.None) },
            Invariants.RatesOpenI7
        );

    [Fact]
    public void Publish_WithoutComparing_LosesWhatOthersPublished() =>
        Breaks(
            Short,
            new ModelSteps { WritesBlindly = true },
            Invariants.TrialsAreFewI1
                | Invariants.TrialsAreAccountedForI2
                | Invariants.StaleReportsChangeNothingI4
                | Invariants.TransitionsAreGenerationsI5
                | Invariants.RunOpensAtThresholdI6
                | Invariants.BreakEndStaysI9
                | Invariants.NeutralChangesNothingI11
                | Invariants.YoungTrialsLiveI16
        );

    [Fact]
    public void Acquire_MoreTrialsThanAllowedAtOnce_IsSeen_I1() =>
        Breaks(
            TwoTrials with
            {
                LastTick = 3,
                LastGeneration = 3,
            },
            new ModelSteps
            {
                Acquire = static (word, now, rules) =>
                    CircuitWord.InFlightOf(word) is 1 or 2
                        ? new CircuitStep(
                            word + (1UL << InFlightShift),
                            CircuitEffect.Admitted | CircuitEffect.Trial | CircuitEffect.TrialsChanged
                        )
                        : Sound.Acquire(word, now, rules),
            },
            Invariants.TrialsAreFewI1 | Invariants.AdmissionIsForeseenI12 | Invariants.YoungTrialsLiveI16
        );

    [Fact]
    public void Acquire_OpenBeforeTheBreaksEnd_IsSeen_I8() =>
        Breaks(
            OneTrial,
            new ModelSteps
            {
                Acquire = static (word, now, rules) =>
                    Sound.Acquire(
                        word,
                        CircuitWord.StateOf(word) == CircuitState.Open ? CircuitWord.BreakEnd(word) : now,
                        rules
                    ),
            },
            Invariants.BreakIsKeptI8 | Invariants.AdmissionIsForeseenI12 | Invariants.YoungTrialsLiveI16
        );

    [Fact]
    public void Force_ThatKeepsTheGeneration_LeavesPermitsValid_I10() =>
        Breaks(
            WithOperator,
            new ModelSteps
            {
                Force = static (word, state, now, rules) =>
                    Sound.Force(word, state, now, rules) is var step && step.Has(CircuitEffect.Transition)
                        ? step with
                        {
                            Word = step.Word - (1UL << GenerationShift),
                        }
                        : step,
            },
            Invariants.TransitionsAreGenerationsI5 | Invariants.RunOpensAtThresholdI6 | Invariants.OperatorWinsI10
        );

    [Fact]
    public void Acquire_ForcedOpenThatEndsLikeABreak_IsSeen_I10() =>
        Breaks(
            WithOperator,
            new ModelSteps
            {
                Acquire = static (word, now, rules) =>
                    CircuitWord.StateOf(word) == CircuitState.ForcedOpen
                        ? Sound.Acquire((word & ~(7UL << 61)) | (1UL << 61), now, rules)
                        : Sound.Acquire(word, now, rules),
            },
            Invariants.OperatorWinsI10 | Invariants.AdmissionIsForeseenI12
        );

    [Fact]
    public void Hint_ThatBeginsTheBreakAnew_IsSeen_I9() =>
        Breaks(
            WithOperator,
            new ModelSteps
            {
                Hint = static (word, now) =>
                    CircuitWord.StateOf(word) == CircuitState.Open
                        ? new CircuitStep(
                            (word >> GenerationShift << GenerationShift) | (ulong)((now + 2_048) / 8),
                            CircuitEffect.TrialsChanged
                        )
                        : new CircuitStep(word, CircuitEffect.None),
            },
            Invariants.BreakEndStaysI9
        );

    private static CircuitStep AcquireWithoutExpiry(ulong word, long now, CircuitRules rules) =>
        Sound.Acquire(word, now, rules) is var step && IsChange(word, step, CircuitState.Open)
            ? new CircuitStep(word, CircuitEffect.None)
            : step;

    private static CircuitStep ReportKeepingCancelled(
        ulong word,
        CircuitTicket ticket,
        CircuitOutcome outcome,
        long now,
        CircuitRules rules
    ) =>
        outcome == CircuitOutcome.Neutral
            ? new CircuitStep(word, CircuitEffect.None)
            : Sound.Report(word, ticket, outcome, now, rules);

    private static bool IsChange(ulong word, CircuitStep step, CircuitState to) =>
        CircuitWord.StateOf(word) != to && CircuitWord.StateOf(step.Word) == to;

    private void Breaks(ModelTerms terms, ModelSteps steps, Invariants expected)
    {
        var exploration = Exploration.Of(terms, steps);

        output.WriteLine(exploration.ToString());
        exploration.Broken.Should().Be(expected);
    }
}
