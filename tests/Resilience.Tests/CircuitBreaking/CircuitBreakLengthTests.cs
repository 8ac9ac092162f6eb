using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>How long a break is: fixed, growing, or as the failure says (hazard 8).</summary>
public sealed class CircuitBreakLengthTests
{
    [Fact]
    public void InitialState_Open_BeginsABreakWithItsOwnDraw()
    {
        var whole = Begin(0);
        var part = Begin(0.5);

        whole.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
        part.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(2.5), TimeSpan.FromMilliseconds(8));

        static CircuitBreaker Begin(double draw) =>
            new(
                "circuit",
                new CircuitBreakerOptions { InitialState = CircuitState.Open, Jitter = 1 },
                new FakeTime(),
                new ScriptedRandom(draw)
            );
    }

    [Fact]
    public void RetryAfter_LongestIsTheShortest_IsFixed()
    {
        var fixture = new CircuitFixture(options => options.MaxBreakDuration = options.BreakDuration);
        fixture.Open();

        for (var i = 0; i < 5; i++)
        {
            fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
            fixture.Circuit.Report(fixture.FirstTrial(), CircuitOutcome.Failure);
        }
    }

    [Fact]
    public void Generator_FailureSaysHowLong_IsTakenAndToldTheFailure()
    {
        var exception = new TimeoutException();
        var result = new object();
        var told = new List<CircuitFailure>();
        var fixture = Create(failure =>
        {
            told.Add(failure);
            return TimeSpan.FromSeconds(17);
        });
        fixture.Fail(times: 2);
        fixture.Circuit.TryAcquire(out var permit);

        permit.Report(CircuitOutcome.Failure, exception, result);

        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(17), TimeSpan.FromMilliseconds(8));
        told.Should().Equal(new CircuitFailure("circuit", exception, result, 0));
        fixture.Circuit.Report(fixture.FirstTrial(), CircuitOutcome.Failure);
        told[^1].Openings.Should().Be(1);
    }

    [Fact]
    public void Generator_FailuresBelowTheThreshold_IsNotAsked()
    {
        var calls = 0;
        var fixture = Create(_ =>
        {
            calls++;
            return null;
        });

        fixture.Fail(times: 2);
        fixture.Report(CircuitOutcome.Success);

        calls.Should().Be(0);
    }

    [Fact]
    public void Generator_SaysNothing_LeavesItToTheOptions()
    {
        var fixture = Create(_ => null);

        fixture.Open();

        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
    }

    [Fact]
    public void Generator_Throws_LeavesItToTheOptions_H8()
    {
        var fixture = Create(_ => throw new InvalidOperationException());

        fixture.Open();

        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
    }

    [Theory]
    [InlineData(-1, 0.01)]
    [InlineData(0, 0.01)]
    [InlineData(61, 60)]
    [InlineData(922_337_203_685, 60)]
    public void Generator_OutOfRange_IsCut(double seconds, double expected)
    {
        var fixture = Create(_ => TimeSpan.FromSeconds(seconds));

        fixture.Open();

        fixture.Circuit.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(expected), TimeSpan.FromMilliseconds(8));
    }

    [Fact]
    public void Generator_ChangesTheCircuitItself_ItsStepIsComputedAgain_H8()
    {
        // User code runs before the step: what happens to the circuit meanwhile is seen.
        CircuitFixture? fixture = null;
        fixture = Create(_ =>
        {
            fixture!.Circuit.Reset();
            return TimeSpan.FromSeconds(1);
        });

        fixture.Fail(times: 3);

        fixture
            .Circuit.State.Should()
            .Be(CircuitState.Closed, "the failure belongs to the generation before the reset");
        fixture.Circuit.TakeSnapshot().Stale.Should().Be(1);
    }

    [Fact]
    public void Generator_TrialIsLost_IsNotAsked()
    {
        var calls = 0;
        var fixture = Create(_ =>
        {
            calls++;
            return null;
        });
        fixture.HalfOpen();
        calls.Should().Be(1);
        fixture.Advance(31);

        fixture.IsRefused().Should().BeTrue();

        fixture.Circuit.State.Should().Be(CircuitState.Open);
        calls.Should().Be(1);
    }

    [Fact]
    public void Report_BelowTheThreshold_DrawsNothing()
    {
        var random = new ScriptedRandom(0.5);
        var fixture = new CircuitFixture(random: random);

        fixture.Fail(times: 2);
        random.Draws.Should().Be(0);
        fixture.Fail();

        random.Draws.Should().Be(1);
    }

    private static CircuitFixture Create(Func<CircuitFailure, TimeSpan?> generator) =>
        new(options => options.BreakDurationGenerator = generator);
}
