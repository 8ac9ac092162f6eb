using Resilience.Backends;

namespace Resilience.Health.Active;

/// <summary>One backend's place in the schedule of one run of a checker; guarded by the checker's lock.</summary>
internal sealed class ScheduledProbe(Backend backend)
{
    /// <summary>For a time: none.</summary>
    public const long NotDue = long.MaxValue;

    private TaskCompletionSource<ProbeResult?>? _answer;

    /* How many requests had failed on the backend, and when the success came that was taken for a probe, at the last look. */
    private long _failuresSeen;
    private long _provenAt = long.MinValue;

    public Backend Backend { get; } = backend;

    /// <summary>When its last probe began; written by the one worker that has it.</summary>
    public long BeganAt { get; set; }

    /// <summary>The latest moment of the second probe; null once that has been set.</summary>
    public long? SecondAt { get; set; }

    /// <summary>When it is next handed to the workers; <see cref="NotDue"/> while they have it.</summary>
    public long DueAt { get; set; } = NotDue;

    /// <summary>Since when it waits for a worker; <see cref="NotDue"/> if it does not.</summary>
    public long WaitsSince { get; set; } = NotDue;

    /// <summary>Whether an earlier probe of the backend, which its run has given up, is still under way.</summary>
    public bool IsBlocked { get; set; }

    /// <summary>What the last probe threw; written by the one worker that has it.</summary>
    public Exception? Thrown { get; set; }

    /// <summary>
    /// How many requests the backend had answered well when its probes had made it unhealthy; null while they have not.
    /// </summary>
    public long? AnsweredBefore { get; set; }

    /// <summary>Whether the backend has left the pool.</summary>
    public bool HasLeft { get; set; }

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
            || SecondAt is not null
            || _answer is not null
            || Backend.ActiveVerdict != ActiveVerdict.Healthy
            || Backend.ConsecutiveProbeFailures > 0
            || !Backend.IsAlive
            || succeededAt <= Math.Max(BeganAt, _provenAt)
        )
        {
            return null;
        }

        _provenAt = succeededAt;
        return succeededAt;
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
