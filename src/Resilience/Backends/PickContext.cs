namespace Resilience.Backends;

/// <summary>What a picker may know of the attempt that it picks for. It knows no HTTP. Immutable.</summary>
public readonly struct PickContext
{
    internal PickContext(BackendLease? lastAttempt, Random random, ulong? keyHash = null)
    {
        LastAttempt = lastAttempt;
        Random = random;
        KeyHash = keyHash;
    }

    /// <summary>The source of random draws, thread-safe.</summary>
    public Random Random { get; }

    /// <summary>A hash of what the request is about, for selectors that keep equal keys together.</summary>
    public ulong? KeyHash { get; }

    internal BackendLease? LastAttempt { get; }

    /// <summary>Whether this is the request's first attempt.</summary>
    public bool IsFirstAttempt => LastAttempt is null;

    /// <summary>Whether this request has already been sent to <paramref name="backend"/>.</summary>
    public bool HasTried(Backend backend)
    {
        for (var lease = LastAttempt; lease is not null; lease = lease.Previous)
        {
            if (ReferenceEquals(lease.Backend, backend))
            {
                return true;
            }
        }

        return false;
    }
}
