using System.Numerics;
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
    /// <summary>
    /// Probes due within this time go out together, so that thousands of due times cost few wake-ups. Two of them are
    /// longer than a tenth of a second, and three longer than two: none holds much more than its share.
    /// </summary>
    public const long TickMilliseconds = 75;

    /// <summary>The golden section: multiples of it come close to no earlier one for as long as can be.</summary>
    private const double GoldenShare = 0.618;

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
    private long _firedAt = -TickMilliseconds;
    private int _waiting;
    private int _workers;
    private int _starter;
    private bool _isStarting;
    private bool _hasWorkerBegun;
    private bool _isStarterStuck;
    private int _unhealthy;
    private long _firstRoundAt;
    private int _firstRoundSize;
    private int _firstRoundBegun;
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
        // Also those that left while nobody told this run, which was asked for them before it became periodic.
        foreach (var backend in removed.Concat(_members.Keys.Where(each => each.IsRemoved)).ToList())
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
        if (isFirstRound)
        {
            (_firstRoundAt, _firstRoundSize) = (first, added.Count);
        }

        var stride = Stride(added.Count);
        for (var i = 0; i < added.Count; i++)
        {
            var probe = Member(added[i]);
            probe.SecondAfter = SecondAfter((int)((long)i * stride % added.Count), added.Count, rules);
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
            if (probe.DueAt == ScheduledProbe.NotDue || probe.SecondAfter != ScheduledProbe.NotDue)
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
    /// <param name="isWorker">Whether it is a worker that asks, who takes the next piece of work itself.</param>
    /// <returns>The starter that must begin workers, if one must; see <see cref="BeginsWorker"/>.</returns>
    public int? Dispatch(long now, HealthRules rules, bool isWorker = false)
    {
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
            _waiting++;
        }

        SetTimer(now);
        return CallStarter(rules, isWorker ? 1 : 0);
    }

    /// <summary>The timer has fired: before <see cref="Dispatch"/>, which sets it anew.</summary>
    public void TimerFired(long now)
    {
        _firesAt = ScheduledProbe.NotDue;
        _firedAt = now;
        _isStarterStuck = _isStarting && !_hasWorkerBegun;
        _hasWorkerBegun = false;
    }

    /// <summary>
    /// Whether a starter must begin one more worker; it is counted already. A starter begins them one after the other on
    /// its own thread, each up to where its probe waits for something: a hundred at once would wake every thread of the
    /// pool, which costs more than all the rest. One whose probe blocks that thread is left behind: the first tick
    /// through which it has begun none calls another, and for this one the answer is no from then on.
    /// </summary>
    public bool BeginsWorker(int starter, HealthRules rules)
    {
        if (starter != _starter)
        {
            return false;
        }

        if (_waiting == 0 || _workers >= rules.WorkersFor(_members.Count))
        {
            _isStarting = false;
            return false;
        }

        _workers++;
        return _hasWorkerBegun = true;
    }

    /// <summary>
    /// The next piece of work, or the end of this worker: one step under the lock under which work is handed out, so
    /// that nothing is left lying without a worker.
    /// </summary>
    /// <param name="wasDue">When it should have begun.</param>
    public ScheduledProbe? Take(long now, out long wasDue)
    {
        wasDue = 0;
        while (_work.Reader.TryRead(out var probe))
        {
            _waiting--;
            wasDue = probe.EndWait();
            if (probe.HasLeft)
            {
                // It left while it waited: who has asked for it has been told, and nobody wants to know any more.
                continue;
            }

            _underWay.Add(probe);
            if (_firstRound.Count > 0 && _firstRound.Contains(probe))
            {
                SpreadFromTheEnd(probe, now);
            }

            return probe;
        }

        _workers--;
        TellIfIdle();
        return null;
    }

    /// <summary>
    /// Leaves out a probe that has just been taken, if requests prove what it would: the next one is then due as if this
    /// had been sent when the last of them succeeded. One that is late already is sent.
    /// </summary>
    public bool Skips(ScheduledProbe probe, long now, HealthRules rules)
    {
        if (!rules.IsTrafficEnough || !IsPeriodic || probe.HasLeft || probe.TakeProof() is not { } provenAt)
        {
            return false;
        }

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
    public TimeSpan? FallsBehind(long wasDue, long now, HealthRules rules)
    {
        var late = TimeSpan.FromMilliseconds(now - wasDue);
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
    public void PlanNext(ScheduledProbe probe, long now, HealthRules rules)
    {
        if (IsPeriodic && !probe.HasLeft && !probe.Backend.IsRemoved)
        {
            Plan(probe, NextDue(probe, now, rules));
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
    public bool ContradictsTraffic(ScheduledProbe probe, ProbeResult result, long now)
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

        MarkUnhealthy(probe, Math.Min(probe.UnhealthySince, now));
        if (_isContradicted || _unhealthy < _members.Count)
        {
            return false;
        }

        return _isContradicted = _members.Values.Any(each => each.Backend.Passive.SucceededAt > each.UnhealthySince);
    }

    /// <summary>Completes when no probe is under way or waits for a worker.</summary>
    public Task WhenIdle()
    {
        if (IsIdle)
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
        _firesAt = ScheduledProbe.NotDue;
        _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        while (_work.Reader.TryRead(out _))
        {
            // Emptied, so that the workers end.
            _waiting--;
        }

        TellIfIdle();
    }

    /// <summary>Cancels the probes that are under way; outside the lock, since what they register may run right there.</summary>
    public Task CancelAsync() => _stopping.CancelAsync();

    public void Dispose() => _stopping.Dispose();

    private bool IsIdle => _workers == 0 && _waiting == 0;

    private void TellIfIdle()
    {
        if (IsIdle)
        {
            _idle?.TrySetResult();
            _idle = null;
        }
    }

    /// <summary>At the next due time, or a tick after the last firing if that is later.</summary>
    private void SetTimer(long now)
    {
        // Work that another may hold up: one more tick looks whether it has been begun.
        var next =
            _waiting > (_isStarting ? 0 : 1) ? now
            : _due.TryPeek(out _, out var due) ? due
            : ScheduledProbe.NotDue;
        var at = Math.Max(next, _firedAt + TickMilliseconds);
        // One that is set for an earlier moment stays: setting it costs more than the rest of a probe's schedule.
        if (at < _firesAt)
        {
            _firesAt = at;
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(at - now, 0)), Timeout.InfiniteTimeSpan);
        }
    }

    private int? CallStarter(HealthRules rules, int taken)
    {
        if (_waiting <= taken || (_isStarting && !_isStarterStuck) || _workers >= rules.WorkersFor(_members.Count))
        {
            return null;
        }

        _isStarting = true;
        _isStarterStuck = false;
        return ++_starter;
    }

    /// <summary>
    /// The second probes are spread over the interval that follows the first; the one of a single backend falls anywhere
    /// in it but at its beginning, where it would only repeat the first.
    /// </summary>
    private long SecondAfter(int place, int count, HealthRules rules)
    {
        var share =
            !rules.IsSpread ? 1
            : count > 1 ? (place + 1.0) / count
            : Math.Max(HealthCheckDefaults.LeastSpread, _random.NextDouble());
        return (long)(rules.Interval.TotalMilliseconds * share);
    }

    /// <summary>
    /// A first round of thousands takes seconds. The interval over which the second is spread is the one after its end,
    /// reckoned from how far it has come: what fell due before that would wait, and come out at once.
    /// </summary>
    private void SpreadFromTheEnd(ScheduledProbe probe, long now)
    {
        var end = _firstRoundAt + ((now - _firstRoundAt) * _firstRoundSize / ++_firstRoundBegun);
        probe.SecondAfter += Math.Max(0, end - now);
    }

    /// <summary>
    /// The step through the places of the second round: taken in the order in which a long first one reaches them, they
    /// would come in waves.
    /// </summary>
    private static int Stride(int count)
    {
        var stride = Math.Max(1, (int)(count * GoldenShare));
        while (!BigInteger.GreatestCommonDivisor(stride, count).IsOne)
        {
            stride++;
        }

        return stride;
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

    private long NextDue(ScheduledProbe probe, long now, HealthRules rules)
    {
        var backend = probe.Backend;
        var due = rules.NextAfter(
            probe.BeganAt,
            now,
            backend.ActiveVerdict,
            backend.ConsecutiveProbeSuccesses,
            backend.ConsecutiveProbeFailures,
            _random.NextDouble()
        );
        if (probe.SecondAfter is var second && second != ScheduledProbe.NotDue)
        {
            probe.SecondAfter = ScheduledProbe.NotDue;
            var secondAt = probe.BeganAt + second;
            return Math.Max(now, backend.ConsecutiveProbeFailures > 0 ? Math.Min(due, secondAt) : secondAt);
        }

        return due;
    }
}
