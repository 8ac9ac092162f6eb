using System.Collections.Frozen;
using Resilience.Primitives;

namespace Resilience.Retries;

/// <summary>The options of retries, checked and compiled. Immutable.</summary>
internal sealed class RetryRules
{
    private readonly TimeSpan _initialDelay;
    private readonly TimeSpan _maxDelay;
    private readonly double _multiplier;
    private readonly double _jitter;
    private readonly FrozenSet<string>? _idempotentMethods;

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
        _idempotentMethods =
            options.IdempotentMethods.Count == 0
                ? null
                : options.IdempotentMethods.ToFrozenSet(StringComparer.OrdinalIgnoreCase);
    }

    public bool IsEnabled { get; }

    /// <summary>Attempts in total, the first one included.</summary>
    public int MaxAttempts { get; }

    public TimeSpan MaxRetryAfter { get; }

    /// <summary>Whether a request of this method may be sent twice (RFC 9110, section 9.2.2, unless told otherwise).</summary>
    public bool IsIdempotent(HttpMethod method) =>
        _idempotentMethods is { } own
            ? own.Contains(method.Method)
            : method == HttpMethod.Get
                || method == HttpMethod.Head
                || method == HttpMethod.Put
                || method == HttpMethod.Delete
                || method == HttpMethod.Options
                || method == HttpMethod.Trace;

    public static string? MethodProblem(string? method) =>
        HeaderRules.IsToken(method) ? null : $"is '{method}', must be a method such as GET";

    /// <summary>The delay before attempt number <paramref name="attempt"/> (2 is the first retry).</summary>
    /// <param name="random">A draw from [0, 1).</param>
    public TimeSpan DelayBefore(int attempt, double random) =>
        Backoff.Jittered(Backoff.Exponential(_initialDelay, _multiplier, attempt - 2, _maxDelay), _jitter, random);
}
