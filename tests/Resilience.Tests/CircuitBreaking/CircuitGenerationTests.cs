using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>Law 7: a stale result changes nothing. The third of "what the peers get wrong".</summary>
public sealed class CircuitGenerationTests
{
    private readonly CircuitFixture _fixture = new();

    [Theory]
    [InlineData(CircuitOutcome.Success)]
    [InlineData(CircuitOutcome.Failure)]
    [InlineData(CircuitOutcome.Neutral)]
    public void Report_FromBeforeTheBreakWhileOpen_ChangesNothing_I9(CircuitOutcome outcome)
    {
        var old = _fixture.Acquire();
        _fixture.Open();
        var word = _fixture.Circuit.Word;
        _fixture.Advance(1);

        _fixture.Circuit.Report(old, outcome);

        _fixture.Circuit.Word.Should().Be(word);
    }

    [Theory]
    [InlineData(CircuitOutcome.Success)]
    [InlineData(CircuitOutcome.Failure)]
    [InlineData(CircuitOutcome.Neutral)]
    public void Report_FromBeforeTheBreakWhileATrialIsOut_IsNotTakenForTheTrials_I4(CircuitOutcome outcome)
    {
        var old = _fixture.Acquire();
        _fixture.HalfOpen();
        var word = _fixture.Circuit.Word;

        _fixture.Circuit.Report(old, outcome);

        _fixture.Circuit.Word.Should().Be(word);
        _fixture.IsRefused().Should().BeTrue("the trial's slot was not given back by somebody else");
    }

    [Theory]
    [InlineData(CircuitOutcome.Success)]
    [InlineData(CircuitOutcome.Failure)]
    [InlineData(CircuitOutcome.Neutral)]
    public void Report_FromBeforeTheBreakAfterTheCircuitHasClosed_ChangesNothing(CircuitOutcome outcome)
    {
        var old = _fixture.Acquire();
        _fixture.Circuit.Report(_fixture.HalfOpen(), CircuitOutcome.Success);
        _fixture.Report(CircuitOutcome.Success);
        _fixture.Fail(times: 2);
        var word = _fixture.Circuit.Word;

        _fixture.Circuit.Report(old, outcome);

        _fixture.Circuit.Word.Should().Be(word, "neither the run of failures nor the state is the old call's business");
    }

    [Theory]
    [InlineData(CircuitOutcome.Success)]
    [InlineData(CircuitOutcome.Failure)]
    [InlineData(CircuitOutcome.Neutral)]
    public void Report_TrialOfAnEarlierHalfOpen_ChangesNothing(CircuitOutcome outcome)
    {
        _fixture.Circuit.Configure(CircuitFixture.Rules(options => options.HalfOpenTrials = 2));
        var old = _fixture.HalfOpen();
        _fixture.Report(CircuitOutcome.Failure);
        _fixture.FirstTrial();
        var word = _fixture.Circuit.Word;

        _fixture.Circuit.Report(old, outcome);

        _fixture.Circuit.Word.Should().Be(word);
    }

    [Fact]
    public void Report_DefaultPermit_ChangesNothing()
    {
        _fixture.Fail(times: 2);

        _fixture.Circuit.Report(default, CircuitOutcome.Failure);
        _fixture.Circuit.Report(default, CircuitOutcome.Success);
        _fixture.Fail();

        _fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void ReportLateFailure_SameGeneration_Counts()
    {
        var permit = _fixture.Acquire();
        _fixture.Circuit.Report(permit, CircuitOutcome.Success);
        _fixture.Fail(times: 2);

        _fixture.Circuit.ReportLateFailure(permit);

        _fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void ReportLateFailure_GenerationHasPassed_ChangesNothing()
    {
        var permit = _fixture.Acquire();
        _fixture.Circuit.Report(permit, CircuitOutcome.Success);
        _fixture.Open();
        var word = _fixture.Circuit.Word;
        _fixture.Advance(1);

        _fixture.Circuit.ReportLateFailure(permit);

        _fixture.Circuit.Word.Should().Be(word);
    }

    [Fact]
    public void ReportLateFailure_OfATrialThatCountedAsSuccess_OpensAgainWithoutTheOtherTrialsSlot()
    {
        var trial = _fixture.HalfOpen();
        _fixture.Circuit.Report(trial, CircuitOutcome.Success);
        var other = _fixture.Acquire();

        _fixture.Circuit.ReportLateFailure(trial);
        _fixture.Circuit.Report(other, CircuitOutcome.Success);

        _fixture.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void ReportLateFailure_TrialThatClosedTheCircuit_CountsForNothing()
    {
        _fixture.Circuit.Report(_fixture.HalfOpen(), CircuitOutcome.Success);
        var closing = _fixture.Acquire();
        _fixture.Circuit.Report(closing, CircuitOutcome.Success);
        var word = _fixture.Circuit.Word;

        _fixture.Circuit.ReportLateFailure(closing);

        _fixture.Circuit.Word.Should().Be(word);
    }
}
