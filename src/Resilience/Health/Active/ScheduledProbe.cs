using Resilience.Backends;

namespace Resilience.Health.Active;

/// <summary>One backend's place in the schedule of one run of a checker; guarded by the checker's lock.</summary>
internal sealed class ScheduledProbe(Backend backend, long secondAt)
{
    public Backend Backend { get; } = backend;

    /// <summary>When its last probe began; written by the one worker that has it.</summary>
    public long BeganAt { get; set; }

    /// <summary>The latest moment of the second probe; null once that has been set.</summary>
    public long? SecondAt { get; set; } = secondAt;

    /// <summary>Whether an earlier probe of the backend, which its run has given up, is still under way.</summary>
    public bool IsBlocked { get; set; }

    /// <summary>What the last probe threw; written by the one worker that has it.</summary>
    public Exception? Thrown { get; set; }

    /// <summary>Whether the backend has left the pool.</summary>
    public bool HasLeft { get; set; }
}
