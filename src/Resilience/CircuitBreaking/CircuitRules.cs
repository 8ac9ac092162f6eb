using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>The options of a circuit, checked and compiled for the steps of <see cref="CircuitWord"/>. Immutable.</summary>
internal sealed class CircuitRules
{
    private readonly TimeSpan _breakDuration;
    private readonly TimeSpan _maxBreakDuration;
    private readonly double _jitter;

    public CircuitRules(CircuitBreakerOptions options)
    {
        Ranges.ThrowIfAny("circuit breaker's options", options.Problems());
        Start = options.Enabled ? options.InitialState : CircuitState.Disabled;
        ConsecutiveFailures = (uint?)options.ConsecutiveFailures ?? uint.MaxValue;
        FailureWindowMilliseconds = (long)options.FailureWindow.TotalMilliseconds;
        Trials = (uint)options.HalfOpenTrials;
        SuccessThreshold = (uint)options.SuccessThreshold;
        TrialCount = (uint)(options.HalfOpenTrialCount ?? options.SuccessThreshold);
        HalfOpenExpiryMilliseconds = (long)options.HalfOpenExpiry.TotalMilliseconds;
        _breakDuration = options.BreakDuration;
        _maxBreakDuration = options.MaxBreakDuration;
        _jitter = options.Jitter;
    }

    /// <summary>The state in which a circuit begins: disabled if it is switched off.</summary>
    public CircuitState Start { get; }

    /// <summary>The run of failures that opens the circuit; more than can be counted if that rule is off.</summary>
    public uint ConsecutiveFailures { get; }

    public long FailureWindowMilliseconds { get; }

    public uint Trials { get; }

    public uint SuccessThreshold { get; }

    /// <summary>Of so many trials <see cref="SuccessThreshold"/> must succeed; never fewer than those.</summary>
    public uint TrialCount { get; }

    public long HalfOpenExpiryMilliseconds { get; }

    /// <summary>The length of the break after <paramref name="streak"/> openings that no closing interrupted.</summary>
    /// <param name="random">A draw from [0, 1).</param>
    public long BreakMilliseconds(uint streak, double random) =>
        (long)
            Backoff
                .Jittered(Backoff.Exponential(_breakDuration, 2, (int)streak, _maxBreakDuration), _jitter, random)
                .TotalMilliseconds;
}
