using Microsoft.Extensions.Logging;

namespace Resilience.Tests.Infrastructure;

/// <summary>The logger of one category; its lines go to the <see cref="CollectingLoggerFactory"/> that made it.</summary>
internal sealed class CollectingLogger(CollectingLoggerFactory factory, string category) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel != LogLevel.None && logLevel >= factory.MinimumLevel;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        if (IsEnabled(logLevel))
        {
            // Copied: source-generated logging hands out a state that it uses again.
            var values = state is IReadOnlyList<KeyValuePair<string, object?>> pairs ? pairs.ToArray() : [];
            factory.Add(new LogEntry(logLevel, eventId, category, formatter(state, exception), values, exception));
        }
    }
}
