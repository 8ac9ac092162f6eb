using System.Globalization;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Passive;

/// <summary>
/// How real traffic judges backends. Each rule is by itself, and 0 switches it off. Mutable until it is handed over; not
/// thread-safe.
/// </summary>
public sealed class PassiveHealthOptions
{
    /// <summary>Whether traffic ejects backends.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>How many failures in a row eject a backend. Range: 1 to 100,000; 0 switches the rule off.</summary>
    /// <value>The default is 5.</value>
    public int ConsecutiveFailures { get; set; } = PassiveDefaults.ConsecutiveFailures;

    /// <summary>
    /// How many successes in a row re-admit an ejected backend before its time. It gets requests only where no other is
    /// left to take them. Range: 1 to 1,000; 0 leaves it to time alone.
    /// </summary>
    /// <value>The default is 0.</value>
    public int ConsecutiveSuccesses { get; set; } = PassiveDefaults.ConsecutiveSuccesses;

    /// <summary>
    /// The share of failed requests within <see cref="Window"/> that ejects a backend. Range: above 0 to 1; 0 switches
    /// the rule off.
    /// </summary>
    /// <value>The default is 0.5.</value>
    public double FailureRate { get; set; } = PassiveDefaults.FailureRate;

    /// <summary>How many requests a share must be of before it counts. Range: 1 to 100,000.</summary>
    /// <value>The default is 10.</value>
    public int MinimumRequests { get; set; } = PassiveDefaults.MinimumRequests;

    /// <summary>
    /// How far back shares look; kept in ten buckets, so that what is older than nine tenths of it may already be
    /// forgotten. A change begins a new window. Range: 100 ms to 1 hour.
    /// </summary>
    /// <value>The default is 60 seconds.</value>
    public TimeSpan Window { get; set; } = PassiveDefaults.Window;

    /// <summary>
    /// The time to the response headers above which a response is slow. Range: above 0 to 12 hours, shorter than
    /// <c>Timeouts:Attempt</c>; 0 switches the rule off.
    /// </summary>
    /// <value>The default is 0.</value>
    public TimeSpan SlowResponseTime { get; set; }

    /// <summary>The share of slow responses within <see cref="Window"/> that ejects a backend. Range: 0.01 to 1.</summary>
    /// <value>The default is 0.5.</value>
    public double SlowResponseRate { get; set; } = PassiveDefaults.SlowResponseRate;

    /// <summary>
    /// Whether a backend is ejected that has stopped answering: at least five requests have waited on it longer than
    /// 2 seconds and than four times the pool's usual time, it has answered nothing in that time, and another has.
    /// </summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Silence { get; set; } = true;

    /// <summary>
    /// By how much a backend's share of failures within <see cref="Window"/> must exceed the median of its pool's to eject
    /// it; judged once a second where at least three backends have <see cref="MinimumRequests"/>. Range: above 0 to 1; 0
    /// switches the rule off.
    /// </summary>
    /// <value>The default is 0.</value>
    public double RelativeFailureGap { get; set; } = PassiveDefaults.RelativeFailureGap;

    /// <summary>
    /// How many times as long as the median of its pool's a backend's mean response time must be to eject it, and longer
    /// by <see cref="RelativeTimeGap"/> too; judged as <see cref="RelativeFailureGap"/>. Range: above 1 to 100; 0 switches
    /// the rule off.
    /// </summary>
    /// <value>The default is 0.</value>
    public double RelativeTimeFactor { get; set; } = PassiveDefaults.RelativeTimeFactor;

    /// <summary>By how much it must be longer at least, so that 3 ms against 1 is nothing. Range: 1 ms to 12 hours.</summary>
    /// <value>The default is 250 milliseconds.</value>
    public TimeSpan RelativeTimeGap { get; set; } = PassiveDefaults.RelativeTimeGap;

    /// <summary>
    /// Whether backends that would be ejected are only reported, by events, metrics and a log line, and go on taking
    /// traffic.
    /// </summary>
    /// <value>The default is <see langword="false"/>.</value>
    public bool DryRun { get; set; }

    /// <summary>
    /// How long the first ejection lasts; doubles with every further one that no good stretch of that length forgives.
    /// Range: 10 ms to <see cref="MaxEjectionTime"/>.
    /// </summary>
    /// <value>The default is 5 seconds.</value>
    public TimeSpan EjectionTime { get; set; } = PassiveDefaults.EjectionTime;

    /// <summary>The longest ejection. Range: <see cref="EjectionTime"/> to 12 hours.</summary>
    /// <value>The default is 300 seconds.</value>
    public TimeSpan MaxEjectionTime { get; set; } = PassiveDefaults.MaxEjectionTime;

    /// <summary>The random share of an ejection that is taken away. Range: 0 to 1.</summary>
    /// <value>The default is 0.1.</value>
    public double Jitter { get; set; } = PassiveDefaults.Jitter;

    /// <summary>
    /// The longest that a backend is left alone because it answered 429 or 503 with <c>Retry-After</c>. Range: above 0 to
    /// 1 hour; 0 switches the rule off.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan MaxCoolingTime { get; set; } = PassiveDefaults.MaxCoolingTime;

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(ConsecutiveFailures), Ranges.Problem(ConsecutiveFailures, 0, 100_000)),
            (nameof(ConsecutiveSuccesses), Ranges.Problem(ConsecutiveSuccesses, 0, PassiveRecord.MostSuccesses)),
            (nameof(FailureRate), Ranges.Problem(FailureRate, 0, 1)),
            (nameof(MinimumRequests), Ranges.Problem(MinimumRequests, 1, 100_000)),
            (nameof(Window), Ranges.Problem(Window, Ranges.Tenth, Ranges.Hour)),
            (nameof(SlowResponseTime), Ranges.Problem(SlowResponseTime, TimeSpan.Zero, Ranges.HalfDay)),
            (nameof(SlowResponseRate), Ranges.Problem(SlowResponseRate, 0.01, 1)),
            (nameof(RelativeFailureGap), Ranges.Problem(RelativeFailureGap, 0, 1)),
            (nameof(RelativeTimeFactor), Ranges.Problem(RelativeTimeFactor, 0, 100)),
            (
                nameof(RelativeTimeFactor),
                RelativeTimeFactor is > 0 and <= 1
                    ? string.Create(
                        CultureInfo.InvariantCulture,
                        $"is {RelativeTimeFactor}, must be above 1, or 0 for none"
                    )
                    : null
            ),
            (nameof(RelativeTimeGap), Ranges.Problem(RelativeTimeGap, TimeSpan.FromMilliseconds(1), Ranges.HalfDay)),
            (nameof(EjectionTime), Ranges.Problem(EjectionTime, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(MaxEjectionTime), Ranges.Problem(MaxEjectionTime, TimeSpan.FromMilliseconds(10), Ranges.HalfDay)),
            (nameof(MaxEjectionTime), Ranges.NotShorter(MaxEjectionTime, EjectionTime, nameof(EjectionTime))),
            (nameof(Jitter), Ranges.Problem(Jitter, 0, 1)),
            (nameof(MaxCoolingTime), Ranges.Problem(MaxCoolingTime, TimeSpan.Zero, Ranges.Hour)),
        ];
}
