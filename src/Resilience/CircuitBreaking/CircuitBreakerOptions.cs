using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>How a <see cref="CircuitBreaker"/> decides. Mutable until it is handed over; not thread-safe.</summary>
public sealed class CircuitBreakerOptions
{
    /// <summary>Whether the circuit ever opens.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// How many failures in a row, with no success between them, open the circuit. Range: 1 to 4,095.
    /// </summary>
    /// <value>The default is 5; in a pool 10, so that passive ejection, which spares the last backend, comes first.</value>
    public int ConsecutiveFailures { get; set; } = CircuitDefaults.ConsecutiveFailures;

    /// <summary>
    /// A run of failures is forgotten when its last failure is older than this. Range: 100 ms to 12 hours.
    /// </summary>
    /// <value>The default is 60 seconds.</value>
    public TimeSpan FailureWindow { get; set; } = CircuitDefaults.FailureWindow;

    /// <summary>
    /// How long the circuit stays open the first time; doubles with every opening that no closing interrupts. Range:
    /// 10 ms to <see cref="MaxBreakDuration"/>.
    /// </summary>
    /// <value>The default is 5 seconds.</value>
    public TimeSpan BreakDuration { get; set; } = CircuitDefaults.BreakDuration;

    /// <summary>The longest break. Range: <see cref="BreakDuration"/> to 12 hours.</summary>
    /// <value>The default is 60 seconds.</value>
    public TimeSpan MaxBreakDuration { get; set; } = CircuitDefaults.MaxBreakDuration;

    /// <summary>The random share of a break that is taken away, so that many clients do not test at once. Range: 0 to 1.</summary>
    /// <value>The default is 0.1.</value>
    public double Jitter { get; set; } = CircuitDefaults.Jitter;

    /// <summary>How many trial calls a half-open circuit lets through at a time. Range: 1 to 63.</summary>
    /// <value>The default is 1.</value>
    public int HalfOpenTrials { get; set; } = CircuitDefaults.HalfOpenTrials;

    /// <summary>How many successful trials close a half-open circuit; one failed trial re-opens it. Range: 1 to 63.</summary>
    /// <value>The default is 2.</value>
    public int SuccessThreshold { get; set; } = CircuitDefaults.SuccessThreshold;

    /// <summary>
    /// A half-open circuit whose trials have not reported for this long since the last one was let through opens
    /// again, so that a lost trial cannot wedge it. Must exceed the longest call. Range: 100 ms to 1 hour.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan HalfOpenExpiry { get; set; } = CircuitDefaults.HalfOpenExpiry;

    /// <summary>Every rule of these options: the option's name, and what is wrong and would be right, or null.</summary>
    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(ConsecutiveFailures), Ranges.Problem(ConsecutiveFailures, 1, 4_095)),
            (nameof(FailureWindow), Ranges.Problem(FailureWindow, Ranges.Tenth, Ranges.HalfDay)),
            (nameof(BreakDuration), Ranges.Problem(BreakDuration, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(MaxBreakDuration), Ranges.Problem(MaxBreakDuration, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(MaxBreakDuration), Ranges.NotShorter(MaxBreakDuration, BreakDuration, nameof(BreakDuration))),
            (nameof(Jitter), Ranges.Problem(Jitter, 0, 1)),
            (nameof(HalfOpenTrials), Ranges.Problem(HalfOpenTrials, 1, 63)),
            (nameof(SuccessThreshold), Ranges.Problem(SuccessThreshold, 1, 63)),
            (nameof(HalfOpenExpiry), Ranges.Problem(HalfOpenExpiry, Ranges.Tenth, Ranges.Hour)),
        ];
}
