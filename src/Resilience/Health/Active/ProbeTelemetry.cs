using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Telemetry;

namespace Resilience.Health.Active;

/// <summary>
/// Log lines and metrics of one checker's probes. Loggers and listeners are the application's code: nothing that they
/// throw comes out of here (law 13). Thread-safe.
/// </summary>
internal sealed class ProbeTelemetry(string pool, Clock clock, ILoggerFactory? loggerFactory) : IDisposable
{
    /// <summary>Backends that one log line names.</summary>
    private const int MostNamed = 5;

    private readonly PoolLogger? _lines = loggerFactory is null
        ? null
        : new PoolLogger(loggerFactory.CreateLogger(TelemetryNames.HealthLogCategory), pool, clock);

    /// <summary>Probing has begun.</summary>
    public void Started(int backends, TimeSpan interval) =>
        Tell(
            (backends, interval),
            static (telemetry, it) =>
                LogMessages.ProbingStarted(telemetry.Logger, telemetry.Pool, it.backends, it.interval)
        );

    /// <summary>A probe has ended.</summary>
    public void Probed(ScheduledProbe probe, ProbeResult result)
    {
        // Most probes have no listener, and then not even their backend's name is looked at.
        if (_lines is not null || Instruments.ProbeDuration.Enabled)
        {
            Tell((probe, result), static (telemetry, it) => telemetry.Write(it.probe, it.result));
        }
    }

    /// <summary>A probe was due, and traffic has made it unnecessary.</summary>
    public void Skipped(Backend backend) =>
        Tell(
            backend,
            static (telemetry, backend) =>
            {
                LogMessages.ProbeSkipped(telemetry.Logger, telemetry.Pool, backend.Name);
                if (Instruments.SkippedProbes.Enabled)
                {
                    Instruments.SkippedProbes.Add(
                        1,
                        new(TelemetryNames.PoolTag, telemetry.Pool),
                        new(TelemetryNames.BackendTag, backend.Name)
                    );
                }
            }
        );

    /// <summary>Every backend has answered the first round with 404.</summary>
    public void PathMissing(string path) =>
        Tell(path, static (telemetry, path) => LogMessages.HealthPathMissing(telemetry.Logger, telemetry.Pool, path));

    /// <summary>Every probe fails while requests succeed.</summary>
    public void Contradicted(string detail) =>
        Tell(
            detail,
            static (telemetry, detail) => LogMessages.ProbesContradictTraffic(telemetry.Logger, telemetry.Pool, detail)
        );

    /// <summary>Backends are probed less often than they should be.</summary>
    public void FallsBehind(TimeSpan late, TimeSpan interval, int backends, int workers) =>
        Tell(
            (late, interval, backends, workers),
            static (telemetry, it) =>
                LogMessages.ProbingFallsBehind(
                    telemetry.Logger,
                    telemetry.Pool,
                    it.late,
                    it.interval,
                    it.backends,
                    it.workers
                )
        );

    /// <summary>A stop has not waited any longer for these.</summary>
    public void GivenUp(ScheduledProbe[] lost) =>
        Tell(
            lost,
            static (telemetry, lost) =>
                LogMessages.ProbesGivenUp(
                    telemetry.Logger,
                    telemetry.Pool,
                    lost.Length,
                    HealthCheckDefaults.StopGrace.TotalSeconds,
                    string.Join(", ", lost.Take(MostNamed).Select(probe => probe.Backend.Name))
                )
        );

    /// <summary>A callback of the application's, on the token of a probe that was stopped, has thrown.</summary>
    public void CancellationThrew(Exception exception) =>
        Tell(
            exception,
            static (telemetry, exception) =>
                LogMessages.ProbeCancellationThrew(telemetry.Logger, exception, telemetry.Pool)
        );

    public void Dispose() => _lines?.Dispose();

    private string Pool => pool;

    private ILogger Logger => _lines ?? (ILogger)NullLogger.Instance;

    private void Write(ScheduledProbe probe, ProbeResult result)
    {
        var backend = probe.Backend;
        if (probe.HasThrown)
        {
            LogMessages.ProbeThrew(Logger, result.Error!, pool, backend.Name);
        }

        if (result.IsSuccess)
        {
            LogMessages.ProbeSucceeded(Logger, pool, backend.Name, result.Detail);
        }
        else
        {
            LogMessages.ProbeFailed(Logger, pool, backend.Name, result.Detail);
        }

        if (Instruments.ProbeDuration.Enabled)
        {
            Instruments.ProbeDuration.Record(
                result.Duration.TotalSeconds,
                new(TelemetryNames.PoolTag, pool),
                new(TelemetryNames.BackendTag, backend.Name),
                new(TelemetryNames.ResultTag, Results.Of(result.IsSuccess))
            );
        }
    }

    private void Tell<TArg>(TArg what, Action<ProbeTelemetry, TArg> tell)
    {
        try
        {
            tell(this, what);
        }
#pragma warning disable CA1031 // Law 13: whatever a listener throws is logged and survived.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            Listeners.Write(
                (Telemetry: this, exception),
                static it => LogMessages.ProbeListenerThrew(it.Telemetry.Logger, it.exception, it.Telemetry.Pool)
            );
        }
    }
}
