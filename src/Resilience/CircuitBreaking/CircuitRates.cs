namespace Resilience.CircuitBreaking;

/// <summary>
/// How often a circuit's calls have failed or been slow over the last stretch of time, for the rules that ask. A window is
/// made when first needed, and again when its length is another. A part of its circuit, never copied. Thread-safe.
/// </summary>
internal struct CircuitRates
{
    private CircuitWindow? _failures;
    private CircuitWindow? _slowness;
    private long _slowCalls;

    /// <summary>All slow calls since the circuit was made.</summary>
    public long SlowCalls => Volatile.Read(ref _slowCalls);

    public static bool IsSlow(CircuitRules rules, long ticks) => ticks >= rules.SlowCallTicks;

    public double? FailureRate(CircuitRules rules, uint generation, long now) =>
        rules.HasFailureRule ? RateOf(_failures, generation, now) : null;

    public double? SlowCallRate(CircuitRules rules, uint generation, long now) =>
        rules.HasSlowRule ? RateOf(_slowness, generation, now) : null;

    /// <summary>Counts a call by its outcome; whether too many of its generation's calls have failed.</summary>
    /// <param name="figures">The calls in the window and those of them that failed, if so.</param>
    public bool MeasureFailures(
        CircuitRules rules,
        uint generation,
        long now,
        bool isFailure,
        out (int Total, int Bad) figures
    )
    {
        var window = WindowOf(ref _failures, rules);
        var isExceeded = window.Record(generation, now, isFailure, rules.MinimumThroughput, rules.FailureRate);
        figures = isExceeded ? window.Sum(generation, now) : default;
        return isExceeded;
    }

    /// <summary>Counts a call by its time; whether too many of its generation's calls have been slow.</summary>
    /// <param name="figures">The calls in the window and those of them that were slow, if so.</param>
    public bool MeasureSlowness(
        CircuitRules rules,
        uint generation,
        long now,
        long ticks,
        out (int Total, int Bad) figures
    )
    {
        CountIfSlow(rules, ticks);
        var window = WindowOf(ref _slowness, rules);
        var isSlow = IsSlow(rules, ticks);
        var isExceeded = window.Record(generation, now, isSlow, rules.MinimumThroughput, rules.SlowCallRate);
        figures = isExceeded ? window.Sum(generation, now) : default;
        return isExceeded;
    }

    /// <summary>Counts a call that belongs in no window: a trial, or one whose report has changed the state.</summary>
    public void CountIfSlow(CircuitRules rules, long ticks)
    {
        if (IsSlow(rules, ticks))
        {
            Interlocked.Increment(ref _slowCalls);
        }
    }

    private static CircuitWindow WindowOf(ref CircuitWindow? field, CircuitRules rules)
    {
        var seen = Volatile.Read(ref field);
        if (seen is not null && seen.LengthMilliseconds == rules.SamplingMilliseconds)
        {
            return seen;
        }

        var fresh = new CircuitWindow(rules.SamplingMilliseconds);
        var other = Interlocked.CompareExchange(ref field, fresh, seen);
        return ReferenceEquals(other, seen) ? fresh : other!;
    }

    private static double? RateOf(CircuitWindow? window, uint generation, long now) =>
        window?.Sum(generation, now) is (var total and > 0, var bad) ? (double)bad / total : null;
}
