using Microsoft.Extensions.Logging;

namespace Resilience.Telemetry;

/// <summary>
/// Runs what calls listeners to metrics and activities. They are user code, and run on the thread that records: what
/// they throw is logged and survived, so that it costs no response and no lease.
/// </summary>
internal static class Listeners
{
    /// <param name="state">What <paramref name="tell"/> needs, so that it captures nothing.</param>
    public static void Tell<TState>(ILogger logger, string pool, TState state, Action<TState> tell)
    {
        try
        {
            tell(state);
        }
#pragma warning disable CA1031 // Logged: whatever a listener throws must not reach the request that it listens to.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            LogMessages.ListenerFailed(logger, exception, pool);
        }
    }

    /// <summary>
    /// Writes a line where nothing may come out: on a timer, where it would end the process, and where a failure has been
    /// caught already (law 13).
    /// </summary>
    /// <param name="state">What <paramref name="write"/> needs, so that it captures nothing.</param>
    public static void Write<TState>(TState state, Action<TState> write)
    {
        try
        {
            write(state);
        }
#pragma warning disable CA1031 // Law 13: it is the application's logger that throws; nobody is left to tell.
        catch (Exception)
#pragma warning restore CA1031
        {
            // What was going on goes on all the same.
        }
    }
}
