using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>What is read out of the word, and where its rounded times end. Each kills mutants that others let live.</summary>
public sealed class CircuitWordReadingTests
{
    private static readonly CircuitRules Rules = CircuitFixture.Rules(options =>
    {
        options.ConsecutiveFailures = 4_095;
        options.FailureWindow = TimeSpan.FromMilliseconds(128);
        options.HalfOpenExpiry = TimeSpan.FromMilliseconds(128);
    });

    [Fact]
    public void TrialCounts_ClosedWithEveryFieldInUse_AreZero()
    {
        var word = CircuitWord.Initial;
        for (var i = 0; i < 70; i++)
        {
            // The time reaches into the field where a half-open circuit has its failed trials.
            word = Report(word, CircuitOutcome.Failure, now: (1L << 18) * 64).Word;
        }

        CircuitWord.ConsecutiveFailuresOf(word).Should().Be(70);
        CircuitWord.InFlightOf(word).Should().Be(0);
        CircuitWord.TrialSuccessesOf(word).Should().Be(0);
        CircuitWord.TrialFailuresOf(word).Should().Be(0);
    }

    [Fact]
    public void ConsecutiveFailures_OpenWithALateBreakEnd_AreZero()
    {
        var open = CircuitWord.Begin(CircuitState.Open, now: 1L << 32, Rules, random: 0);

        CircuitWord.ConsecutiveFailuresOf(open).Should().Be(0);
    }

    [Fact]
    public void TrialSuccesses_HalfOpen_AreCounted()
    {
        var halfOpen = CircuitWord.Begin(CircuitState.HalfOpen, now: 0, Rules, random: 0);
        var granted = CircuitWord.Acquire(halfOpen, now: 0, Rules, random: 0);

        var step = Report(granted.Word, CircuitOutcome.Success, now: 0);

        CircuitWord.TrialSuccessesOf(step.Word).Should().Be(1);
        CircuitWord.InFlightOf(step.Word).Should().Be(0);
    }

    [Fact]
    public void IsHealthy_OnlyClosedWithoutARunAndInThatGeneration_R117()
    {
        var second = CircuitWord.Reset(CircuitWord.Initial).Word;

        CircuitWord.IsHealthy(CircuitWord.Initial, 1).Should().BeTrue();
        CircuitWord.IsHealthy(second, 2).Should().BeTrue();
        CircuitWord.IsHealthy(second, 1).Should().BeFalse();
        CircuitWord.IsHealthy(Report(CircuitWord.Initial, CircuitOutcome.Failure, now: 0).Word, 1).Should().BeFalse();
        foreach (var state in Enum.GetValues<CircuitState>().Except([CircuitState.Closed]))
        {
            CircuitWord.IsHealthy(CircuitWord.Begin(state, 0, Rules, 0), 1).Should().BeFalse();
        }
    }

    [Theory]
    [InlineData(2, 1, true)]
    [InlineData(1, 2, false)]
    [InlineData(1, 1, false)]
    [InlineData(0, 0xF_FFFF, true)]
    [InlineData(0xF_FFFF, 0, false)]
    [InlineData(0x7_FFFF, 0, true)]
    [InlineData(0x8_0000, 0, false)]
    public void IsAfter_Generations_GoRound_H2(uint generation, uint other, bool expected) =>
        CircuitWord.IsAfter(generation, other).Should().Be(expected);

    [Theory]
    [InlineData(CircuitState.Closed, true)]
    [InlineData(CircuitState.Open, true)]
    [InlineData(CircuitState.HalfOpen, true)]
    [InlineData(CircuitState.ForcedOpen, false)]
    [InlineData(CircuitState.Disabled, false)]
    [InlineData(CircuitState.MetricsOnly, false)]
    public void Force_TheStateThatThereIs_IsNothingNewUnlessTheCircuitCouldLeaveIt(CircuitState state, bool isNew)
    {
        var word = CircuitWord.Begin(state, 0, Rules, 0);

        var step = CircuitWord.Force(word, state, CircuitChangeReason.Operator, 0, Rules, 0);

        CircuitWord.IsAutomatic(state).Should().Be(isNew);
        step.Has(CircuitEffect.Transition).Should().Be(isNew);
        CircuitWord.GenerationOf(step.Word).Should().Be(isNew ? 2u : 1u);
    }

    [Theory]
    [InlineData(191, 2)]
    [InlineData(192, 1)]
    public void Report_WindowOfWholeUnits_EndsWithTheFirstUnitThatIsSurelyPast(long later, uint run)
    {
        var word = Report(CircuitWord.Initial, CircuitOutcome.Failure, now: 0).Word;

        CircuitWord.ConsecutiveFailuresOf(Report(word, CircuitOutcome.Failure, later).Word).Should().Be(run);
    }

    [Theory]
    [InlineData(191, false)]
    [InlineData(192, true)]
    public void Acquire_ExpiryOfWholeUnits_EndsWithTheFirstUnitThatIsSurelyPast_I16(long later, bool isExpired)
    {
        var halfOpen = CircuitWord.Begin(CircuitState.HalfOpen, now: 0, Rules, random: 0);
        var granted = CircuitWord.Acquire(halfOpen, now: 0, Rules, random: 0).Word;

        var step = CircuitWord.Acquire(granted, later, Rules, random: 0);

        step.Has(CircuitEffect.Transition).Should().Be(isExpired);
        step.Has(CircuitEffect.Admitted).Should().BeFalse();
    }

    private static CircuitStep Report(ulong word, CircuitOutcome outcome, long now) =>
        CircuitWord.Report(
            word,
            new CircuitTicket(CircuitWord.GenerationOf(word), isTrial: false),
            outcome,
            now,
            Rules,
            random: 0
        );
}
