using Resilience.Primitives;

namespace Resilience.Retries;

/// <summary>The terms of a <see cref="RetryBudget"/>. Mutable until it is handed over; not thread-safe.</summary>
public sealed class RetryBudgetOptions
{
    /// <summary>Extra attempts per successful request. Range: 0 to 10.</summary>
    /// <value>The default is 0.2.</value>
    public double Ratio { get; set; } = RetryDefaults.BudgetRatio;

    /// <summary>Extra attempts a second that are always allowed. Range: 0 to 1,000,000.</summary>
    /// <value>The default is 10.</value>
    public double MinimumPerSecond { get; set; } = RetryDefaults.BudgetMinimumPerSecond;

    /// <summary>The stretch of time over which requests and retries are weighed. Range: 100 ms to 1 hour.</summary>
    /// <value>The default is 10 seconds. A reload does not change it.</value>
    public TimeSpan Window { get; set; } = RetryDefaults.BudgetWindow;

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(Ratio), Ranges.Problem(Ratio, 0, 10)),
            (nameof(MinimumPerSecond), Ranges.Problem(MinimumPerSecond, 0, 1_000_000)),
            (nameof(Window), Ranges.Problem(Window, Ranges.Tenth, Ranges.Hour)),
        ];
}
