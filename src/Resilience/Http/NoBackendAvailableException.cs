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
    /// <summary>
    /// The key under which the <see cref="Exception.Data"/> of a request's last failure says that no backend could be taken
    /// for its retry, in the words of this exception.
    /// </summary>
    public const string DataKey = "Resilience.NoBackendAvailable";

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

    internal NoBackendAvailableException(
        BackendPool pool,
        PoolSnapshot snapshot,
        string? pinned,
        Overload overload = Overload.None
    )
        : base(Describe(pool, snapshot, pinned, overload, ShortestWait(pool, snapshot)))
    {
        Pool = pool.Name;
        Snapshot = snapshot;
        IsOverloaded = overload != Overload.None;
        Waiting = pool.WaitingRequests;
        RetryAfter = ShortestWait(pool, snapshot);
    }

    /// <summary>The pool's name.</summary>
    public string Pool { get; }

    /// <summary>How many backends could not be taken, by reason.</summary>
    public Refusals Refusals => Snapshot?.Refusals ?? default;

    /// <summary>The pool as it was; <see langword="null"/> if the exception was made by hand.</summary>
    public PoolSnapshot? Snapshot { get; }

    /// <summary>
    /// Whether the request found every backend that takes traffic at its limit of requests in flight, and could not wait,
    /// or not long enough, for a place. Nothing was sent.
    /// </summary>
    public bool IsOverloaded { get; }

    /// <summary>How many of the pool's requests waited for a backend when this one was refused.</summary>
    public int Waiting { get; }

    /// <summary>The shortest time after which a backend may be available; <see langword="null"/> if time alone changes nothing.</summary>
    public TimeSpan? RetryAfter { get; }

    private static TimeSpan? ShortestWait(BackendPool pool, PoolSnapshot snapshot) =>
        snapshot.NextChange == long.MaxValue
            ? null
            : TimeSpan.FromMilliseconds(Math.Max(0, snapshot.NextChange - pool.Clock.Milliseconds));

    private static string Describe(
        BackendPool pool,
        PoolSnapshot snapshot,
        string? pinned,
        Overload overload,
        TimeSpan? wait
    )
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"No backend of pool '{pool.Name}' could be taken");
        if (pinned is not null)
        {
            text.Append(CultureInfo.InvariantCulture, $": the request is pinned to '{pinned}', ");
            text.Append(pool.Find(pinned) is { } backend ? WhyNot(backend) : "which the pool does not have");
            AppendOverload(text.Append('.'), pool, overload);
            return text.ToString();
        }

        var count = snapshot.Backends.Count;
        text.Append(count == 0 ? ": it has none" : string.Create(CultureInfo.InvariantCulture, $" ({count} in all)"));
        // Those that take traffic have refused this request all the same; counting them anew would take a pass over all.
        AppendCounts(text, snapshot.Refusals, overload == Overload.None ? 0 : snapshot.Available.Count);
        for (var i = 0; i < count && i < MostNamed; i++)
        {
            var backend = snapshot.Backends[i];
            text.Append(i == 0 ? ". " : "; ").Append(backend.Name).Append(' ').Append(WhyNot(backend));
        }

        text.Append(count > MostNamed ? "; ..." : "").Append('.');
        AppendOverload(text, pool, overload);
        if (wait is { } time)
        {
            text.Append(CultureInfo.InvariantCulture, $" The next may be tried in {time.TotalSeconds:0.0} s.");
        }

        return text.ToString();
    }

    /// <summary>What kept it from waiting, how many wait, and what to do.</summary>
    private static void AppendOverload(StringBuilder text, BackendPool pool, Overload overload)
    {
        if (overload == Overload.None)
        {
            return;
        }

        var limit = pool.Limit;
        text.Append(
            overload switch
            {
                Overload.QueueFull when limit.QueueLimit == 0 =>
                    " No request may wait (ConcurrencyLimit:QueueLimit is 0).",
                Overload.QueueFull => string.Create(
                    CultureInfo.InvariantCulture,
                    $" {pool.WaitingRequests} requests wait already, and {limit.QueueLimit} may (ConcurrencyLimit:QueueLimit)."
                ),
                Overload.QueueTimeout => string.Create(
                    CultureInfo.InvariantCulture,
                    $" This request waited for {limit.QueueTimeout.TotalSeconds:0.0##} s (ConcurrencyLimit:QueueTimeout), {pool.WaitingRequests} others still do."
                ),
                _ => string.Create(
                    CultureInfo.InvariantCulture,
                    $" This request waited as long as its deadline allows, {pool.WaitingRequests} others still do."
                ),
            }
        );
        text.Append(
            " Send less, add backends, or let each have more (ConcurrencyLimit:MaxRequestsPerBackend, MaxConcurrentRequests)."
        );
    }

    private static void AppendCounts(StringBuilder text, Refusals refusals, int full)
    {
        var separator = ": ";
        Append(full, "at their limit of requests in flight");
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
            ? backend is { IsFull: true, MaxConcurrentRequests: { } limit }
                ? string.Create(CultureInfo.InvariantCulture, $"has {limit} requests in flight, as many as it may")
                : "is busy or of weight 0"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"is {status.State.ToString().ToLowerInvariant()} since {status.Since:HH:mm:ss} ({status.Detail})"
            );
    }
}
