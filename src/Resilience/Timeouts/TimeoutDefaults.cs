namespace Resilience.Timeouts;

/// <summary>The defaults of timeouts, in one place.</summary>
internal static class TimeoutDefaults
{
    public static readonly TimeSpan Total = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan Attempt = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan Connect = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan IdleRead = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan IdleWrite = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan IdleConnection = TimeSpan.FromSeconds(90);
    public static readonly TimeSpan ConnectionLifetime = TimeSpan.FromMinutes(2);

    /// <summary>No attempt or wait is begun with less than this left of the deadline.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromMilliseconds(10);

    /// <summary>
    /// So late is no timer of a process that runs: no thread was free, or it was stopped. Tens of milliseconds are usual on
    /// a busy machine.
    /// </summary>
    public static readonly TimeSpan Late = TimeSpan.FromMilliseconds(100);

    /// <summary>What came while the process could not run has so much longer to be read.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(1);

    /// <summary>A limit longer than a timer can hold, some 49 days, is none.</summary>
    public static readonly TimeSpan Longest = TimeSpan.FromMilliseconds(uint.MaxValue - 1);
}
