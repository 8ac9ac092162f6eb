namespace Resilience.Telemetry;

/// <summary>
/// The names under which the library can be observed: its meter, activity source, log categories and tags. Stable.
/// </summary>
public static class TelemetryNames
{
    /// <summary>The name of the one <see cref="System.Diagnostics.Metrics.Meter"/>.</summary>
    public const string Meter = "Resilience";

    /// <summary>The name of the one <see cref="System.Diagnostics.ActivitySource"/>.</summary>
    public const string ActivitySource = "Resilience";

    internal const string PoolLogCategory = "Resilience.Pool";
    internal const string HealthLogCategory = "Resilience.Health";
    internal const string HttpLogCategory = "Resilience.Http";

    internal const string RequestDuration = "resilience.request.duration";
    internal const string AttemptDuration = "resilience.attempt.duration";
    internal const string ProbeDuration = "resilience.probe.duration";
    internal const string SkippedProbes = "resilience.probe.skips";
    internal const string Retries = "resilience.retries";
    internal const string Failovers = "resilience.failovers";
    internal const string SuppressedRetries = "resilience.retries.suppressed";
    internal const string Timeouts = "resilience.timeouts";
    internal const string QueueLength = "resilience.queue.length";
    internal const string QueueDuration = "resilience.queue.duration";
    internal const string QueueRefusals = "resilience.queue.refusals";
    internal const string StateChanges = "resilience.backend.state_changes";
    internal const string Ejections = "resilience.backend.ejections";
    internal const string Detections = "resilience.backend.detections";
    internal const string CircuitTransitions = "resilience.circuit.transitions";
    internal const string FailOpens = "resilience.pool.fail_opens";
    internal const string Reloads = "resilience.pool.reloads";

    internal const string Backends = "resilience.pool.backends";
    internal const string FailOpen = "resilience.pool.fail_open";
    internal const string BudgetBalance = "resilience.retry_budget.balance";
    internal const string InFlight = "resilience.backend.in_flight";
    internal const string Circuits = "resilience.circuit.state";

    internal const string PoolTag = "resilience.pool";
    internal const string BackendTag = "resilience.backend";
    internal const string ResultTag = "resilience.result";
    internal const string StateTag = "resilience.state";
    internal const string ReasonTag = "resilience.reason";
    internal const string RuleTag = "resilience.rule";
    internal const string TimeoutTag = "resilience.timeout";
    internal const string AttemptTag = "resilience.attempt";
    internal const string AttemptsTag = "resilience.attempts";

    internal const string RequestActivity = "resilience.request";
    internal const string AttemptActivity = "resilience.attempt";
}
