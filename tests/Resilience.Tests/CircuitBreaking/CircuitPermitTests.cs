using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>The permit that users hold: it reports once (I-15), and losing it harms nothing (law 8).</summary>
public sealed class CircuitPermitTests
{
    private readonly CircuitFixture _fixture = new(options =>
    {
        options.ConsecutiveFailures = 2;
        options.SuccessThreshold = 2;
    });

    private CircuitBreaker Circuit => _fixture.Circuit;

    [Fact]
    public void Report_Failures_OpenTheCircuit()
    {
        for (var i = 0; i < 2; i++)
        {
            Circuit.TryAcquire(out var permit).Should().BeTrue();
            permit.Report(CircuitOutcome.Failure);
        }

        Circuit.State.Should().Be(CircuitState.Open);
        Circuit.TryAcquire(out _).Should().BeFalse();
    }

    [Fact]
    public void Report_TwiceThroughTheSameVariable_CountsOnce_I15()
    {
        Circuit.TryAcquire(out var permit);

        permit.Report(CircuitOutcome.Failure);
        permit.Report(CircuitOutcome.Failure);

        Circuit.State.Should().Be(CircuitState.Closed);
        Circuit.TakeSnapshot().Failures.Should().Be(1);
    }

    [Theory]
    [InlineData(CircuitOutcome.Success)]
    [InlineData(CircuitOutcome.Failure)]
    [InlineData(CircuitOutcome.Neutral)]
    public void Report_CopyOfATrialThatHasReported_TakesNothingFromAnother_I15(CircuitOutcome second)
    {
        var trial = Trial();
        var copy = trial;
        trial.Report(CircuitOutcome.Success);
        Circuit.TryAcquire(out var other).Should().BeTrue();
        var word = Circuit.Word;

        copy.Report(second);

        Circuit.Word.Should().Be(word, "the trial that is out is another one");
        other.Report(CircuitOutcome.Success);
        Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Report_DefaultPermit_DoesNothing()
    {
        var permit = default(CircuitPermit);
        var word = Circuit.Word;

        permit.Report(CircuitOutcome.Failure);

        Circuit.Word.Should().Be(word);
        permit.IsTrial.Should().BeFalse();
    }

    [Fact]
    public void Report_RefusedPermit_DoesNothing()
    {
        _fixture.Open();
        Circuit.TryAcquire(out var refused).Should().BeFalse();
        var word = Circuit.Word;

        refused.Report(CircuitOutcome.Success);

        Circuit.Word.Should().Be(word);
        Circuit.TakeSnapshot().Should().Match<CircuitSnapshot>(each => each.Stale == 0 && each.Successes == 0);
    }

    [Fact]
    public void Report_FromAnEarlierGeneration_ChangesNothingAndCountsAsStale_I4()
    {
        Circuit.TryAcquire(out var old);
        _fixture.Open();
        var word = Circuit.Word;

        old.Report(CircuitOutcome.Failure, new TimeoutException());

        Circuit.Word.Should().Be(word);
        Circuit.TakeSnapshot().Stale.Should().Be(1);
        Circuit.TakeSnapshot().LastFailure.Should().BeNull("it is not this generation's");
    }

    [Fact]
    public void TryAcquire_TrialsPermitLost_TheNextIsLetThroughAfterTheExpiry_Law8()
    {
        Trial();

        _fixture.Advance(31);
        Circuit.TryAcquire(out _).Should().BeFalse("the lost trial has opened the circuit again");
        _fixture.Time.Advance(Circuit.RetryAfter);

        Circuit.TryAcquire(out var next).Should().BeTrue();
        next.IsTrial.Should().BeTrue();
    }

    [Fact]
    public void TryAcquire_ClosedOrOpen_AllocatesNothing_Law11()
    {
        var open = new CircuitFixture();
        open.Open();
        Run();

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run();

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        void Run()
        {
            for (var i = 0; i < 100; i++)
            {
                Circuit.TryAcquire(out var permit);
                permit.Report(CircuitOutcome.Success);
                Circuit.TryAcquire(out permit);
                permit.Report(CircuitOutcome.Neutral);
                open.Circuit.TryAcquire(out _);
            }
        }
    }

    private CircuitPermit Trial()
    {
        _fixture.Open();
        _fixture.Time.Advance(Circuit.RetryAfter);
        Circuit.TryAcquire(out var trial).Should().BeTrue();
        trial.IsTrial.Should().BeTrue();
        return trial;
    }
}
