namespace Resilience.Retries;

/// <summary>The defaults of retries, in one place.</summary>
internal static class RetryDefaults
{
    public const int MaxAttempts = 3;
    public const double Multiplier = 2;
    public const double Jitter = 1;
    public const double BudgetRatio = 0.2;
    public const double BudgetMinimumPerSecond = 10;
    public static readonly TimeSpan InitialDelay = TimeSpan.FromMilliseconds(100);
    public static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(10);
    public static readonly TimeSpan MaxRetryAfter = TimeSpan.FromSeconds(30);
    public static readonly TimeSpan BudgetWindow = TimeSpan.FromSeconds(10);
}
