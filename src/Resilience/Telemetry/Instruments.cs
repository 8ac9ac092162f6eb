using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Resilience.Telemetry;

/// <summary>
/// The meter's instruments and the activity source. Durations in seconds; tags bounded to pool, backend and result.
/// Recording allocates nothing, and nothing is recorded while nobody listens. What counts, and flags, have units in braces:
/// the unit "1" of a gauge would end its name with <c>_ratio</c> in Prometheus.
/// </summary>
internal static class Instruments
{
    public static readonly ActivitySource Activities = new(TelemetryNames.ActivitySource);

    /// <summary>
    /// The platform's own source by its name: nothing is started on it, it only tells whether anybody listens to the
    /// platform's, which then injects trace headers into requests.
    /// </summary>
    private static readonly ActivitySource PlatformActivities = new("System.Net.Http");

    /* Before the gauges: a listener may ask as soon as they are published. */
    private static readonly ObservedPools Pools = new();

    private static readonly Meter Meter = new(TelemetryNames.Meter);

    /// <summary>
    /// Bounds in seconds, those of the platform's own <c>http.client.request.duration</c>. Exporters whose own are made for
    /// milliseconds would put all durations into one bucket.
    /// </summary>
    private static readonly InstrumentAdvice<double> Durations = new()
    {
        HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    };

    /// <summary>The same, and what several attempts and waits may take together: 30 s by default.</summary>
    private static readonly InstrumentAdvice<double> LongDurations = new()
    {
        HistogramBucketBoundaries = [.. Durations.HistogramBucketBoundaries!, 15, 30, 60],
    };

    public static readonly Histogram<double> RequestDuration = Meter.CreateHistogram<double>(
        TelemetryNames.RequestDuration,
        "s",
        "Time of a request through a pool until its response headers, with all attempts and waits.",
        advice: LongDurations
    );

    public static readonly Histogram<double> AttemptDuration = Meter.CreateHistogram<double>(
        TelemetryNames.AttemptDuration,
        "s",
        "Time of one attempt on one backend until its response headers or its failure.",
        advice: Durations
    );

    public static readonly Histogram<double> ProbeDuration = Meter.CreateHistogram<double>(
        TelemetryNames.ProbeDuration,
        "s",
        "Time of one health probe.",
        advice: Durations
    );

    public static readonly Counter<long> SkippedProbes = Meter.CreateCounter<long>(
        TelemetryNames.SkippedProbes,
        "{probe}",
        "Probes that were due and left out, because requests had shown the backend to be healthy."
    );

    public static readonly Counter<long> Retries = Meter.CreateCounter<long>(
        TelemetryNames.Retries,
        "{attempt}",
        "Attempts after the first of a request."
    );

    public static readonly Counter<long> Failovers = Meter.CreateCounter<long>(
        TelemetryNames.Failovers,
        "{attempt}",
        "Attempts that went to another backend than the request's attempt before, by the one that was left."
    );

    public static readonly Counter<long> SuppressedRetries = Meter.CreateCounter<long>(
        TelemetryNames.SuppressedRetries,
        "{attempt}",
        "Attempts that might have helped and were not made, by the reason."
    );

    public static readonly Counter<long> Timeouts = Meter.CreateCounter<long>(
        TelemetryNames.Timeouts,
        "{timeout}",
        "Timeouts that have ended an attempt, a request or a body, by their kind."
    );

    public static readonly Histogram<double> QueueDuration = Meter.CreateHistogram<double>(
        TelemetryNames.QueueDuration,
        "s",
        "Time that a request waited for a backend, by what ended the wait.",
        advice: LongDurations
    );

    public static readonly Counter<long> QueueRefusals = Meter.CreateCounter<long>(
        TelemetryNames.QueueRefusals,
        "{request}",
        "Requests refused because every backend that could take them was at its limit, by what kept them from waiting."
    );

    public static readonly Counter<long> StateChanges = Meter.CreateCounter<long>(
        TelemetryNames.StateChanges,
        "{change}",
        "Changes of a backend's state, by the new one and its reason."
    );

    public static readonly Counter<long> Ejections = Meter.CreateCounter<long>(
        TelemetryNames.Ejections,
        "{ejection}",
        "Backends ejected by passive detection."
    );

    public static readonly Counter<long> Detections = Meter.CreateCounter<long>(
        TelemetryNames.Detections,
        "{detection}",
        "Backends that passive detection found wanting, by rule and by what came of it: ejected, dry_run, refused."
    );

    public static readonly Counter<long> CircuitTransitions = Meter.CreateCounter<long>(
        TelemetryNames.CircuitTransitions,
        "{transition}",
        "Transitions of a backend's circuit, by the new state; would_open where it only measures."
    );

    public static readonly Counter<long> FailOpens = Meter.CreateCounter<long>(
        TelemetryNames.FailOpens,
        "{fail-open}",
        "Times that a pool began to ignore health verdicts because they would leave no backend."
    );

    public static readonly Counter<long> Reloads = Meter.CreateCounter<long>(
        TelemetryNames.Reloads,
        "{reload}",
        "New configurations of a pool, applied or refused."
    );

    public static readonly ObservableUpDownCounter<long> Backends = Meter.CreateObservableUpDownCounter(
        TelemetryNames.Backends,
        static () => Pools.Observe(PoolGauge.Backends),
        "{backend}",
        "Backends of a pool, by state."
    );

    public static readonly ObservableUpDownCounter<long> InFlight = Meter.CreateObservableUpDownCounter(
        TelemetryNames.InFlight,
        static () => Pools.Observe(PoolGauge.InFlight),
        "{attempt}",
        "Attempts that hold a backend now."
    );

    public static readonly ObservableGauge<long> Circuits = Meter.CreateObservableGauge(
        TelemetryNames.Circuits,
        static () => Pools.Observe(PoolGauge.Circuits),
        "{circuit}",
        "1 with the state of a backend's circuit."
    );

    public static readonly ObservableGauge<long> FailOpen = Meter.CreateObservableGauge(
        TelemetryNames.FailOpen,
        static () => Pools.Observe(PoolGauge.FailOpen),
        "{pool}",
        "1 while a pool ignores health verdicts, else 0."
    );

    public static readonly ObservableUpDownCounter<long> QueueLength = Meter.CreateObservableUpDownCounter(
        TelemetryNames.QueueLength,
        static () => Pools.Observe(PoolGauge.Waiting),
        "{request}",
        "Requests that wait for a backend: all are at their limits, or half-open with their trials out."
    );

    public static readonly ObservableGauge<long> BudgetBalance = Meter.CreateObservableGauge(
        TelemetryNames.BudgetBalance,
        static () => Pools.Observe(PoolGauge.BudgetBalance),
        "{attempt}",
        "Retries that a pool's budget would allow now."
    );

    /// <summary>Lets gauges read a pool from now on.</summary>
    public static void Watch(IObservedPool pool) => Pools.Add(pool);

    public static void Unwatch(IObservedPool pool) => Pools.Remove(pool);

    /// <summary>Whether requests may be given trace headers on their way.</summary>
    public static bool MayTraceRequests =>
        Activity.Current is not null || Activities.HasListeners() || PlatformActivities.HasListeners();
}
