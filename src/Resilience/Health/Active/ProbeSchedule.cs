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
    private readonly HashSet<ScheduledProbe> _firstRound = [];
    private readonly TaskCompletionSource _firstRoundEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _idle;
    private long _firesAt = ScheduledProbe.NotDue;
    private int _workers;
    private int _unhealthy;
    private int _firstRoundMissing;
    private bool _isBehind;
    private bool _isContradicted;

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
    /// Whether backends are probed at due times of their own; if not, only when somebody asks for it.
    /// </summary>
    public bool IsPeriodic { get; private set; }

    /// <summary>Ends when every backend of the first round has been probed or has left; cancelled by a stop before that.</summary>
    public Task FirstRoundEnded => _firstRoundEnded.Task;

    /// <summary>From here on, backends that join are probed at due times.</summary>
    public void BecomePeriodic() => IsPeriodic = true;

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
                MarkUnhealthy(probe, ScheduledProbe.NotDue);
                LeaveFirstRound(probe);
                if (!_underWay.Contains(probe))
                {
                    probe.Answer(null);
                }
            }
        }

        var isFirstRound = !_firstRoundEnded.Task.IsCompleted && _firstRound.Count == 0;
        var first = _clock.Milliseconds + (isFirstRound ? (long)rules.InitialDelay.TotalMilliseconds : 0);
        // Room for those and no more: tables that double keep up to twice of it.
        _members.EnsureCapacity(_members.Count + added.Count);
        _due.EnsureCapacity(_due.Count + added.Count);
        for (var i = 0; i < added.Count; i++)
        {
            var probe = Member(added[i]);
            probe.SecondAt = SecondDue(first, i, added.Count, rules);
            if (isFirstRound)
            {
                _firstRound.Add(probe);
            }

            // Somebody may have asked for it before the run became periodic: then it is planned when that has ended.
            if (probe.DueAt == ScheduledProbe.NotDue && !IsAtWork(probe))
            {
                Plan(probe, first);
            }
        }

        EndFirstRoundIfEmpty();
    }

    /// <summary>Hands a backend's probe to the workers now, whenever it is due, unless they have it already.</summary>
    /// <returns>Its result.</returns>
    public Task<ProbeResult?> Demand(Backend backend)
    {
        var probe = Member(backend);
        if (!IsAtWork(probe))
        {
            Plan(probe, _clock.Milliseconds);
        }

        return probe.WhenAnswered();
    }

    /// <summary>Due times survive new rules, so that frequent reloads starve nothing, but none stays later than they allow.</summary>
    public void Shorten(HealthRules rules)
    {
        var now = _clock.Milliseconds;
        foreach (var probe in _members.Values)
        {
            // The first one is due after the initial delay, however long that is.
            if (probe.DueAt == ScheduledProbe.NotDue || probe.SecondAt != ScheduledProbe.NotDue)
            {
                continue;
            }

            var backend = probe.Backend;
            var latest = rules.LatestAfter(
                now,
                backend.ActiveVerdict,
                backend.ConsecutiveProbeSuccesses,
                backend.ConsecutiveProbeFailures
            );
            if (probe.DueAt > latest)
            {
                Plan(probe, latest);
            }
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
            if (probe.HasLeft || probe.DueAt != due)
            {
                // It has been planned anew since; that entry counts.
                continue;
            }

            probe.Wait();
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
            // One that is set for an earlier moment stays: setting it costs more than the rest of a probe's schedule.
            if (now + wait < _firesAt)
            {
                _firesAt = now + wait;
                _timer.Change(TimeSpan.FromMilliseconds(wait), Timeout.InfiniteTimeSpan);
            }
        }

        return begin;
    }

    /// <summary>The timer has fired: before <see cref="Dispatch"/>, which sets it anew.</summary>
    public void TimerFired() => _firesAt = ScheduledProbe.NotDue;

    /// <summary>
    /// The next piece of work, or the end of this worker: one step under the lock under which work is handed out, so
    /// that nothing is left lying without a worker.
    /// </summary>
    /// <param name="wasDue">When it should have begun.</param>
    public ScheduledProbe? Take(out long wasDue)
    {
        wasDue = 0;
        if (_work.Reader.TryRead(out var probe))
        {
            wasDue = probe.EndWait();
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

    /// <summary>
    /// Leaves out a probe that has just been taken, if requests prove what it would: the next one is then due as if this
    /// had been sent when the last of them succeeded. One that is late already is sent.
    /// </summary>
    public bool Skips(ScheduledProbe probe, HealthRules rules)
    {
        if (!rules.IsTrafficEnough || !IsPeriodic || probe.HasLeft || probe.TakeProof() is not { } provenAt)
        {
            return false;
        }

        var now = _clock.Milliseconds;
        var due = rules.NextAfter(provenAt, now, ActiveVerdict.Healthy, 1, 0, _random.NextDouble());
        if (due <= now)
        {
            return false;
        }

        _underWay.Remove(probe);
        Plan(probe, due);
        return true;
    }

    /// <summary>
    /// How late a probe begins that has just been taken, if that is the first one so late that backends are probed less
    /// often than they should be; probing has caught up when one is less than half an interval late.
    /// </summary>
    public TimeSpan? FallsBehind(long wasDue, HealthRules rules)
    {
        var late = TimeSpan.FromMilliseconds(_clock.Milliseconds - wasDue);
        var wasBehind = _isBehind;
        _isBehind = late > (wasBehind ? rules.Interval / 2 : rules.Interval);
        return _isBehind && !wasBehind ? late : null;
    }

    /// <summary>Whether probes find any backend unhealthy: it matters then whether requests say the same.</summary>
    public bool IsAnyUnhealthy => _unhealthy > 0;

    /// <summary>How many backends are probed.</summary>
    public int Count => _members.Count;

    /// <summary>A worker has done with what it took.</summary>
    /// <param name="result">What it found; null if it was stopped.</param>
    public void PutDown(ScheduledProbe probe, ProbeResult? result)
    {
        _underWay.Remove(probe);
        probe.Answer(result);
        if (!IsPeriodic)
        {
            // Nobody tells such a run who has left the pool: it remembers no one.
            _members.Remove(probe.Backend);
        }
    }

    /// <summary>Sets the next due time of a backend that has been probed.</summary>
    public void PlanNext(ScheduledProbe probe, HealthRules rules)
    {
        if (IsPeriodic && !probe.HasLeft)
        {
            Plan(probe, NextDue(probe, rules));
        }
    }

    /// <summary>Counts a result into the first round; if every backend answers that with 404, the path is most likely wrong.</summary>
    /// <returns>Whether this result completes a first round in which every backend has answered 404.</returns>
    public bool CompletesAMissingRound(ScheduledProbe probe, ProbeResult result)
    {
        if (!_firstRound.Remove(probe))
        {
            return false;
        }

        _firstRoundMissing += result.StatusCode == 404 ? 1 : 0;
        EndFirstRoundIfEmpty();
        return _firstRound.Count == 0 && _firstRoundMissing == _members.Count;
    }

    /// <summary>
    /// Counts a result into the evidence that the probe is wrong and not the backends: all are unhealthy by their probes,
    /// and since then one has answered a request well. A request whose caller gave up is no answer.
    /// </summary>
    /// <returns>Whether that has just become so; once until a probe succeeds.</returns>
    public bool ContradictsTraffic(ScheduledProbe probe, ProbeResult result)
    {
        if (result.IsSuccess || probe.HasLeft)
        {
            MarkUnhealthy(probe, ScheduledProbe.NotDue);
            _isContradicted &= !result.IsSuccess;
            return false;
        }

        if (!IsPeriodic || probe.Backend.ActiveVerdict != ActiveVerdict.Unhealthy)
        {
            return false;
        }

        MarkUnhealthy(probe, Math.Min(probe.UnhealthySince, _clock.Milliseconds));
        if (_isContradicted || _unhealthy < _members.Count)
        {
            return false;
        }

        return _isContradicted = _members.Values.Any(each => each.Backend.Passive.SucceededAt > each.UnhealthySince);
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
        foreach (var probe in _members.Values)
        {
            if (!_underWay.Contains(probe))
            {
                probe.Answer(null);
            }
        }

        _members.Clear();
        _firstRoundEnded.TrySetCanceled();
        TimerFired();
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

    private ScheduledProbe Member(Backend backend)
    {
        if (!_members.TryGetValue(backend, out var probe))
        {
            _members[backend] = probe = new ScheduledProbe(backend);
        }

        return probe;
    }

    private void MarkUnhealthy(ScheduledProbe probe, long since)
    {
        _unhealthy +=
            (since == ScheduledProbe.NotDue ? 0 : 1) - (probe.UnhealthySince == ScheduledProbe.NotDue ? 0 : 1);
        probe.UnhealthySince = since;
    }

    /// <summary>The entry that is in the queue for it already, if there is one, counts no more.</summary>
    private void Plan(ScheduledProbe probe, long due)
    {
        if (probe.DueAt != due)
        {
            probe.PlanAt(due);
            _due.Enqueue(probe, due);
        }
    }

    private bool IsAtWork(ScheduledProbe probe) => probe.IsWaiting || _underWay.Contains(probe);

    private void LeaveFirstRound(ScheduledProbe probe)
    {
        _firstRound.Remove(probe);
        EndFirstRoundIfEmpty();
    }

    private void EndFirstRoundIfEmpty()
    {
        if (IsPeriodic && _firstRound.Count == 0 && _firstRoundEnded.TrySetResult())
        {
            // There is no other first round; the room for ten thousand backends goes.
            _firstRound.TrimExcess();
        }
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
        if (probe.SecondAt is var second && second != ScheduledProbe.NotDue)
        {
            probe.SecondAt = ScheduledProbe.NotDue;
            return Math.Max(now, Math.Min(due, second));
        }

        return due;
    }
}
