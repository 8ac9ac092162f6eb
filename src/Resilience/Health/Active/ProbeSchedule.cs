using System.Threading.Channels;
using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Active;

/// <summary>
/// When each backend is probed during one run of a checker, from its start to its stop: the first round, the spreading of
/// the second, and the due times after it. What is due goes into a channel, from which that run's workers take it. What a
/// run has made ends with it: nothing of it can get into the next one. Guarded by the checker's lock.
/// </summary>
internal sealed class ProbeSchedule : IDisposable
{
    /// <summary>Probes due within this time go out together, so that thousands of due times cost few wake-ups.</summary>
    private const long TickMilliseconds = 50;

    private readonly Clock _clock;
    private readonly Random _random;
    private readonly ITimer _timer;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Channel<ScheduledProbe> _work = Channel.CreateUnbounded<ScheduledProbe>();
    private readonly PriorityQueue<ScheduledProbe, long> _due = new();
    private readonly Dictionary<Backend, ScheduledProbe> _members = [];
    private readonly HashSet<ScheduledProbe> _underWay = [];
    private TaskCompletionSource? _idle;
    private int _workers;
    private int _firstRoundLeft;
    private int _firstRoundMissing;

    /// <param name="random">The source of spreading and jitter.</param>
    /// <param name="timer">Fires when probes are due; set here.</param>
    public ProbeSchedule(Clock clock, Random random, ITimer timer)
    {
        _clock = clock;
        _random = random;
        _timer = timer;
        Stopped = _stopping.Token;
    }

    /// <summary>Ends with the run. Kept, because a source that is disposed gives none.</summary>
    public CancellationToken Stopped { get; }

    /// <summary>The probes that are under way at this moment.</summary>
    public IReadOnlyCollection<ScheduledProbe> UnderWay => _underWay;

    /// <summary>
    /// Takes over who joined and who left the pool. Who joins is probed at once, in the first round after the initial
    /// delay.
    /// </summary>
    public void Change(IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed, HealthRules rules)
    {
        foreach (var backend in removed)
        {
            if (_members.Remove(backend, out var probe))
            {
                probe.HasLeft = true;
            }
        }

        var isFirstRound = _members.Count == 0;
        var first = _clock.Milliseconds + (isFirstRound ? (long)rules.InitialDelay.TotalMilliseconds : 0);
        for (var i = 0; i < added.Count; i++)
        {
            var probe = new ScheduledProbe(added[i], SecondDue(first, i, added.Count, rules));
            if (_members.TryAdd(added[i], probe))
            {
                _due.Enqueue(probe, first);
            }
        }

        if (isFirstRound)
        {
            _firstRoundLeft = added.Count;
            _firstRoundMissing = 0;
        }
    }

    /// <summary>Due times survive new rules, so that frequent reloads starve nothing, but none stays later than they allow.</summary>
    public void Shorten(HealthRules rules)
    {
        var latest = _clock.Milliseconds + (long)rules.Interval.TotalMilliseconds;
        var waiting = _due.UnorderedItems.ToArray();
        _due.Clear();
        foreach (var (probe, due) in waiting)
        {
            _due.Enqueue(probe, Math.Min(due, latest));
        }
    }

    /// <summary>Hands what is due to workers, and sets the timer for what comes next.</summary>
    /// <returns>How many workers must begin; they are counted already.</returns>
    public int Dispatch(HealthRules rules)
    {
        var now = _clock.Milliseconds;
        var most = rules.WorkersFor(_members.Count);
        var begin = 0;
        while (_due.TryPeek(out var probe, out var due) && due <= now)
        {
            _due.Dequeue();
            if (probe.HasLeft)
            {
                continue;
            }

            _work.Writer.TryWrite(probe);
            if (_workers < most)
            {
                _workers++;
                begin++;
            }
        }

        if (_due.TryPeek(out _, out var next))
        {
            // Rounded up to the tick, so that due times close to each other share one wake-up.
            var wait = (next - now + TickMilliseconds - 1) / TickMilliseconds * TickMilliseconds;
            _timer.Change(TimeSpan.FromMilliseconds(wait), Timeout.InfiniteTimeSpan);
        }

        return begin;
    }

    /// <summary>
    /// The next piece of work, or the end of this worker: one step under the lock under which work is handed out, so
    /// that nothing is left lying without a worker.
    /// </summary>
    public ScheduledProbe? Take()
    {
        if (_work.Reader.TryRead(out var probe))
        {
            _underWay.Add(probe);
            return probe;
        }

        _workers--;
        if (_workers == 0)
        {
            _idle?.TrySetResult();
            _idle = null;
        }

        return null;
    }

    /// <summary>A worker has done with what it took.</summary>
    public void PutDown(ScheduledProbe probe) => _underWay.Remove(probe);

    /// <summary>Sets the next due time of a backend that has been probed.</summary>
    public void PlanNext(ScheduledProbe probe, HealthRules rules)
    {
        if (!probe.HasLeft)
        {
            _due.Enqueue(probe, NextDue(probe, rules));
        }
    }

    /// <summary>Counts a result into the first round; if every backend answers that with 404, the path is most likely wrong.</summary>
    /// <returns>Whether this result completes a first round in which every backend has answered 404.</returns>
    public bool CompletesAMissingRound(ScheduledProbe probe, ProbeResult result)
    {
        if (probe.SecondAt is null || _firstRoundLeft == 0)
        {
            return false;
        }

        _firstRoundMissing += result.StatusCode == 404 ? 1 : 0;
        return --_firstRoundLeft == 0 && _firstRoundMissing == _members.Count;
    }

    /// <summary>Completes when no probe is under way or waits for a worker.</summary>
    public Task WhenIdle()
    {
        if (_workers == 0)
        {
            return Task.CompletedTask;
        }

        _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        return _idle.Task;
    }

    /// <summary>Ends the schedule: what has not begun does not begin.</summary>
    public void Clear()
    {
        _due.Clear();
        _members.Clear();
        _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        while (_work.Reader.TryRead(out _))
        {
            // Emptied, so that the workers end.
        }
    }

    /// <summary>Cancels the probes that are under way; outside the lock, since what they register may run right there.</summary>
    public Task CancelAsync() => _stopping.CancelAsync();

    public void Dispose() => _stopping.Dispose();

    /// <summary>
    /// The second probes are spread over the interval that follows the first; the one of a single backend falls anywhere
    /// in it but at its beginning, where it would only repeat the first.
    /// </summary>
    private long SecondDue(long first, int index, int count, HealthRules rules)
    {
        var share =
            !rules.IsSpread ? 1
            : count > 1 ? (index + 1.0) / count
            : Math.Max(HealthCheckDefaults.LeastSpread, _random.NextDouble());
        return first + (long)(rules.Interval.TotalMilliseconds * share);
    }

    private long NextDue(ScheduledProbe probe, HealthRules rules)
    {
        var now = _clock.Milliseconds;
        var backend = probe.Backend;
        var due = rules.NextAfter(
            probe.BeganAt,
            now,
            backend.ActiveVerdict,
            backend.ConsecutiveProbeSuccesses,
            backend.ConsecutiveProbeFailures,
            _random.NextDouble()
        );
        if (probe.SecondAt is { } second)
        {
            probe.SecondAt = null;
            return Math.Max(now, Math.Min(due, second));
        }

        return due;
    }
}
