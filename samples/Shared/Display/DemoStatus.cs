namespace Shared.Display;

/// <summary>Everything there is to show at one moment.</summary>
internal sealed record DemoStatus(
    TimeSpan Elapsed,
    IReadOnlyList<ScriptStep> Steps,
    int CurrentStep,
    IReadOnlyList<BackendStatus> Backends,
    TrafficSnapshot Traffic
);
