using Resilience.Primitives;

namespace Resilience.Retries;

/// <summary>The options of retries, checked and compiled. Immutable.</summary>
internal sealed class RetryRules
{
    private readonly TimeSpan _initialDelay;
    private readonly TimeSpan _maxDelay;
    private readonly double _multiplier;
    private readonly double _jitter;

    public RetryRules(RetryOptions options)
    {
        Ranges.ThrowIfAny("retry options", options.Problems());
        IsEnabled = options.Enabled;
        MaxAttempts = options.MaxAttempts;
        MaxRetryAfter = options.MaxRetryAfter;
        _initialDelay = options.InitialDelay;
        _maxDelay = options.MaxDelay;
        _multiplier = options.Multiplier;
        _jitter = options.Jitter;
    }

    public bool IsEnabled { get; }

    /// <summary>Attempts in total, the first one included.</summary>
    public int MaxAttempts { get; }

    public TimeSpan MaxRetryAfter { get; }

    /// <summary>The delay before attempt number <paramref name="attempt"/> (2 is the first retry).</summary>
    /// <param name="random">A draw from [0, 1).</param>
    public TimeSpan DelayBefore(int attempt, double random) =>
        Backoff.Jittered(Backoff.Exponential(_initialDelay, _multiplier, attempt - 2, _maxDelay), _jitter, random);
}
