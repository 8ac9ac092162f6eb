using Microsoft.Extensions.Logging;

namespace Resilience.Tests.Infrastructure;

/// <summary>One line as a logger received it.</summary>
internal sealed record LogEntry(
    LogLevel Level,
    EventId EventId,
    string Category,
    string Message,
    IReadOnlyList<KeyValuePair<string, object?>> State,
    Exception? Exception
)
{
    /// <summary>The value of a placeholder of the message's template.</summary>
    /// <exception cref="KeyNotFoundException">The template has no such placeholder.</exception>
    public object? this[string name] =>
        State.Any(pair => pair.Key == name)
            ? State.First(pair => pair.Key == name).Value
            : throw new KeyNotFoundException($"No '{name}' in: {Message}");
}
