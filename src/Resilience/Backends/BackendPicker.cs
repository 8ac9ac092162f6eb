namespace Resilience.Backends;

/// <summary>
/// Picks backends from one snapshot of a pool. A picker runs on the request path of many threads at once: it must be
/// thread-safe, and should take no lock, allocate nothing and do no work that grows with the pool.
/// </summary>
public abstract class BackendPicker
{
    /// <summary>Picks a backend for one attempt.</summary>
    /// <param name="context">What may be known of the attempt.</param>
    /// <returns>
    /// One of the backends that the picker was made for, better one that the request has not tried; or
    /// <see langword="null"/> if it has none. The pool never sends a request to a backend twice while another is left,
    /// whatever the picker returns.
    /// </returns>
    public abstract Backend? Pick(in PickContext context);
}
