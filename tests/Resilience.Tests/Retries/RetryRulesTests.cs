using Resilience.Retries;

namespace Resilience.Tests.Retries;

public sealed class RetryRulesTests
{
    [Fact]
    public void DelayBefore_DefaultsWithoutJitter_Are100MillisecondsDoubled_S43_S57_R89()
    {
        var rules = new RetryRules(new RetryOptions { Jitter = 0 });

        var delays = Enumerable.Range(2, 9).Select(attempt => rules.DelayBefore(attempt, 0).TotalMilliseconds);

        delays.Should().Equal(100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000);
        rules.MaxAttempts.Should().Be(3);
    }

    [Theory]
    [InlineData(0.0, 200)]
    [InlineData(0.25, 150)]
    [InlineData(0.75, 50)]
    public void DelayBefore_DefaultJitter_IsFull_R88(double draw, int milliseconds)
    {
        var rules = new RetryRules(new RetryOptions());

        var delay = rules.DelayBefore(3, draw);

        delay.TotalMilliseconds.Should().BeApproximately(milliseconds, 0.001);
    }

    [Fact]
    public void DelayBefore_FourAttemptsWithoutJitter_AreThreeNonDecreasingDelays_S49()
    {
        var rules = new RetryRules(new RetryOptions { InitialDelay = TimeSpan.FromMilliseconds(10), Jitter = 0 });

        var delays = Enumerable.Range(2, 3).Select(attempt => rules.DelayBefore(attempt, 0).TotalMilliseconds);

        delays.Should().Equal(10, 20, 40);
    }

    [Fact]
    public void DelayBefore_TenfoldWithASmallMaximum_IsNeverLonger_S51()
    {
        var rules = new RetryRules(
            new RetryOptions
            {
                InitialDelay = TimeSpan.FromMilliseconds(10),
                Multiplier = 10,
                MaxDelay = TimeSpan.FromMilliseconds(50),
            }
        );

        var delays = Enumerable.Range(2, 99).Select(attempt => rules.DelayBefore(attempt, 0));

        delays.Should().OnlyContain(delay => delay <= TimeSpan.FromMilliseconds(50));
    }

    [Fact]
    public void Constructor_OptionsOutOfRange_NamesThemAll_Law16()
    {
        var options = new RetryOptions
        {
            MaxAttempts = 0,
            Multiplier = 0.5,
            InitialDelay = TimeSpan.FromSeconds(11),
            MaxRetryAfter = TimeSpan.FromDays(30),
        };

        var creating = () => new RetryRules(options);

        creating
            .Should()
            .Throw<ArgumentException>()
            .Which.Message.Should()
            .ContainAll(
                "The retry options cannot be used: ",
                "MaxAttempts is 0",
                "Multiplier is 0.5",
                "MaxDelay is 00:00:10, must not be shorter than InitialDelay (00:00:11)",
                "for 30 seconds write \"00:00:30\""
            );
    }

    [Fact]
    public void Constructor_NoListOfMethods_SaysSo_Law16()
    {
        var creating = () => new RetryRules(new RetryOptions { IdempotentMethods = null! });

        creating.Should().Throw<ArgumentException>().WithMessage("*IdempotentMethods is null, must be a list*");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" GET")]
    [InlineData("GET,PUT")]
    [InlineData("GÉT")]
    public void Constructor_NotAMethod_IsNamedWithItsPlace_Law16(string method)
    {
        var creating = () => new RetryRules(new RetryOptions { IdempotentMethods = ["GET", method] });

        creating
            .Should()
            .Throw<ArgumentException>()
            .WithMessage($"*IdempotentMethods:1 is '{method}', must be a method such as GET*");
    }

    [Theory]
    [InlineData("PROPFIND")]
    [InlineData("x-my!method~1")]
    public void Constructor_AnyToken_IsAMethod(string method) =>
        new RetryRules(new RetryOptions { IdempotentMethods = [method] }).IsEnabled.Should().BeTrue();
}
