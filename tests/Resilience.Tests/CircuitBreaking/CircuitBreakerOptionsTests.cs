using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>What is wrong with a circuit's options is said all at once, in words that say what would be right.</summary>
public sealed class CircuitBreakerOptionsTests
{
    [Fact]
    public void Constructor_SeveralMistakes_NamesAllOfThem()
    {
        var options = new CircuitBreakerOptions { InitialState = (CircuitState)6, HalfOpenTrialCount = 64 };

        FluentActions
            .Invoking(() => new CircuitBreaker("orders", options))
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*circuit breaker's options*")
            .WithMessage("*InitialState is 6, must be from 0 to 5*")
            .WithMessage("*HalfOpenTrialCount is 64, must be from 1 to 63*");
    }

    [Fact]
    public void HalfOpenTrialCount_LowerThanTheSuccessesThatClose_IsRefused()
    {
        var options = new CircuitBreakerOptions { HalfOpenTrialCount = 2, SuccessThreshold = 3 };

        FluentActions
            .Invoking(() => new CircuitBreaker("orders", options))
            .Should()
            .Throw<ArgumentException>()
            .WithMessage("*HalfOpenTrialCount is 2, must not be lower than SuccessThreshold (3)*");
    }

    [Fact]
    public void HalfOpenTrialCount_AsManyAsTheSuccessesThatClose_IsTaken()
    {
        var options = new CircuitBreakerOptions { HalfOpenTrialCount = 3, SuccessThreshold = 3 };

        FluentActions.Invoking(() => new CircuitBreaker("orders", options)).Should().NotThrow();
    }
}
