using Resilience.Primitives;

namespace Resilience.Retries;

/// <summary>
/// How often and how soon a failed request is attempted again. Another backend is tried at once; the delays apply
/// before the same backend is tried again. Mutable until it is handed over; not thread-safe.
/// </summary>
public sealed class RetryOptions
{
    /// <summary>
    /// For <see cref="MaxAttempts"/>: no limit but the caller's cancellation and, in a pool, its deadline and budget.
    /// </summary>
    public const int Unlimited = int.MaxValue;

    /// <summary>Whether a failed attempt is followed by another.</summary>
    /// <value>The default is <see langword="true"/>.</value>
    public bool Enabled { get; set; } = true;

    /// <summary>
    /// Attempts in total, the first one included: 1 means no retry. Range: 1 to 100, or <see cref="Unlimited"/>.
    /// </summary>
    /// <value>The default is 3.</value>
    public int MaxAttempts { get; set; } = RetryDefaults.MaxAttempts;

    /// <summary>The longest delay before the first retry on the same backend. Range: 0 to <see cref="MaxDelay"/>.</summary>
    /// <value>The default is 100 milliseconds.</value>
    public TimeSpan InitialDelay { get; set; } = RetryDefaults.InitialDelay;

    /// <summary>The factor by which the delay grows. Range: 1 to 10.</summary>
    /// <value>The default is 2.</value>
    public double Multiplier { get; set; } = RetryDefaults.Multiplier;

    /// <summary>The longest delay. Range: <see cref="InitialDelay"/> to 1 hour.</summary>
    /// <value>The default is 10 seconds.</value>
    public TimeSpan MaxDelay { get; set; } = RetryDefaults.MaxDelay;

    /// <summary>The random share of each delay: 1 draws from zero to the delay, 0 draws nothing. Range: 0 to 1.</summary>
    /// <value>The default is 1 (full jitter).</value>
    public double Jitter { get; set; } = RetryDefaults.Jitter;

    /// <summary>
    /// The longest <c>Retry-After</c> of a response that is waited for before the same backend is tried again; a longer
    /// one ends the request with that response. Range: 0 to 1 hour.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan MaxRetryAfter { get; set; } = RetryDefaults.MaxRetryAfter;

    /// <summary>
    /// The methods whose requests may be sent twice without harm, such as <c>"GET"</c>; compared without regard to case,
    /// as <see cref="HttpMethod"/> does. For requests through a pool.
    /// </summary>
    /// <value>Empty by default, which means GET, HEAD, OPTIONS, TRACE, PUT and DELETE.</value>
    public IList<string> IdempotentMethods { get; set; } = [];

    /// <summary>The allowance of extra attempts, shared by all requests of a pool.</summary>
    public RetryBudgetOptions Budget { get; set; } = new();

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(MaxAttempts), MaxAttempts == Unlimited ? null : Ranges.Problem(MaxAttempts, 1, 100)),
            (nameof(InitialDelay), Ranges.Problem(InitialDelay, TimeSpan.Zero, Ranges.Hour)),
            (nameof(Multiplier), Ranges.Problem(Multiplier, 1, 10)),
            (nameof(MaxDelay), Ranges.Problem(MaxDelay, TimeSpan.Zero, Ranges.Hour)),
            (nameof(MaxDelay), Ranges.NotShorter(MaxDelay, InitialDelay, nameof(InitialDelay))),
            (nameof(Jitter), Ranges.Problem(Jitter, 0, 1)),
            (nameof(MaxRetryAfter), Ranges.Problem(MaxRetryAfter, TimeSpan.Zero, Ranges.Hour)),
            (nameof(IdempotentMethods), IdempotentMethods is null ? "is null, must be a list" : null),
            .. (IdempotentMethods ?? []).Select(
                (method, i) => ($"{nameof(IdempotentMethods)}:{i}", RetryRules.MethodProblem(method))
            ),
        ];
}
