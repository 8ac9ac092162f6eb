using System.Globalization;
using System.Text;
using Resilience.Backends;

namespace Resilience.Http;

/// <summary>
/// No backend of the pool could be taken. The message counts the backends by the reason why not, names a few of them,
/// and says how long the shortest wait is.
/// </summary>
public sealed class NoBackendAvailableException : HttpRequestException
{
    private const int MostNamed = 5;

    /// <summary>Creates the exception without a pool; for tests of those who catch it.</summary>
    public NoBackendAvailableException()
        : this("No backend is available.") { }

    /// <inheritdoc cref="NoBackendAvailableException()"/>
    public NoBackendAvailableException(string message)
        : base(message)
    {
        Pool = "";
    }

    /// <inheritdoc cref="NoBackendAvailableException()"/>
    public NoBackendAvailableException(string message, Exception innerException)
        : base(message, innerException)
    {
        Pool = "";
    }

    internal NoBackendAvailableException(BackendPool pool, PoolSnapshot snapshot, string? pinned)
        : base(Describe(pool, snapshot, pinned, ShortestWait(pool, snapshot)))
    {
        Pool = pool.Name;
        Snapshot = snapshot;
        RetryAfter = ShortestWait(pool, snapshot);
    }

    /// <summary>The pool's name.</summary>
    public string Pool { get; }

    /// <summary>How many backends could not be taken, by reason.</summary>
    public Refusals Refusals => Snapshot?.Refusals ?? default;

    /// <summary>The pool as it was; <see langword="null"/> if the exception was made by hand.</summary>
    public PoolSnapshot? Snapshot { get; }

    /// <summary>The shortest time after which a backend may be available; <see langword="null"/> if time alone changes nothing.</summary>
    public TimeSpan? RetryAfter { get; }

    private static TimeSpan? ShortestWait(BackendPool pool, PoolSnapshot snapshot) =>
        snapshot.NextChange == long.MaxValue
            ? null
            : TimeSpan.FromMilliseconds(Math.Max(0, snapshot.NextChange - pool.Clock.Milliseconds));

    private static string Describe(BackendPool pool, PoolSnapshot snapshot, string? pinned, TimeSpan? wait)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"No backend of pool '{pool.Name}' could be taken");
        if (pinned is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $": the request is pinned to '{pinned}', ");
            text.Append(pool.Find(pinned) is { } backend ? WhyNot(backend) : "which the pool does not have");
            return text.Append('.').ToString();
        }

        var count = snapshot.Backends.Count;
        text.Append(count == 0 ? ": it has none" : string.Create(CultureInfo.InvariantCulture, $" ({count} in all)"));
        AppendCounts(text, snapshot.Refusals);
        for (var i = 0; i < count && i < MostNamed; i++)
        {
            var backend = snapshot.Backends[i];
            text.Append(i == 0 ? ". " : "; ").Append(backend.Name).Append(' ').Append(WhyNot(backend));
        }

        text.Append(count > MostNamed ? "; ..." : "").Append('.');
        if (wait is { } time)
        {
            text.Append(CultureInfo.InvariantCulture, $" The next may be tried in {time.TotalSeconds:0.0} s.");
        }

        return text.ToString();
    }

    private static void AppendCounts(StringBuilder text, Refusals refusals)
    {
        var separator = ": ";
        Append(refusals.Disabled, "disabled");
        Append(refusals.Draining, "draining");
        Append(refusals.Weightless, "of weight 0");
        Append(refusals.CircuitOpen, "with an open circuit");
        Append(refusals.AwaitingTrial, "waiting for a half-open circuit's trial");
        Append(refusals.Ejected, "ejected");
        Append(refusals.Unhealthy, "with failing health checks");

        void Append(int count, string reason)
        {
            if (count > 0)
            {
                text.Append(separator).Append(count).Append(' ').Append(reason);
                separator = ", ";
            }
        }
    }

    private static string WhyNot(Backend backend)
    {
        var status = backend.Status;
        return status.State == BackendState.Healthy
            ? "is busy or of weight 0"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"is {status.State.ToString().ToLowerInvariant()} since {status.Since:HH:mm:ss} ({status.Detail})"
            );
    }
}
