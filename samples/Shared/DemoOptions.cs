namespace Shared;

/// <summary>How fast and how long the demonstration runs; from <c>appsettings.json</c>, section <c>Demo</c>.</summary>
internal sealed class DemoOptions
{
    public int RequestsPerSecond { get; init; } = 200;

    public int MaxConcurrentRequests { get; init; } = 256;

    /// <summary>How long each step's effect is left to be watched.</summary>
    public TimeSpan Hold { get; init; } = TimeSpan.FromSeconds(4);

    public TimeSpan PauseBetweenRestarts { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The bound on the pool noticing that a backend is gone.</summary>
    public TimeSpan NoticeWithin { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>The bound on the pool taking a backend back, and on draining one.</summary>
    public TimeSpan RecoverWithin { get; init; } = TimeSpan.FromSeconds(15);
}
