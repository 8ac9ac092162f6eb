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
    private const int Generations = 1 << 20;

    private readonly EventHub<CircuitChanged> _hub = new(static (change, missed) => change with { Missed = missed });
    private readonly ConcurrentQueue<CircuitChanged> _queue = new();

    /* Both belong to the one thread that drains. */
    private readonly Dictionary<int, CircuitChanged> _early = [];
    private int _next;

    /* Starts at one: whoever made this drains first, when it knows from which generation on. */
    private int _pending = 1;

    public IDisposable Subscribe(Action<CircuitChanged> handler, Action<Exception> onError) =>
        _hub.Subscribe(handler, onError);

    /// <summary>
    /// Begins to deliver, after <paramref name="generation"/>. Called once, after this has been published for the threads
    /// that make changes: one that does not see it made its change before the generation was read.
    /// </summary>
    public void Begin(int generation)
    {
        _next = Following(generation);
        Drain(1);
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

    private static int Following(int generation) => (generation + 1) % Generations;

    private void Drain(int seen)
    {
        do
        {
            while (_queue.TryDequeue(out var change))
            {
                // What was made before there was anybody to tell is nobody's.
                if ((change.Generation - _next + Generations) % Generations < Generations / 2)
                {
                    _early[change.Generation] = change;
                }
            }

            while (_early.Remove(_next, out var change))
            {
                _next = Following(_next);
                _hub.Publish(change);
            }

            seen = Interlocked.Add(ref _pending, -seen);
        } while (seen != 0);
    }
}
