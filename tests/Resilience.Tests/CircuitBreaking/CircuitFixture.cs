using Resilience.CircuitBreaking;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>A circuit on fake time, with what it tells its owner. By default: 3 failures open it for 5 s, no jitter.</summary>
internal sealed class CircuitFixture
{
    public CircuitFixture(Action<CircuitBreakerOptions>? configure = null, Random? random = null)
    {
        Circuit = new CircuitBreaker(
            "circuit",
            new CircuitRules(Options(configure)),
            new Clock(Time),
            random ?? new ScriptedRandom(0),
            Owner
        );
    }

    public FakeTime Time { get; } = new();

    public RecordingOwner Owner { get; } = new();

    public CircuitBreaker Circuit { get; }

    public static CircuitBreakerOptions Options(Action<CircuitBreakerOptions>? configure = null)
    {
        var options = new CircuitBreakerOptions { ConsecutiveFailures = 3, Jitter = 0 };
        configure?.Invoke(options);
        return options;
    }

    public static CircuitRules Rules(Action<CircuitBreakerOptions>? configure = null) => new(Options(configure));

    public CircuitTicket Acquire()
    {
        Circuit.TryAcquireTicket(out var permit).Should().BeTrue("the test expects a permit");
        return permit;
    }

    public bool IsRefused() => !Circuit.TryAcquireTicket(out _);

    public void Report(CircuitOutcome outcome) => Circuit.Report(Acquire(), outcome);

    public void Fail(int times = 1)
    {
        for (var i = 0; i < times; i++)
        {
            Report(CircuitOutcome.Failure);
        }
    }

    /// <summary>Opens a closed circuit by a run of failures.</summary>
    public void Open()
    {
        Fail((int)Circuit.Rules.ConsecutiveFailures);
        Circuit.State.Should().Be(CircuitState.Open);
    }

    /// <summary>Opens a closed circuit, lets its break pass and takes the first trial.</summary>
    public CircuitTicket HalfOpen()
    {
        Open();
        return FirstTrial();
    }

    /// <summary>Lets the break of an open circuit pass and takes the first trial.</summary>
    public CircuitTicket FirstTrial()
    {
        Time.Advance(Circuit.RetryAfter);
        var trial = Acquire();
        Circuit.State.Should().Be(CircuitState.HalfOpen);
        return trial;
    }

    public void Advance(double seconds) => Time.Advance(TimeSpan.FromSeconds(seconds));
}
