using Microsoft.Extensions.Logging;

namespace Resilience.Telemetry;

/// <summary>
/// Every log line of the library, with its stable event id: 1xx pool, 2xx active health, 3xx requests, 4xx
/// configuration. Nothing above Debug on success.
/// </summary>
internal static partial class LogMessages
{
    [LoggerMessage(101, LogLevel.Warning, "Pool {Pool}: backend {Backend} is {State} ({Reason}): {Detail}")]
    public static partial void BackendUnhealthy(
        ILogger logger,
        string pool,
        string backend,
        string state,
        string reason,
        string detail
    );

    [LoggerMessage(102, LogLevel.Information, "Pool {Pool}: backend {Backend} is healthy again: {Detail}")]
    public static partial void BackendHealthy(ILogger logger, string pool, string backend, string detail);

    [LoggerMessage(103, LogLevel.Information, "Pool {Pool}: backend {Backend} is draining: {Detail}")]
    public static partial void BackendDraining(ILogger logger, string pool, string backend, string detail);

    [LoggerMessage(104, LogLevel.Information, "Pool {Pool}: backend {Backend} added")]
    public static partial void BackendAdded(ILogger logger, string pool, string backend);

    [LoggerMessage(105, LogLevel.Information, "Pool {Pool}: backend {Backend} removed; it finishes what it has")]
    public static partial void BackendRemoved(ILogger logger, string pool, string backend);

    [LoggerMessage(
        106,
        LogLevel.Warning,
        "Pool {Pool}: health leaves no backend, or too few, so verdicts are ignored until enough recover (fail-open)"
    )]
    public static partial void FailOpenBegan(ILogger logger, string pool);

    [LoggerMessage(107, LogLevel.Information, "Pool {Pool}: health verdicts count again (fail-open has ended)")]
    public static partial void FailOpenEnded(ILogger logger, string pool);

    [LoggerMessage(108, LogLevel.Error, "Pool {Pool}: an event subscriber threw; it stays subscribed")]
    public static partial void SubscriberFailed(ILogger logger, Exception exception, string pool);

    [LoggerMessage(
        109,
        LogLevel.Error,
        "Pool {Pool}: the selector threw; any available backend is used until the next change"
    )]
    public static partial void SelectorFailed(ILogger logger, Exception exception, string pool);

    [LoggerMessage(110, LogLevel.Warning, "Pool {Pool}: {Missed} events were not logged, they came too fast")]
    public static partial void EventsMissed(ILogger logger, string pool, int missed);

    [LoggerMessage(111, LogLevel.Debug, "Pool {Pool}: circuit of {Backend} went from {From} to {To}")]
    public static partial void CircuitChanged(ILogger logger, string pool, string backend, string from, string to);

    [LoggerMessage(
        112,
        LogLevel.Warning,
        "Pool {Pool}: {Count} lines of event {Event} were left out, they came too fast; metrics and the snapshot tell of all"
    )]
    public static partial void LinesLeftOut(ILogger logger, string pool, int count, int @event);

    [LoggerMessage(
        115,
        LogLevel.Information,
        "Pool {Pool}: circuit of {Backend} would have opened ({Reason}), but only measures; the last failure: {Failure}"
    )]
    public static partial void CircuitWouldOpen(
        ILogger logger,
        string pool,
        string backend,
        string reason,
        string failure
    );

    [LoggerMessage(
        121,
        LogLevel.Warning,
        "Pool {Pool}: backend {Backend} would be ejected for {Milliseconds} ms, but this is a dry run: {Detail}"
    )]
    public static partial void EjectionNotEnforced(
        ILogger logger,
        string pool,
        string backend,
        double milliseconds,
        string detail
    );

    [LoggerMessage(122, LogLevel.Error, "Pool {Pool}: a look at its backends threw; the next one comes")]
    public static partial void PassiveWatchFailed(ILogger logger, Exception exception, string pool);

    [LoggerMessage(201, LogLevel.Debug, "Pool {Pool}: probe of {Backend} succeeded: {Detail}")]
    public static partial void ProbeSucceeded(ILogger logger, string pool, string backend, string detail);

    [LoggerMessage(202, LogLevel.Debug, "Pool {Pool}: probe of {Backend} failed: {Detail}")]
    public static partial void ProbeFailed(ILogger logger, string pool, string backend, string detail);

    [LoggerMessage(
        203,
        LogLevel.Warning,
        "Pool {Pool}: every backend answered the first probe of {Path} with 404. If the service has no such route, "
            + "set HealthCheck:Path to the right one or HealthCheck:Enabled to false; traffic flows meanwhile"
    )]
    public static partial void HealthPathMissing(ILogger logger, string pool, string path);

    [LoggerMessage(204, LogLevel.Error, "Pool {Pool}: the probe of {Backend} threw; it counts as failed")]
    public static partial void ProbeThrew(ILogger logger, Exception exception, string pool, string backend);

    [LoggerMessage(
        205,
        LogLevel.Information,
        "Pool {Pool}: the client {Client} has a primary handler of its own; probes do not use it. "
            + "Give them one with ConfigureProbeHandler if they need its TLS or proxy settings"
    )]
    public static partial void ProbesDoNotUseOwnPrimary(ILogger logger, string pool, string client);

    [LoggerMessage(
        206,
        LogLevel.Warning,
        "Pool {Pool}: {Count} probes did not end within {Seconds} s of their cancellation and were given up: {Backends}. "
            + "A health probe must heed its token"
    )]
    public static partial void ProbesGivenUp(ILogger logger, string pool, int count, double seconds, string backends);

    [LoggerMessage(
        207,
        LogLevel.Error,
        "Pool {Pool}: a listener to metrics threw when it was told of a probe; probing goes on"
    )]
    public static partial void ProbeListenerThrew(ILogger logger, Exception exception, string pool);

    [LoggerMessage(209, LogLevel.Information, "Pool {Pool}: {Healthy} of {Backends} backends are healthy")]
    public static partial void HealthSummary(ILogger logger, string pool, int healthy, int backends);

    [LoggerMessage(
        210,
        LogLevel.Warning,
        "Pool {Pool}: every probe fails ({Detail}), but requests succeed. Most likely the probe is wrong, not the "
            + "backends: look at HealthCheck:Path and HealthCheck:ExpectedStatuses. Traffic flows meanwhile"
    )]
    public static partial void ProbesContradictTraffic(ILogger logger, string pool, string detail);

    [LoggerMessage(
        214,
        LogLevel.Error,
        "Pool {Pool}: a callback on the token of a probe threw when probing stopped; the stop goes on"
    )]
    public static partial void ProbeCancellationThrew(ILogger logger, Exception exception, string pool);

    [LoggerMessage(213, LogLevel.Debug, "Pool {Pool}: probing of {Backends} backends begins, of each every {Interval}")]
    public static partial void ProbingStarted(ILogger logger, string pool, int backends, TimeSpan interval);

    [LoggerMessage(211, LogLevel.Debug, "Pool {Pool}: probe of {Backend} left out, its requests succeed")]
    public static partial void ProbeSkipped(ILogger logger, string pool, string backend);

    [LoggerMessage(
        212,
        LogLevel.Warning,
        "Pool {Pool}: the start has waited {Wait} for the first probes and goes on; {Late} of {Backends} backends have not "
            + "been probed yet, and take traffic"
    )]
    public static partial void FirstRoundLate(ILogger logger, string pool, TimeSpan wait, int late, int backends);

    [LoggerMessage(
        208,
        LogLevel.Warning,
        "Pool {Pool}: probing has fallen behind, a probe began {Late} late where one is due every {Interval} "
            + "({Backends} backends, at most {Workers} probes at once). Raise HealthCheck:MaxConcurrency or "
            + "HealthCheck:Interval, or lower HealthCheck:Timeout"
    )]
    public static partial void ProbingFallsBehind(
        ILogger logger,
        string pool,
        TimeSpan late,
        TimeSpan interval,
        int backends,
        int workers
    );

    [LoggerMessage(301, LogLevel.Debug, "Pool {Pool}: attempt {Attempt} on {Backend} failed: {Outcome}")]
    public static partial void AttemptFailed(ILogger logger, string pool, int attempt, string backend, string outcome);

    [LoggerMessage(
        307,
        LogLevel.Debug,
        "Pool {Pool}: attempt {Attempt} on {Backend} answered {Status} after {Milliseconds:0.0} ms"
    )]
    public static partial void AttemptAnswered(
        ILogger logger,
        string pool,
        int attempt,
        string backend,
        int status,
        double milliseconds
    );

    [LoggerMessage(
        302,
        LogLevel.Warning,
        "Client {Client}: HttpClient.Timeout ({ClientTimeout}) is not longer than the total timeout of pool {Pool} "
            + "({TotalTimeout}), so it ends requests before the pool can. Set HttpClient.Timeout longer, or Timeouts:Total shorter"
    )]
    public static partial void ClientTimeoutWithinTotal(
        ILogger logger,
        string client,
        TimeSpan clientTimeout,
        string pool,
        string totalTimeout
    );

    [LoggerMessage(
        303,
        LogLevel.Warning,
        "Client {Client}: HttpClient.Timeout ({ClientTimeout}) is not longer than the attempt timeout of pool {Pool} "
            + "({AttemptTimeout}), so traffic cannot detect a hung backend. Set Timeouts:Attempt shorter"
    )]
    public static partial void ClientTimeoutWithinAttempt(
        ILogger logger,
        string client,
        TimeSpan clientTimeout,
        string pool,
        string attemptTimeout
    );

    [LoggerMessage(304, LogLevel.Error, "Pool {Pool}: a listener to metrics or activities threw; the request goes on")]
    public static partial void ListenerFailed(ILogger logger, Exception exception, string pool);

    [LoggerMessage(
        305,
        LogLevel.Debug,
        "Pool {Pool}: attempt {Attempt} on {Backend} failed and is not followed by another: {Reason}"
    )]
    public static partial void RetrySuppressed(ILogger logger, string pool, int attempt, string backend, string reason);

    [LoggerMessage(306, LogLevel.Error, "Pool {Pool}: the OnRetry callback threw; the request goes on")]
    public static partial void OnRetryFailed(ILogger logger, Exception exception, string pool);

    [LoggerMessage(401, LogLevel.Information, "Pool {Pool}: new configuration applied")]
    public static partial void ConfigurationApplied(ILogger logger, string pool);

    [LoggerMessage(
        402,
        LogLevel.Error,
        "Pool {Pool}: the new configuration is invalid and was refused whole; the last good one stays in force. {Problems}"
    )]
    public static partial void ConfigurationRefused(ILogger logger, string pool, string problems);
}
