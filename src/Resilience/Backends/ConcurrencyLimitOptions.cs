using Resilience.Primitives;

namespace Resilience.Backends;

/// <summary>
/// How many requests a backend is given at once, and what happens to those that find every backend at its limit: off
/// unless a limit is set, here or for a backend. Mutable until it is handed over; not thread-safe.
/// </summary>
public sealed class ConcurrencyLimitOptions
{
    internal const int DefaultQueueLimit = 1_024;
    internal const int MaxRequests = 1_000_000;
    internal static readonly TimeSpan DefaultQueueTimeout = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The most attempts that each backend has in flight, those whose response body is still being read included. A
    /// backend that has as many is passed over; it is not unhealthy. Range: 1 to 1,000,000.
    /// </summary>
    /// <value>The default is <see langword="null"/>: no limit.</value>
    public int? MaxRequestsPerBackend { get; set; }

    /// <summary>
    /// How many requests of the pool may wait for a place when every backend that could take them is at its limit; more
    /// are refused at once. Range: 0 (none waits) to 1,000,000.
    /// </summary>
    /// <value>The default is 1,024.</value>
    public int QueueLimit { get; set; } = DefaultQueueLimit;

    /// <summary>
    /// How long a request waits for a place before it is refused, within its deadline. Range: 1 millisecond to 12 hours;
    /// in a pool with a limit shorter than the total timeout.
    /// </summary>
    /// <value>The default is 1 second.</value>
    public TimeSpan QueueTimeout { get; set; } = DefaultQueueTimeout;

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(MaxRequestsPerBackend), BackendRules.LimitProblem(MaxRequestsPerBackend)),
            (nameof(QueueLimit), Ranges.Problem(QueueLimit, 0, MaxRequests)),
            (nameof(QueueTimeout), Ranges.Problem(QueueTimeout, TimeSpan.FromMilliseconds(1), Ranges.HalfDay)),
        ];
}
