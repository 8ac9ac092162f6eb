using Microsoft.Extensions.Logging;

namespace Resilience.Tests.Infrastructure;

/// <summary>Keeps what is logged, for tests to read and to wait for. Thread-safe.</summary>
internal sealed class CollectingLoggerFactory : ILoggerFactory
{
    private static readonly TimeSpan WaitLimit = TimeSpan.FromSeconds(15);

    private readonly Lock _gate = new();
    private readonly List<LogEntry> _entries = [];
    private readonly List<(Func<LogEntry, bool> Wanted, TaskCompletionSource<LogEntry> Found)> _waiters = [];

    /// <summary>The lowest level that is enabled. Default: all are.</summary>
    public LogLevel MinimumLevel { get; set; } = LogLevel.Trace;

    /// <summary>A copy of what was logged so far, in order.</summary>
    public IReadOnlyList<LogEntry> Entries
    {
        get
        {
            lock (_gate)
            {
                return [.. _entries];
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => new CollectingLogger(this, categoryName);

    /// <summary>The first line that is wanted, among those logged and those to come.</summary>
    /// <exception cref="TimeoutException">None came within some seconds of real time.</exception>
    public async Task<LogEntry> WaitForAsync(Func<LogEntry, bool> wanted)
    {
        var found = new TaskCompletionSource<LogEntry>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_entries.FirstOrDefault(wanted) is { } entry)
            {
                return entry;
            }

            _waiters.Add((wanted, found));
        }

        try
        {
            return await found.Task.WaitAsync(WaitLimit);
        }
        catch (TimeoutException)
        {
            var lines = string.Join(Environment.NewLine, Entries.Select(e => $"{e.Level} {e.Category}: {e.Message}"));
            throw new TimeoutException($"The wanted line was not logged. These were:{Environment.NewLine}{lines}");
        }
    }

    /// <summary>Not used: nothing here forwards to providers.</summary>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public void Dispose() { }

    internal void Add(LogEntry entry)
    {
        lock (_gate)
        {
            _entries.Add(entry);
            foreach (var (wanted, found) in _waiters)
            {
                if (wanted(entry))
                {
                    found.TrySetResult(entry);
                }
            }

            _waiters.RemoveAll(waiter => waiter.Found.Task.IsCompleted);
        }
    }
}
