using System.Runtime.CompilerServices;

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

    /// <summary>Counts a call in each window that there is: the rule that its generation's calls break, if any.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    public CircuitChangeReason? Measure(CircuitRules rules, uint generation, long now, bool isFailure, long ticks)
    {
        var fails = rules.HasFailureRule && MeasureFailures(rules, generation, now, isFailure);
        var isSlow = rules.HasSlowRule && MeasureSlowness(rules, generation, now, ticks);
        return fails ? CircuitChangeReason.FailureRate
            : isSlow ? CircuitChangeReason.SlowCallRate
            : null;
    }

    /// <summary>Counts a call by its outcome; whether too many of its generation's calls have failed.</summary>
    public bool MeasureFailures(CircuitRules rules, uint generation, long now, bool isFailure) =>
        WindowOf(ref _failures, rules).Record(generation, now, isFailure, rules.MinimumThroughput, rules.FailureRate);

    /// <summary>All calls in the window of a rule, and those that are against it.</summary>
    public readonly (int Total, int Bad) FiguresOf(CircuitChangeReason reason, uint generation, long now) =>
        (reason == CircuitChangeReason.SlowCallRate ? _slowness : _failures)?.Sum(generation, now) ?? default;

    /// <summary>Counts a call that belongs in no window: a trial, or one whose report has changed the state.</summary>
    public void CountIfSlow(CircuitRules rules, long ticks)
    {
        if (IsSlow(rules, ticks))
        {
            Interlocked.Increment(ref _slowCalls);
        }
    }

    private bool MeasureSlowness(CircuitRules rules, uint generation, long now, long ticks)
    {
        CountIfSlow(rules, ticks);
        var isSlow = IsSlow(rules, ticks);
        return WindowOf(ref _slowness, rules)
            .Record(generation, now, isSlow, rules.MinimumThroughput, rules.SlowCallRate);
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
