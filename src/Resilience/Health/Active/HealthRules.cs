using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>The options of active checks, checked and compiled: when to probe, and what results mean. Immutable.</summary>
internal sealed class HealthRules
{
    private readonly int? _maxConcurrency;
    private readonly int _healthyThreshold;
    private readonly int _unhealthyThreshold;
    private readonly bool _backsOff;
    private readonly double _jitter;

    public HealthRules(HealthCheckOptions options)
    {
        Ranges.ThrowIfAny("health check options", options.Problems());
        IsEnabled = options.Enabled;
        IsSpread = options.Spread;
        IsTrafficEnough = options.SkipWhileTrafficSucceeds;
        Path = Redaction.WithoutQuery(options.Path);
        Timeout = options.Timeout;
        Interval = options.Interval;
        InitialDelay = options.InitialDelay;
        _maxConcurrency = options.MaxConcurrency;
        _healthyThreshold = options.HealthyThreshold;
        _unhealthyThreshold = options.UnhealthyThreshold;
        _backsOff = options.FailureBackoff;
        _jitter = options.Jitter;
    }

    public bool IsEnabled { get; }

    public bool IsSpread { get; }

    /// <summary>Whether a success of a request stands for one of a probe.</summary>
    public bool IsTrafficEnough { get; }

    public string Path { get; }

    public TimeSpan Timeout { get; }

    public TimeSpan Interval { get; }

    public TimeSpan InitialDelay { get; }

    /// <summary>Enough workers that each backend is probed in time even if every probe runs into its timeout.</summary>
    public int WorkersFor(int backends) =>
        _maxConcurrency
        ?? (int)
            Math.Clamp(
                Math.Ceiling(backends * (Timeout / Interval)),
                HealthCheckDefaults.LeastWorkers,
                HealthCheckDefaults.MostWorkers
            );

    /// <summary>What the probes say, after the counters have been brought up to date.</summary>
    public ActiveVerdict VerdictAfter(ActiveVerdict verdict, int successes, int failures)
    {
        if (failures >= _unhealthyThreshold)
        {
            return ActiveVerdict.Unhealthy;
        }

        // Of an unknown backend nothing bad is known: one success is enough.
        var enough = verdict == ActiveVerdict.Unknown ? 1 : _healthyThreshold;
        return successes >= enough ? ActiveVerdict.Healthy : verdict;
    }

    /// <summary>
    /// The earliest moment of the next probe, in milliseconds. An interval counts from the beginning of the last one, so
    /// that slow answers and timeouts do not stretch it (R48); a backoff from its end, so that timeouts are no storm.
    /// </summary>
    /// <param name="random">A draw from [0, 1).</param>
    public long NextAfter(long began, long ended, ActiveVerdict verdict, int successes, int failures, double random)
    {
        var backoff = BackoffAfter(verdict, successes, failures);
        var delay = (long)Backoff.Around(backoff ?? Interval, _jitter, random).TotalMilliseconds;
        return Math.Max(ended, (backoff is null ? began : ended) + delay);
    }

    /// <summary>The latest moment of the next probe, in milliseconds, if it is planned now.</summary>
    public long LatestAfter(long now, ActiveVerdict verdict, int successes, int failures) =>
        now + (long)((BackoffAfter(verdict, successes, failures) ?? Interval) * (1 + _jitter)).TotalMilliseconds;

    private TimeSpan? BackoffAfter(ActiveVerdict verdict, int successes, int failures) =>
        !_backsOff ? null
        : failures > 0
            ? Backoff.Exponential(HealthCheckDefaults.FirstBackoff, 2, failures - 1, HealthCheckDefaults.MaxBackoff)
        : verdict == ActiveVerdict.Unhealthy && successes > 0 ? HealthCheckDefaults.FirstBackoff
        : null;
}
