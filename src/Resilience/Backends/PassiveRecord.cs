namespace Resilience.Backends;

/// <summary>One backend's evidence from real traffic, kept by the passive checker. Thread-safe.</summary>
internal sealed class PassiveRecord
{
    private int _consecutiveFailures;

    /// <summary>Failures in a row.</summary>
    public int ConsecutiveFailures => Volatile.Read(ref _consecutiveFailures);

    /// <summary>Ejections that no good stretch has forgiven yet; changed inside the pool's critical section.</summary>
    public int Ejections { get; set; }

    public int CountFailure() => Interlocked.Increment(ref _consecutiveFailures);

    /// <summary>Ends the run; written only if there is one, so that healthy traffic shares no written line.</summary>
    public void EndRun()
    {
        if (Volatile.Read(ref _consecutiveFailures) != 0)
        {
            Volatile.Write(ref _consecutiveFailures, 0);
        }
    }
}
