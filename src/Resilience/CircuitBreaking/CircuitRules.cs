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
        IsEnabled = options.Enabled;
        ConsecutiveFailures = (uint)options.ConsecutiveFailures;
        FailureWindowMilliseconds = (long)options.FailureWindow.TotalMilliseconds;
        Trials = (uint)options.HalfOpenTrials;
        SuccessThreshold = (uint)options.SuccessThreshold;
        HalfOpenExpiryMilliseconds = (long)options.HalfOpenExpiry.TotalMilliseconds;
        _breakDuration = options.BreakDuration;
        _maxBreakDuration = options.MaxBreakDuration;
        _jitter = options.Jitter;
    }

    public bool IsEnabled { get; }

    public uint ConsecutiveFailures { get; }

    public long FailureWindowMilliseconds { get; }

    public uint Trials { get; }

    public uint SuccessThreshold { get; }

    public long HalfOpenExpiryMilliseconds { get; }

    /// <summary>The length of the break after <paramref name="streak"/> openings that no closing interrupted.</summary>
    /// <param name="random">A draw from [0, 1).</param>
    public long BreakMilliseconds(uint streak, double random) =>
        (long)
            Backoff
                .Jittered(Backoff.Exponential(_breakDuration, 2, (int)streak, _maxBreakDuration), _jitter, random)
                .TotalMilliseconds;
}
