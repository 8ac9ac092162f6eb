namespace Resilience.CircuitBreaking;

/// <summary>
/// What a circuit remembers for people, and whom it tells: its last failure, its last change, its subscribers. Nothing of
/// it decides. A part of its circuit, never copied. Thread-safe.
/// </summary>
internal struct CircuitHistory
{
    private CircuitEvents? _events;
    private CircuitChanged? _lastChange;
    private Exception? _lastFailure;

    public Exception? LastFailure => Volatile.Read(ref _lastFailure);

    public CircuitChanged? LastChange => Volatile.Read(ref _lastChange);

    public void Note(Exception failure) => Volatile.Write(ref _lastFailure, failure);

    /// <summary>Tells of a change; called once for each, by the thread that made it, in any order.</summary>
    public void Tell(CircuitChanged change)
    {
        Keep(change);
        Volatile.Read(ref _events)?.Publish(change);
    }

    /// <param name="word">The circuit's control word: changes are told from the one that stands there.</param>
    public IDisposable Subscribe(Action<CircuitChanged> handler, Action<Exception> onError, ref readonly ulong word)
    {
        var events = Volatile.Read(ref _events);
        if (events is null)
        {
            var fresh = new CircuitEvents();
            events = Interlocked.CompareExchange(ref _events, fresh, null) ?? fresh;
        }

        var subscription = events.Subscribe(handler, onError);
        events.Begin(CircuitWord.GenerationOf(Volatile.Read(in word)));
        return subscription;
    }

    /// <summary>Keeps the youngest change: its thread may have been overtaken by that of the next.</summary>
    private void Keep(CircuitChanged change)
    {
        var seen = Volatile.Read(ref _lastChange);
        while (seen is null || CircuitWord.IsAfter((uint)change.Generation, (uint)seen.Generation))
        {
            var other = Interlocked.CompareExchange(ref _lastChange, change, seen);
            if (ReferenceEquals(other, seen))
            {
                return;
            }

            seen = other;
        }
    }
}
