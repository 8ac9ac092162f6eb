namespace Resilience.Backends;

/// <summary>The terms of a pool's limit in force. Immutable.</summary>
/// <param name="MaxRequests">In flight at each backend that has no limit of its own; <see langword="null"/> for no limit.</param>
/// <param name="QueueLimit">Requests of the pool that may wait for a place.</param>
/// <param name="QueueTimeout">How long each of them may.</param>
internal sealed record ConcurrencyLimit(int? MaxRequests, int QueueLimit, TimeSpan QueueTimeout)
{
    public ConcurrencyLimit(ConcurrencyLimitOptions options)
        : this(options.MaxRequestsPerBackend, options.QueueLimit, options.QueueTimeout) { }
}
