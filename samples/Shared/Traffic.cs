namespace Shared;

/// <summary>Counts what the load generator sees. Thread-safe.</summary>
internal sealed class Traffic(TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly Queue<(long At, string Backend)> _recent = new();
    private readonly Dictionary<string, long> _served = [];
    private readonly Dictionary<string, long> _failures = [];
    private long _requests;
    private long _failovers;
    private TimeSpan _slowest;

    /// <summary>A request was answered by <paramref name="backend"/>.</summary>
    /// <param name="elapsed">From the moment the request was due, so that waiting for a free slot counts.</param>
    public void Succeeded(string backend, int attempts, TimeSpan elapsed)
    {
        lock (_lock)
        {
            _requests++;
            _failovers += attempts > 1 ? 1 : 0;
            _slowest = elapsed > _slowest ? elapsed : _slowest;
            _served[backend] = _served.GetValueOrDefault(backend) + 1;
            _recent.Enqueue((time.GetTimestamp(), backend));
            ForgetOld();
        }
    }

    /// <summary>A request failed for the given reason. True when this reason is seen for the first time.</summary>
    public bool Failed(string reason, TimeSpan elapsed)
    {
        lock (_lock)
        {
            _requests++;
            _slowest = elapsed > _slowest ? elapsed : _slowest;
            var seen = _failures.GetValueOrDefault(reason);
            _failures[reason] = seen + 1;
            return seen == 0;
        }
    }

    public TrafficSnapshot Snapshot()
    {
        lock (_lock)
        {
            ForgetOld();
            return new TrafficSnapshot(
                _requests,
                _failovers,
                _slowest,
                _recent.Count / Window.TotalSeconds,
                _recent
                    .CountBy(answer => answer.Backend)
                    .ToDictionary(pair => pair.Key, pair => (double)pair.Value / _recent.Count),
                new Dictionary<string, long>(_served),
                new Dictionary<string, long>(_failures)
            );
        }
    }

    private void ForgetOld()
    {
        while (_recent.TryPeek(out var oldest) && time.GetElapsedTime(oldest.At) > Window)
        {
            _recent.Dequeue();
        }
    }
}
