using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>
/// The requests of a pool that wait, first come, first served, because every backend that could take them is at its
/// limit or half-open with its trials out (law 8). How many may do so at once is bounded, since each holds what its
/// caller holds. Thread-safe; its lock is taken only by who waits, and by who has a place to give while somebody waits.
/// </summary>
internal sealed class WaitingLine
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private int _count;

    /// <summary>How many wait.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>
    /// The last place in the line; whoever gets it must <see cref="TryLeave"/>. It has to look for a backend once more
    /// before it waits: a place that became free before it stood here was offered to nobody. Standing in line is a full
    /// fence, and so is giving a place back, so one of the two always sees the other.
    /// </summary>
    /// <param name="context">The request's attempts so far.</param>
    /// <param name="pinned">The only backend it may go to, if there is only one.</param>
    /// <param name="capacity">How many may wait, this one included.</param>
    /// <returns><see langword="null"/> if as many wait already.</returns>
    public Waiter? TryEnter(in PickContext context, string? pinned, int capacity)
    {
        lock (_gate)
        {
            if (_count >= capacity)
            {
                return null;
            }

            var waiter = new Waiter(context, pinned);
            _waiters.AddLast(waiter.Standing);
            Interlocked.Increment(ref _count);
            return waiter;
        }
    }

    /// <summary>Takes a waiter out of the line.</summary>
    /// <returns><see langword="false"/> if it has left already: it was given a place, which is now its own to use or decline.</returns>
    public bool TryLeave(Waiter waiter)
    {
        lock (_gate)
        {
            if (waiter.Standing.List is null)
            {
                return false;
            }

            Remove(waiter);
        }

        waiter.GiveUp();
        return true;
    }

    /// <summary>Whether anybody waits who would go to this backend.</summary>
    public bool IsAwaited(Backend backend)
    {
        if (Count == 0)
        {
            return false;
        }

        lock (_gate)
        {
            return FirstFor(backend) is not null;
        }
    }

    /// <summary>Gives a place, counted in and with its circuit's leave, to the first who would go there.</summary>
    public bool TryGive(Backend backend, CircuitTicket ticket)
    {
        lock (_gate)
        {
            if (FirstFor(backend) is not { } waiter)
            {
                return false;
            }

            Remove(waiter);
            // What follows from it runs elsewhere, not inside this lock.
            waiter.Give(new Place(backend, ticket));
            return true;
        }
    }

    private Waiter? FirstFor(Backend backend)
    {
        for (var node = _waiters.First; node is not null; node = node.Next)
        {
            if (node.Value.Wants(backend))
            {
                return node.Value;
            }
        }

        return null;
    }

    private void Remove(Waiter waiter)
    {
        _waiters.Remove(waiter.Standing);
        Interlocked.Decrement(ref _count);
    }
}

/// <summary>One who stands in a <see cref="WaitingLine"/>.</summary>
internal sealed class Waiter
{
    private readonly TaskCompletionSource<Place> _given = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PickContext _context;
    private readonly string? _pinned;
    private bool _sparesTried;

    /// <param name="context">The request's attempts so far.</param>
    /// <param name="pinned">The only backend it may go to, if there is only one.</param>
    public Waiter(in PickContext context, string? pinned)
    {
        _context = context;
        _pinned = pinned;
        Standing = new LinkedListNode<Waiter>(this);
    }

    /// <summary>Where it stands; the line's own.</summary>
    public LinkedListNode<Waiter> Standing { get; }

    /// <summary>Completes when it is given a place.</summary>
    public Task<Place> Given => _given.Task;

    /// <summary>Whether a place on this backend is of use to it.</summary>
    public bool Wants(Backend backend) =>
        _pinned is not null
            ? _pinned == backend.Name
            : backend.IsWanted && !(Volatile.Read(ref _sparesTried) && _context.HasTried(backend));

    /// <summary>
    /// Says whether it passes places by where it has failed already, while others are to come. A full fence: whoever says
    /// so looks for a backend after it, and a place that became free before was offered to nobody.
    /// </summary>
    public void SpareTried(bool isSparing) => Interlocked.Exchange(ref _sparesTried, isSparing);

    public void Give(Place place) => _given.SetResult(place);

    public void GiveUp() => _given.SetCanceled(CancellationToken.None);
}

/// <summary>A place on a backend: counted in flight there already, with its circuit's leave. Immutable.</summary>
internal readonly record struct Place(Backend Backend, CircuitTicket Ticket)
{
    /// <summary>Makes the place an attempt's.</summary>
    public BackendLease Take(BackendLease? previous) => Backend.Accept(Ticket, previous);

    /// <summary>Gives it back unused, to the next who waits.</summary>
    public void Decline() => Backend.Decline(Ticket);
}
