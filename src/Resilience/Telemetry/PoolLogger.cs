using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Resilience.Primitives;

namespace Resilience.Telemetry;

/// <summary>
/// What a pool logs through. A storm does not flood the log: of one event at most <see cref="MostLines"/> lines are
/// written in ten seconds, <see cref="MostExceptions"/> if they carry an exception; how many were left out is said when
/// the time is over. Lines below Information are not counted. What the application's loggers throw goes no further
/// (law 13). Thread-safe, without a lock.
/// </summary>
internal sealed class PoolLogger : ILogger, IDisposable
{
    public const int MostLines = 100;
    public const int MostExceptions = 10;

    private const long PeriodMilliseconds = 10_000;

    private readonly ILogger _inner;
    private readonly string _pool;
    private readonly Clock _clock;
    private readonly ITimer _timer;
    private readonly ConcurrentDictionary<int, LineAllowance> _allowances = new();
    private bool _isDisposed;

    public PoolLogger(ILogger inner, string pool, Clock clock)
    {
        _inner = inner;
        _pool = pool;
        _clock = clock;
        _timer = clock.CreateTimer(static logger => ((PoolLogger)logger!).TellWhatIsOver(), this);
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => _inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return _inner.IsEnabled(logLevel);
        }
#pragma warning disable CA1031 // Law 13: it is the application's logger that throws; nobody is left to tell.
        catch (Exception)
#pragma warning restore CA1031
        {
            return false;
        }
    }

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        if (logLevel < LogLevel.Information || Admits(eventId.Id, exception is not null))
        {
            Listeners.Write(
                (_inner, logLevel, eventId, state, exception, formatter),
                static line => line._inner.Log(line.logLevel, line.eventId, line.state, line.exception, line.formatter)
            );
        }
    }

    /// <summary>Says what has been left out so far; from here on nobody says it any more.</summary>
    public void Dispose()
    {
        Volatile.Write(ref _isDisposed, true);
        _timer.Dispose();
        foreach (var (id, allowance) in _allowances)
        {
            Tell(id, allowance.End(_clock.Milliseconds, PeriodMilliseconds, atOnce: true));
        }
    }

    private bool Admits(int id, bool hasException)
    {
        var allowance = _allowances.GetOrAdd(
            id,
            static (_, hasException) => new LineAllowance(hasException ? MostExceptions : MostLines),
            hasException
        );
        var verdict = allowance.Judge(_clock.Milliseconds, PeriodMilliseconds, out var leftOut);
        Tell(id, leftOut);
        if (verdict == LineVerdict.FirstLeftOut)
        {
            Arm();
        }

        return verdict == LineVerdict.Written;
    }

    private void TellWhatIsOver()
    {
        foreach (var (id, allowance) in _allowances)
        {
            Tell(id, allowance.End(_clock.Milliseconds, PeriodMilliseconds, atOnce: false));
        }

        Arm();
    }

    /// <summary>For the earliest end of a period in which something was left out.</summary>
    private void Arm()
    {
        var earliest = long.MaxValue;
        foreach (var (_, allowance) in _allowances)
        {
            if (allowance.LeftOut > 0)
            {
                earliest = Math.Min(earliest, allowance.Start + PeriodMilliseconds);
            }
        }

        if (earliest != long.MaxValue && !Volatile.Read(ref _isDisposed))
        {
            var due = Math.Max(1, earliest - _clock.Milliseconds);
            _timer.Change(TimeSpan.FromMilliseconds(due), Timeout.InfiniteTimeSpan);
        }
    }

    private void Tell(int id, int leftOut)
    {
        if (leftOut > 0)
        {
            Listeners.Write(
                (_inner, _pool, leftOut, id),
                static it => LogMessages.LinesLeftOut(it._inner, it._pool, it.leftOut, it.id)
            );
        }
    }
}
