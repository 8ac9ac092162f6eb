using Resilience.Backends;

namespace Resilience.Health.Active;

/// <summary>One backend's place in the schedule of one run of a checker; guarded by the checker's lock.</summary>
internal sealed class ScheduledProbe(Backend backend)
{
    /// <summary>For a time: none.</summary>
    public const long NotDue = long.MaxValue;

    private TaskCompletionSource<ProbeResult?>? _answer;

    /* How many requests had failed on the backend at the last look. */
    private long _failuresSeen;

    /* When it is due, or since when it waits for a worker: never both, and there are tens of thousands of these. */
    private long _at = NotDue;
    private bool _isWaiting;

    public Backend Backend { get; } = backend;

    /// <summary>
    /// When its last probe began, or a success came that was taken for one; written by the one worker that has it.
    /// </summary>
    public long BeganAt { get; set; }

    /// <summary>
    /// How long after the first probe the second one is due at the latest; <see cref="NotDue"/> once it has been planned.
    /// </summary>
    public long SecondAfter { get; set; } = NotDue;

    /// <summary>When it is next handed to the workers; <see cref="NotDue"/> while they have it.</summary>
    public long DueAt => _isWaiting ? NotDue : _at;

    /// <summary>Whether it waits for a worker.</summary>
    public bool IsWaiting => _isWaiting;

    /// <summary>Whether an earlier probe of the backend, which its run has given up, is still under way.</summary>
    public bool IsBlocked { get; set; }

    /// <summary>Whether the last probe threw what its result says; written by the one worker that has it.</summary>
    public bool HasThrown { get; set; }

    /// <summary>
    /// When its probes were seen to have made it unhealthy, in the clock's milliseconds; <see cref="NotDue"/> while they
    /// have not.
    /// </summary>
    public long UnhealthySince { get; set; } = NotDue;

    /// <summary>Whether the backend has left the pool.</summary>
    public bool HasLeft { get; set; }

    /// <summary>Plans it.</summary>
    public void PlanAt(long due)
    {
        _at = due;
        _isWaiting = false;
    }

    /// <summary>Hands it to the workers: from the moment at which it was due it waits for one.</summary>
    public void Wait() => _isWaiting = true;

    /// <summary>A worker has taken it.</summary>
    /// <returns>When it was due.</returns>
    public long EndWait()
    {
        var due = _at;
        PlanAt(NotDue);
        return due;
    }

    /// <summary>
    /// When requests have shown the backend to be healthy, if they have since the last look and nothing speaks against it.
    /// Each success is taken once, so that no second draw of the jitter stretches it; and a backend that no probe of this
    /// run has seen is not taken for healthy.
    /// </summary>
    public long? TakeProof()
    {
        // The failures first: one that comes after them, and the success before it, is seen at the next look.
        var failures = Backend.Failures;
        var hasFailed = failures != _failuresSeen;
        _failuresSeen = failures;
        var succeededAt = Backend.Passive.SucceededAt;
        if (
            hasFailed
            || SecondAfter != NotDue
            || _answer is not null
            || Backend.ActiveVerdict != ActiveVerdict.Healthy
            || Backend.ConsecutiveProbeFailures > 0
            || !Backend.IsAlive
            || succeededAt <= BeganAt
        )
        {
            return null;
        }

        return BeganAt = succeededAt;
    }

    /// <summary>The result of the probe that is under way or comes next; null if a stop or its leaving comes first.</summary>
    public Task<ProbeResult?> WhenAnswered()
    {
        _answer ??= new TaskCompletionSource<ProbeResult?>(TaskCreationOptions.RunContinuationsAsynchronously);
        return _answer.Task;
    }

    /// <summary>Tells those who wait.</summary>
    public void Answer(ProbeResult? result)
    {
        _answer?.TrySetResult(result);
        _answer = null;
    }
}
