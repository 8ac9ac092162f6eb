using System.Collections.Concurrent;
using System.Diagnostics;

namespace Resilience.ChaosTests.Load;

/// <summary>What became of the requests that were meant to begin within one phase of a scenario. Thread-safe.</summary>
internal sealed class Phase(string name)
{
    private readonly ConcurrentDictionary<string, long> _firstAnswers = new();
    private int _requests;
    private int _readsFailed;
    private int _readsLimited;
    private int _writesFailed;
    private int _retries;

    public string Name => name;

    /// <summary>From the moment at which each request was meant to begin to the end of its answer.</summary>
    public Latencies Latencies { get; } = new();

    /// <summary>How many have ended.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Requests that may be repeated and failed all the same, by no limit that they name.</summary>
    public int ReadsFailed => Volatile.Read(ref _readsFailed);

    /// <summary>Requests that may be repeated and failed by a limit that they name.</summary>
    public int ReadsLimited => Volatile.Read(ref _readsLimited);

    /// <summary>Requests that must not be repeated and failed.</summary>
    public int WritesFailed => Volatile.Read(ref _writesFailed);

    /// <summary>Sendings beyond the first that the budget had to pay for.</summary>
    public int Retries => Volatile.Read(ref _retries);

    /// <summary>When that backend first answered one of them well, as a timestamp; <see langword="null"/> if it has not.</summary>
    public long? FirstAnswerBy(string backend) => _firstAnswers.TryGetValue(backend, out var at) ? at : null;

    /// <summary>That backend has answered one of them well.</summary>
    public void NoteAnswer(string backend) => _firstAnswers.TryAdd(backend, Stopwatch.GetTimestamp());

    /// <param name="latency">From when it was due to its end.</param>
    /// <param name="failure">What became of it; <see langword="null"/> if it was answered.</param>
    /// <param name="retries">How many of its sendings the budget paid for.</param>
    public void Add(TimeSpan latency, FailedRequest? failure, int retries)
    {
        Latencies.Add(latency);
        Interlocked.Add(ref _retries, retries);
        switch (failure)
        {
            case null:
                break;
            case { IsWrite: true }:
                Interlocked.Increment(ref _writesFailed);
                break;
            case { Limit: null }:
                Interlocked.Increment(ref _readsFailed);
                break;
            default:
                Interlocked.Increment(ref _readsLimited);
                break;
        }

        Interlocked.Increment(ref _requests);
    }
}
