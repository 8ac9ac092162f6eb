using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Telemetry;

namespace Resilience.Health;

/// <summary>
/// Writes one line every so often: how many of a pool's backends are healthy. For who wants to see that all is well; what
/// changes is logged anyway. Thread-safe.
/// </summary>
public sealed class HealthSummary : IDisposable
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    private readonly BackendPool _pool;
    private readonly ILogger _logger;
    private readonly ITimer _timer;

    /// <summary>Begins; the first line comes after <paramref name="interval"/>.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="interval">
    /// The time between two lines, 1 second to 12 hours; <see cref="Timeout.InfiniteTimeSpan"/> for none.
    /// </param>
    /// <param name="loggerFactory">Where it logs; nowhere if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">The interval is out of its range.</exception>
    public HealthSummary(BackendPool pool, TimeSpan interval, ILoggerFactory? loggerFactory = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        _pool = pool;
        _logger = loggerFactory?.CreateLogger(TelemetryNames.HealthLogCategory) ?? NullLogger.Instance;
        _timer = pool.Clock.CreateTimer(static summary => ((HealthSummary)summary!).Write(), this);
        Configure(interval);
    }

    /// <summary>Ends it.</summary>
    public void Dispose() => _timer.Dispose();

    internal static string? Problem(TimeSpan? interval) =>
        interval is { } value && value != Timeout.InfiniteTimeSpan
            ? Ranges.Problem(value, Shortest, Ranges.HalfDay)
            : null;

    internal void Configure(TimeSpan interval)
    {
        Ranges.ThrowIfAny("health summary", [(nameof(interval), Problem(interval))]);
        _timer.Change(interval, interval);
    }

    private void Write()
    {
        if (_pool.IsDisposed)
        {
            _timer.Dispose();
            return;
        }

        Listeners.Write(
            this,
            static summary =>
            {
                var backends = summary._pool.Backends;
                var healthy = backends.Count(backend => backend.IsAlive);
                LogMessages.HealthSummary(summary._logger, summary._pool.Name, healthy, backends.Count);
            }
        );
    }
}
