using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>The options of a circuit, checked and compiled for the steps of <see cref="CircuitWord"/>. Immutable.</summary>
internal sealed class CircuitRules
{
    private const double ShortestBreak = 10;

    private readonly TimeSpan _breakDuration;
    private readonly TimeSpan _maxBreakDuration;
    private readonly double _jitter;

    private readonly Func<CircuitFailure, TimeSpan?>? _breakDurationGenerator;

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
        _breakDurationGenerator = options.BreakDurationGenerator;
        FailureRate = options.FailureRate ?? 0;
        SlowCallRate = options.SlowCallRate;
        SlowCallTicks = options.SlowCallDuration?.Ticks ?? long.MaxValue;
        SamplingMilliseconds = (long)options.SamplingDuration.TotalMilliseconds;
        MinimumThroughput = options.MinimumThroughput;
        Classify = options.Classify;
        CountSuccesses = options.CountSuccesses;
        HasFailureRule = options.FailureRate is not null;
        HasSlowRule = options.SlowCallDuration is not null;
        HasWindow = HasFailureRule || HasSlowRule;
        MeasuresSuccesses = CountSuccesses || HasWindow;
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

    /// <summary>The share of failures that opens the circuit; 0 if that rule is off.</summary>
    public double FailureRate { get; }

    /// <summary>The share of slow calls that opens the circuit.</summary>
    public double SlowCallRate { get; }

    /// <summary>From how long on a call is slow, in ticks of 100 ns; longer than any if that rule is off.</summary>
    public long SlowCallTicks { get; }

    /// <summary>Whether failures are counted over time.</summary>
    public bool HasFailureRule { get; }

    /// <summary>Whether calls are timed, and slow ones counted over time.</summary>
    public bool HasSlowRule { get; }

    /// <summary>Whether anything is counted over time.</summary>
    public bool HasWindow { get; }

    public long SamplingMilliseconds { get; }

    public int MinimumThroughput { get; }

    public Func<object?, Exception?, CircuitOutcome>? Classify { get; }

    public bool CountSuccesses { get; }

    /// <summary>Whether the success of a healthy circuit leaves anything behind.</summary>
    public bool MeasuresSuccesses { get; }

    /// <summary>Whether the failure that begins a break is asked how long.</summary>
    public bool HasBreakDurationGenerator => _breakDurationGenerator is not null;

    /// <summary>The length that the user's own function gives to a break; <see langword="null"/> if it gives none.</summary>
    public long? GivenBreakMilliseconds(in CircuitFailure failure)
    {
        try
        {
            return _breakDurationGenerator?.Invoke(failure) is { } given
                ? (long)Math.Clamp(given.TotalMilliseconds, ShortestBreak, _maxBreakDuration.TotalMilliseconds)
                : null;
        }
#pragma warning disable CA1031 // A break must not fail because of its length: what throws leaves it to the other options.
        catch (Exception)
#pragma warning restore CA1031
        {
            return null;
        }
    }

    /// <summary>The length of the break after <paramref name="streak"/> openings that no closing interrupted.</summary>
    /// <param name="random">A draw from [0, 1).</param>
    public long BreakMilliseconds(uint streak, double random) =>
        (long)
            Backoff
                .Jittered(Backoff.Exponential(_breakDuration, 2, (int)streak, _maxBreakDuration), _jitter, random)
                .TotalMilliseconds;
}
