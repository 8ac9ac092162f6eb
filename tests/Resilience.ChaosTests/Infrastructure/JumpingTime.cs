namespace Resilience.ChaosTests.Infrastructure;

/// <summary>
/// The system's clock, whose date and whose monotonic time jump when told to: a date that somebody sets, a machine that
/// slept. Its timers are the system's. Thread-safe.
/// </summary>
internal sealed class JumpingTime : TimeProvider
{
    private long _dateOffset;
    private long _slept;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + new TimeSpan(Interlocked.Read(ref _dateOffset));

    public override long GetTimestamp() => System.GetTimestamp() + Interlocked.Read(ref _slept);

    public override long TimestampFrequency => System.TimestampFrequency;

    /// <summary>Sets the date forwards or back; no time passes.</summary>
    public void SetDate(TimeSpan by) => Interlocked.Add(ref _dateOffset, by.Ticks);

    /// <summary>Lets that much time have passed at once, timers not knowing of it.</summary>
    public void Sleep(TimeSpan time)
    {
        Interlocked.Add(ref _slept, (long)(time.TotalSeconds * TimestampFrequency));
        Interlocked.Add(ref _dateOffset, time.Ticks);
    }
}
