using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>How a <see cref="CircuitBreaker"/> decides. Mutable until it is handed over; not thread-safe.</summary>
public sealed class CircuitBreakerOptions
{
    private static readonly TimeSpan ShortestBreak = TimeSpan.FromMilliseconds(10);

    /// <summary>Whether the circuit is used at all; if not, its state is <see cref="CircuitState.Disabled"/>.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// The state in which the circuit begins. <see cref="CircuitState.MetricsOnly"/> is the dry run of new rules. When a
    /// reload changes it, circuits that are still in the old one, or have come from it by themselves, change over.
    /// </summary>
    /// <value>The default is <see cref="CircuitState.Closed"/>.</value>
    public CircuitState InitialState { get; set; }

    /// <summary>
    /// How many failures in a row, with no success between them, open the circuit; <see langword="null"/> for never.
    /// Range: 1 to 4,095.
    /// </summary>
    /// <value>The default is 5; in a pool 10, so that passive ejection, which spares the last backend, comes first.</value>
    public int? ConsecutiveFailures { get; set; } = CircuitDefaults.ConsecutiveFailures;

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

    /// <summary>
    /// The longest break; equal to <see cref="BreakDuration"/> for breaks that do not grow. Range:
    /// <see cref="BreakDuration"/> to 12 hours.
    /// </summary>
    /// <value>The default is 60 seconds.</value>
    public TimeSpan MaxBreakDuration { get; set; } = CircuitDefaults.MaxBreakDuration;

    /// <summary>The random share of a break that is taken away, so that many clients do not test at once. Range: 0 to 1.</summary>
    /// <value>The default is 0.1.</value>
    public double Jitter { get; set; } = CircuitDefaults.Jitter;

    /// <summary>How many trial calls a half-open circuit lets through at a time. Range: 1 to 63.</summary>
    /// <value>The default is 1.</value>
    public int HalfOpenTrials { get; set; } = CircuitDefaults.HalfOpenTrials;

    /// <summary>How many successful trials close a half-open circuit. Range: 1 to 63.</summary>
    /// <value>The default is 2.</value>
    public int SuccessThreshold { get; set; } = CircuitDefaults.SuccessThreshold;

    /// <summary>
    /// Of how many trials <see cref="SuccessThreshold"/> must succeed: the circuit opens again as soon as too many have
    /// failed for that. Range: <see cref="SuccessThreshold"/> to 63.
    /// </summary>
    /// <value>
    /// The default is <see langword="null"/>: as many as <see cref="SuccessThreshold"/>, so that one failed trial opens
    /// the circuit again.
    /// </value>
    public int? HalfOpenTrialCount { get; set; }

    /// <summary>
    /// A half-open circuit whose trials have not reported for this long since the last one was let through opens
    /// again, so that a lost trial cannot wedge it. Must exceed the longest call. Range: 100 ms to 1 hour.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan HalfOpenExpiry { get; set; } = CircuitDefaults.HalfOpenExpiry;

    /// <summary>Every rule of these options: the option's name, and what is wrong and would be right, or null.</summary>
    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(InitialState), InitialStateProblem()),
            (nameof(ConsecutiveFailures), Optional(ConsecutiveFailures, 1, 4_095)),
            (nameof(FailureWindow), Ranges.Problem(FailureWindow, Ranges.Tenth, Ranges.HalfDay)),
            (nameof(BreakDuration), Ranges.Problem(BreakDuration, ShortestBreak, Ranges.HalfDay)),
            (nameof(MaxBreakDuration), Ranges.Problem(MaxBreakDuration, ShortestBreak, Ranges.HalfDay)),
            (nameof(MaxBreakDuration), Ranges.NotShorter(MaxBreakDuration, BreakDuration, nameof(BreakDuration))),
            (nameof(Jitter), Ranges.Problem(Jitter, 0, 1)),
            (nameof(HalfOpenTrials), Ranges.Problem(HalfOpenTrials, 1, 63)),
            (nameof(SuccessThreshold), Ranges.Problem(SuccessThreshold, 1, 63)),
            (nameof(HalfOpenTrialCount), TrialCountProblem()),
            (nameof(HalfOpenExpiry), Ranges.Problem(HalfOpenExpiry, Ranges.Tenth, Ranges.Hour)),
        ];

    private static string? Optional(double? value, double lowest, double highest) =>
        value is { } given ? Ranges.Problem(given, lowest, highest) : null;

    private string? InitialStateProblem() =>
        Enum.IsDefined(InitialState) ? null : Ranges.Problem((int)InitialState, 0, (int)CircuitState.MetricsOnly);

    private string? TrialCountProblem() =>
        Optional(HalfOpenTrialCount, 1, 63)
        ?? (
            HalfOpenTrialCount < SuccessThreshold
                ? $"is {HalfOpenTrialCount}, must not be lower than {nameof(SuccessThreshold)} ({SuccessThreshold})"
                : null
        );
}
