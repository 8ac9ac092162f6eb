using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>
/// How a request takes one of a pool's backends: first the next in turn, then a closer look at those that are left.
/// Reads snapshots, takes no lock (law 11), and asks each backend itself, so that a snapshot that lags never admits
/// wrongly.
/// </summary>
internal static class Leasing
{
    /// <summary>Refused picks before every available backend is looked at (law 11).</summary>
    private const int MostRefusals = 3;

    /// <summary>
    /// A lease of a backend that this request has not tried: in the usual case one pick, one interlocked step and one
    /// volatile read. Only after three refusals in a row does it look at every available backend.
    /// </summary>
    /// <returns><see langword="null"/> if none is left that is available and untried.</returns>
    public static BackendLease? TryLease(this BackendPool pool, in PickContext context, string? pinned)
    {
        if (pinned is not null)
        {
            return pool.Find(pinned) is { } backend && !context.HasTried(backend) ? backend.TryAcquire(context) : null;
        }

        var snapshot = pool.Snapshot;
        if (snapshot.Picker is { } picker)
        {
            for (var refusals = 0; refusals < MostRefusals; refusals++)
            {
                var backend = picker.Pick(in context);
                if (backend is null)
                {
                    break;
                }

                if (!context.HasTried(backend) && backend.TryAcquire(context) is { } lease)
                {
                    return lease;
                }
            }
        }

        return TryEach(snapshot.AvailableSpan, context, static (backend, context) => !context.HasTried(backend));
    }

    /// <summary>A lease of an untried backend that would take traffic if health did not object.</summary>
    public static BackendLease? TryLeaseObjected(this BackendPool pool, in PickContext context, string? pinned)
    {
        var snapshot = pool.Snapshot;
        return pinned is not null || snapshot is { IsFailOpen: false, Refusals: { Ejected: 0, Unhealthy: 0 } }
            ? null
            : TryEach(
                snapshot.BackendSpan,
                context,
                static (backend, context) =>
                    backend.IsHealthObjecting && backend.Definition.Weight > 0 && !context.HasTried(backend)
            );
    }

    /// <summary>A lease of whatever admits a request: of an available backend, tried or not, else of any untried one.</summary>
    public static BackendLease? TryLeaseAny(
        this BackendPool pool,
        PoolSnapshot snapshot,
        in PickContext context,
        string? pinned
    ) =>
        pinned is not null
            ? pool.Find(pinned)?.TryAcquire(context)
            : pool.TryLease(context, pinned)
                ?? TryEach(snapshot.AvailableSpan, context, static (_, _) => true)
                // Those that health objects to are no overflow for those that are only busy.
                ?? (IsAnyFull(snapshot.AvailableSpan) ? null : pool.TryLeaseObjected(context, pinned));

    /// <summary>
    /// Whether a backend that this request has not tried is only busy: a place there will come, and is worth more than a
    /// free one where the request has failed already (law 1).
    /// </summary>
    public static bool IsUntriedBusy(this PoolSnapshot snapshot, in PickContext context)
    {
        if (context.IsFirstAttempt)
        {
            return false;
        }

        foreach (var backend in snapshot.AvailableSpan)
        {
            if (backend.IsFull && !context.HasTried(backend))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// What a request may wait for that nobody has admitted: a half-open circuit's trial is out, or a circuit has changed
    /// since it refused, or a backend is at its limit. Asks the backends, not the snapshot's figures: whoever takes a trial
    /// changes the circuit first and the snapshot after it, and a request that comes between the two must not fail. A
    /// circuit's change brings a younger snapshot, which ends the wait; a place is passed on by who leaves it.
    /// </summary>
    public static Prospect ProspectOf(this BackendPool pool, PoolSnapshot snapshot, string? pinned)
    {
        var now = pool.Clock.Milliseconds;
        if (pinned is not null)
        {
            return pool.Find(pinned) is { } backend ? ProspectOf(backend, now, isWanted: true) : Prospect.None;
        }

        var best = Prospect.None;
        foreach (var backend in snapshot.BackendSpan)
        {
            if (backend.Definition.Weight > 0 && ProspectOf(backend, now, backend.IsWanted) is var each && each > best)
            {
                best = each;
            }
        }

        return best;
    }

    /// <summary>One pass, from a random place on, so that a herd of refused requests does not meet at the first one.</summary>
    private static BackendLease? TryEach(
        ReadOnlySpan<Backend> backends,
        in PickContext context,
        Func<Backend, PickContext, bool> isWanted
    )
    {
        var start = backends.Length > 1 ? context.Random.Next(backends.Length) : 0;
        for (var i = 0; i < backends.Length; i++)
        {
            var at = start + i;
            var backend = backends[at < backends.Length ? at : at - backends.Length];
            if (isWanted(backend, context) && backend.TryAcquire(context) is { } lease)
            {
                return lease;
            }
        }

        return null;
    }

    private static bool IsAnyFull(ReadOnlySpan<Backend> backends)
    {
        foreach (var backend in backends)
        {
            if (backend.IsFull)
            {
                return true;
            }
        }

        return false;
    }

    private static Prospect ProspectOf(Backend backend, long now, bool isWanted) =>
        backend.Administration != AdministrativeState.Enabled ? Prospect.None
        : !backend.Circuit.Admits(now)
            ? backend.Circuit.State == CircuitState.HalfOpen ? Prospect.Trial
                : Prospect.None
        : !backend.IsFull ? Prospect.Change
        : isWanted ? Prospect.Place
        : Prospect.None;
}
