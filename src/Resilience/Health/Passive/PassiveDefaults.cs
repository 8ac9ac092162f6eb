namespace Resilience.Health.Passive;

/// <summary>The defaults and fixed figures of passive detection, in one place.</summary>
internal static class PassiveDefaults
{
    public const int ConsecutiveFailures = 5;
    public const int ConsecutiveSuccesses = 0;
    public const double FailureRate = 0.5;
    public const int MinimumRequests = 10;
    public const double SlowResponseRate = 0.5;
    public const double Jitter = 0.1;
    public const double RelativeFailureGap = 0;
    public const double RelativeTimeFactor = 0;
    public static readonly TimeSpan Window = TimeSpan.FromSeconds(60);
    public static readonly TimeSpan EjectionTime = TimeSpan.FromSeconds(5);
    public static readonly TimeSpan MaxEjectionTime = TimeSpan.FromSeconds(300);
    public static readonly TimeSpan MaxCoolingTime = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan RelativeTimeGap = TimeSpan.FromMilliseconds(250);
    public static readonly TimeSpan SilenceTime = TimeSpan.FromSeconds(2);

    /// <summary>So many requests must wait on a backend before it is silent.</summary>
    public const int SilenceRequests = 5;

    /// <summary>Backends are compared with one another so often at most.</summary>
    public const long ComparisonMilliseconds = 1_000;

    private const int SilenceFactor = 4;

    /// <summary>An ejection that law 6 forbids is not asked for again sooner.</summary>
    public const long AskAgainMilliseconds = 100;

    /// <summary>A cooling is not prolonged by less: the answers to one burst ask for nearly the same.</summary>
    public const long LeastProlongation = 1_000;

    /// <summary>How long requests wait on a backend before it is silent, where answers take so long usually.</summary>
    public static TimeSpan SilenceAfter(TimeSpan usual)
    {
        var several = SilenceFactor * usual;
        return several > SilenceTime ? several : SilenceTime;
    }
}
