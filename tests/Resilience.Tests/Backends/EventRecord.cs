using Resilience.Backends;

namespace Resilience.Tests.Backends;

/// <summary>All events of a pool from now until its end.</summary>
internal sealed class EventRecord
{
    private readonly BackendPool _pool;
    private readonly IAsyncEnumerator<PoolEvent> _events;
    private readonly ValueTask<bool> _first;

    public EventRecord(BackendPool pool)
    {
        _pool = pool;
        _events = pool.WatchAsync().GetAsyncEnumerator();
        // The enumeration has begun when this returns: nothing from now on is missed.
        _first = _events.MoveNextAsync();
    }

    /// <summary>Ends the pool and reads what it said.</summary>
    public async Task<List<PoolEvent>> EndAsync()
    {
        _pool.Dispose();
        var events = new List<PoolEvent>();
        for (var hasNext = await _first; hasNext; hasNext = await _events.MoveNextAsync())
        {
            events.Add(_events.Current);
        }

        await _events.DisposeAsync();
        return events;
    }
}
