using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>
/// How a <see cref="CircuitBreaker"/> decides. The rules that open it work each on its own or together: failures in a
/// row, the share of failures, the share of slow calls. Mutable until it is handed over; not thread-safe.
/// </summary>
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
    /// How many failures in a row, with no success between them, open the circuit; <see langword="null"/> for never (in
    /// configuration also an empty text). Range: 1 to 4,095.
    /// </summary>
    /// <value>The default is 5; in a pool 10, so that passive ejection, which spares the last backend, comes first.</value>
    public int? ConsecutiveFailures { get; set; } = CircuitDefaults.ConsecutiveFailures;

    /// <summary>
    /// A run of failures is forgotten when its last failure is older than this. Range: 100 ms to 12 hours.
    /// </summary>
    /// <value>The default is 60 seconds.</value>
    public TimeSpan FailureWindow { get; set; } = CircuitDefaults.FailureWindow;

    /// <summary>
    /// The share of failures among the calls of the last <see cref="SamplingDuration"/> that opens the circuit;
    /// <see langword="null"/> for never. Range: 0.01 to 1.
    /// </summary>
    /// <value>The default is <see langword="null"/>.</value>
    public double? FailureRate { get; set; }

    /// <summary>
    /// From how long on a call is slow, whatever its outcome; <see langword="null"/> for never. A slow trial of a
    /// half-open circuit counts as failed. Range: 1 ms to 1 hour; in a pool shorter than <c>Timeouts:Attempt</c>.
    /// </summary>
    /// <value>The default is <see langword="null"/>.</value>
    public TimeSpan? SlowCallDuration { get; set; }

    /// <summary>
    /// The share of slow calls among those of the last <see cref="SamplingDuration"/> that opens the circuit, if
    /// <see cref="SlowCallDuration"/> is set. Range: 0.01 to 1.
    /// </summary>
    /// <value>The default is 0.5.</value>
    public double SlowCallRate { get; set; } = CircuitDefaults.SlowCallRate;

    /// <summary>
    /// The time over which <see cref="FailureRate"/> and <see cref="SlowCallRate"/> look back, in ten steps. Range: 500 ms
    /// to 1 hour.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan SamplingDuration { get; set; } = CircuitDefaults.SamplingDuration;

    /// <summary>Fewer calls than this within <see cref="SamplingDuration"/> make no rate. Range: 1 to 8,000.</summary>
    /// <value>The default is 20.</value>
    public int MinimumThroughput { get; set; } = CircuitDefaults.MinimumThroughput;

    /// <summary>
    /// How long the circuit stays open the first time; doubles each time the circuit opens again without having closed.
    /// Range: 10 ms to <see cref="MaxBreakDuration"/>.
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

    /// <summary>
    /// The length of a break from the failure that begins it, for instance from a server's <c>Retry-After</c>. It is cut
    /// to between 10 ms and <see cref="MaxBreakDuration"/>; <see langword="null"/>, and a function that throws, leave it
    /// to the other options. Called by the thread that reports the failure, before the circuit changes, so also for an
    /// opening that another thread comes first with; it must be quick and thread-safe. In a pool it is told the attempt's
    /// outcome. Not settable by configuration.
    /// </summary>
    /// <value>The default is <see langword="null"/>.</value>
    public Func<CircuitFailure, TimeSpan?>? BreakDurationGenerator { get; set; }

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

    /// <summary>
    /// What a call that went through <c>Execute</c> showed: told its result, or what it threw. Not asked about the
    /// cancellation by the caller, which is always neutral. It must be quick and thread-safe; if it throws, the call
    /// counts as neutral and the caller gets that exception. Not settable by configuration, and not used in a pool.
    /// </summary>
    /// <value>The default is <see langword="null"/>: every exception is a failure, every result a success.</value>
    public Func<object?, Exception?, CircuitOutcome>? Classify { get; set; }

    /// <summary>
    /// Whether successes are counted for <see cref="CircuitSnapshot"/>; everything else always is. It costs a healthy
    /// call one interlocked step.
    /// </summary>
    /// <value>The default is <see langword="true"/>; in a pool, which counts by itself, <see langword="false"/>.</value>
    public bool CountSuccesses { get; set; } = true;

    /// <summary>Every rule of these options: the option's name, and what is wrong and would be right, or null.</summary>
    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(InitialState), Ranges.Problem((int)InitialState, 0, (int)CircuitState.MetricsOnly)),
            (nameof(ConsecutiveFailures), Optional(ConsecutiveFailures, 1, 4_095)),
            (nameof(FailureWindow), Ranges.Problem(FailureWindow, Ranges.Tenth, Ranges.HalfDay)),
            (nameof(FailureRate), Optional(FailureRate, 0.01, 1)),
            (nameof(SlowCallDuration), SlowCallDurationProblem()),
            (nameof(SlowCallRate), Ranges.Problem(SlowCallRate, 0.01, 1)),
            (nameof(SamplingDuration), Ranges.Problem(SamplingDuration, 5 * Ranges.Tenth, Ranges.Hour)),
            (nameof(MinimumThroughput), Ranges.Problem(MinimumThroughput, 1, 8_000)),
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

    private string? SlowCallDurationProblem() =>
        SlowCallDuration is { } given ? Ranges.Problem(given, TimeSpan.FromMilliseconds(1), Ranges.Hour) : null;

    private string? TrialCountProblem() =>
        Optional(HalfOpenTrialCount, 1, 63)
        ?? (
            HalfOpenTrialCount < SuccessThreshold
                ? $"is {HalfOpenTrialCount}, must not be lower than {nameof(SuccessThreshold)} ({SuccessThreshold})"
                : null
        );
}
