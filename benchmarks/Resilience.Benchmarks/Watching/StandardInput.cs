namespace Resilience.Benchmarks.Watching;

/// <summary>What a server waits for: the end of its standard input, which is that of whoever started it.</summary>
internal static class StandardInput
{
    /// <summary>
    /// Waits on a thread of its own. Reading the standard input blocks a thread, asynchronous or not, and on one core the pool
    /// has one: the server's connections would wait for the pool to notice.
    /// </summary>
    public static Task EndAsync() =>
        Task.Factory.StartNew(
            static () => Console.OpenStandardInput().CopyTo(Stream.Null),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default
        );
}
