namespace Resilience.CircuitBreaking;

/// <summary>The defaults of a circuit, in one place.</summary>
internal static class CircuitDefaults
{
    public const int ConsecutiveFailures = 5;
    public const int ConsecutiveFailuresInPool = 10;
    public const int MinimumThroughput = 20;
    public const double SlowCallRate = 0.5;
    public const double Jitter = 0.1;
    public const int HalfOpenTrials = 1;
    public const int SuccessThreshold = 2;
    public const string Name = "circuit";
    public static readonly TimeSpan FailureWindow = TimeSpan.FromSeconds(60);
    public static readonly TimeSpan SamplingDuration = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan BreakDuration = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan MaxBreakDuration = TimeSpan.FromSeconds(60);
    public static readonly TimeSpan HalfOpenExpiry = TimeSpan.FromSeconds(30);
}
