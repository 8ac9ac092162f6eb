namespace Resilience.Health.Passive;

/// <summary>The defaults of passive detection, in one place.</summary>
internal static class PassiveDefaults
{
    public const int ConsecutiveFailures = 5;
    public const double Jitter = 0.1;
    public static readonly TimeSpan EjectionTime = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan MaxEjectionTime = TimeSpan.FromSeconds(300);
}
