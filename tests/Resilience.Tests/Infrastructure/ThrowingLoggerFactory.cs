using Microsoft.Extensions.Logging;

namespace Resilience.Tests.Infrastructure;

/// <summary>A logger that throws on every line, as the platform's does when a provider of the application's throws.</summary>
internal sealed class ThrowingLoggerFactory : ILoggerFactory, ILogger
{
    private int _lines;

    /// <summary>How many lines it was given.</summary>
    public int Lines => Volatile.Read(ref _lines);

    public ILogger CreateLogger(string categoryName) => this;

    public bool IsEnabled(LogLevel logLevel) => true;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public void Log<TState>(
        LogLevel logLevel,
        EventId eventId,
        TState state,
        Exception? exception,
        Func<TState, Exception?, string> formatter
    )
    {
        Interlocked.Increment(ref _lines);
        throw new InvalidOperationException("logger");
    }

    /// <summary>Not used: nothing here forwards to providers.</summary>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose() { }
}
