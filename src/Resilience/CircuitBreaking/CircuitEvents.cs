using System.Collections.Concurrent;
using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>
/// Brings a circuit's changes to its subscribers in the order of their generations. Each change comes from the thread that
/// made it, and that may be held up between making it and bringing it here: what comes too early is kept back until those
/// before it have come, or the last change told would contradict the state for ever. Lock-free; made with the first
/// subscriber. Thread-safe.
/// </summary>
internal sealed class CircuitEvents
{
    private readonly EventHub<CircuitChanged> _hub = new(static (change, missed) => change with { Missed = missed });
    private readonly ConcurrentQueue<CircuitChanged> _queue = new();

    /* Both belong to the one thread that drains. */
    private readonly Dictionary<uint, CircuitChanged> _early = [];
    private uint _last;

    /* Starts at one: whoever begins drains first. */
    private int _pending = 1;
    private bool _hasBegun;

    public IDisposable Subscribe(Action<CircuitChanged> handler, Action<Exception> onError) =>
        _hub.Subscribe(handler, onError);

    /// <summary>
    /// Begins to deliver, after <paramref name="generation"/>, unless that has been done. Called by every subscriber, after
    /// this has been published for the threads that make changes: one that does not see it made its change before the
    /// generation was read. The first to come here begins, whoever made this: a subscriber that returned sooner than the
    /// others would miss what happened before they look at the generation.
    /// </summary>
    public void Begin(uint generation)
    {
        if (!Interlocked.Exchange(ref _hasBegun, true))
        {
            _last = generation;
            Drain(1);
        }
    }

    /// <summary>Called once for each change, by the thread that made it, in any order.</summary>
    public void Publish(CircuitChanged change)
    {
        _queue.Enqueue(change);
        // The first to come drains for all who come while it does; nobody waits.
        if (Interlocked.Increment(ref _pending) == 1)
        {
            Drain(1);
        }
    }

    private void Drain(int seen)
    {
        do
        {
            while (_queue.TryDequeue(out var change))
            {
                // What was made before there was anybody to tell is nobody's.
                if (CircuitWord.IsAfter((uint)change.Generation, _last))
                {
                    _early[(uint)change.Generation] = change;
                }
            }

            while (_early.Remove(CircuitWord.Following(_last), out var change))
            {
                _last = (uint)change.Generation;
                _hub.Publish(change);
            }

            seen = Interlocked.Add(ref _pending, -seen);
        } while (seen != 0);
    }
}
