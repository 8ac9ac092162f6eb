using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Retries;
using Resilience.Timeouts;

namespace Resilience.DependencyInjection;

/// <summary>
/// Everything about one pool that configuration can say. A reload applies what has changed, whole or not at all; what
/// names it says otherwise (<see cref="Transport"/>, and the transport's times in <see cref="Timeouts"/>) applies to
/// connections made by later clients. Mutable until it is handed over; not thread-safe.
/// </summary>
public sealed class ResilientBackendsOptions
{
    /// <summary>The backends; at least one.</summary>
    public IList<BackendOptions> Backends { get; } = [];

    /// <summary>How backends are probed.</summary>
    public HealthCheckOptions HealthCheck { get; set; } = new();

    /// <summary>How real traffic judges backends.</summary>
    public PassiveHealthOptions PassiveHealth { get; set; } = new();

    /// <summary>The circuit of each backend.</summary>
    public CircuitBreakerOptions CircuitBreaker { get; set; } = BackendPoolOptions.DefaultCircuit();

    /// <summary>How often and how soon failed requests are attempted again, and the budget for it.</summary>
    public RetryOptions Retry { get; set; } = new();

    /// <summary>How long things may take.</summary>
    public TimeoutOptions Timeouts { get; set; } = new();

    /// <summary>The connections to backends.</summary>
    public TransportOptions Transport { get; set; } = new();

    /// <summary>
    /// The address that stands for the whole pool: <c>http://name/</c>, no path. A reload does not change
    /// it, since clients have it as their base address.
    /// </summary>
    /// <value>The default is <see langword="null"/>: <c>http://</c> and the pool's name, which must then be a valid host.</value>
    public Uri? LogicalAddress { get; set; }

    /// <summary>What happens to requests whose address is neither the pool's nor one of its backends'.</summary>
    /// <value>The default is <see cref="ForeignHosts.Refuse"/>.</value>
    public ForeignHosts ForeignHosts { get; set; }

    /// <summary>How many requests a backend is given at once; no limit unless one is set.</summary>
    public ConcurrencyLimitOptions ConcurrencyLimit { get; set; } = new();

    /// <inheritdoc cref="BackendPoolOptions.FailOpenThreshold"/>
    public double FailOpenThreshold { get; set; }

    /// <inheritdoc cref="BackendPoolOptions.LatencyWindow"/>
    public TimeSpan? LatencyWindow { get; set; }

    /// <summary>
    /// How often a line says how many backends are healthy. Range: 1 second to 12 hours.
    /// </summary>
    /// <value>The default is <see langword="null"/>: never; what changes is logged anyway.</value>
    public TimeSpan? SummaryInterval { get; set; }

    /// <summary>Whether an attempt holds its backend until the end of the response's body.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool TrackResponseBodies { get; set; } = true;

    /// <summary>
    /// The longest request content, in bytes, that is read into memory before the first attempt if it could otherwise be
    /// sent only once, so that it can be retried. Only contents whose length is known. Range: 0 (none) to 1 GiB.
    /// </summary>
    /// <value>The default is 0: none.</value>
    public int BufferRequestsUpTo { get; set; }

    /// <summary>
    /// The longest response body, in bytes, that is read into memory before the response is handed out, so that one that
    /// breaks or stalls is retried like any failure; the attempt timeout then covers it. Range: 0 (none) to 1 GiB.
    /// </summary>
    /// <remarks>
    /// One that says that it is longer is not read. One that does not say how long it is (in chunks, or over HTTP/2 without a
    /// length) is read as far as this: if it ends by then it is whole, else the response is handed out with what was read and
    /// the rest as a stream. An answer that comes slowly, piece by piece, is so held up until it has ended or is longer, and
    /// fails by the attempt timeout if neither comes before; only <c>text/event-stream</c> and upgraded connections are never
    /// read. Leave it off for requests whose answers are read while they come.
    /// </remarks>
    /// <value>The default is 0: none.</value>
    public int BufferResponsesUpTo { get; set; }

    /// <summary>What was wrong with the configuration that was read into this.</summary>
    internal List<string> ReadingProblems { get; } = [];

    /// <summary>Adds a backend.</summary>
    /// <param name="address">Absolute http or https address with an optional base path.</param>
    /// <param name="name">The name by which it is known; its address if <see langword="null"/>.</param>
    /// <param name="weight">Its share of the traffic, relative to the others. Range: 0 to 1,000.</param>
    /// <returns>These options.</returns>
    public ResilientBackendsOptions AddBackend(string address, string? name = null, int weight = 1)
    {
        Backends.Add(
            new BackendOptions
            {
                Address = address,
                Name = name,
                Weight = weight,
            }
        );
        return this;
    }

    internal BackendPoolOptions ForPool() =>
        new()
        {
            CircuitBreaker = CircuitBreaker,
            RetryBudget = Retry.Budget,
            ConcurrencyLimit = ConcurrencyLimit,
            FailOpenThreshold = FailOpenThreshold,
            LatencyWindow = LatencyWindow,
        };

    internal ResilientHandlerOptions ForHandler(PoolRegistration registration) =>
        new()
        {
            Timeouts = Timeouts,
            Retry = Retry,
            LogicalAddress = LogicalAddress,
            ForeignHosts = ForeignHosts,
            TrackResponseBodies = TrackResponseBodies,
            BufferRequestsUpTo = BufferRequestsUpTo,
            BufferResponsesUpTo = BufferResponsesUpTo,
            Classifier = registration.Classifier,
            OnRetry = registration.OnRetry,
        };
}
