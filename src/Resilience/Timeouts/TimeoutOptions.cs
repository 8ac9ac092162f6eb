using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>How long things may take. Mutable until it is handed over; not thread-safe.</summary>
public sealed class TimeoutOptions
{
    /// <summary>
    /// The whole request with all its attempts and waits, until the response headers. Range: 10 ms to 12 hours, or
    /// <see cref="Timeout.InfiniteTimeSpan"/> for no limit.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan Total { get; set; } = TimeoutDefaults.Total;

    /// <summary>
    /// One attempt, until the response headers; cut to what is left of <see cref="Total"/>. Range: 10 ms to 12 hours, or
    /// <see cref="Timeout.InfiniteTimeSpan"/> for no limit.
    /// </summary>
    /// <value>The default is 10 seconds.</value>
    public TimeSpan Attempt { get; set; } = TimeoutDefaults.Attempt;

    /// <summary>
    /// Making a connection. A reload changes it for transports made later. Range: 10 ms to 1 hour.
    /// </summary>
    /// <value>The default is 5 seconds.</value>
    public TimeSpan Connect { get; set; } = TimeoutDefaults.Connect;

    /// <summary>
    /// How long an unused connection is kept. A reload changes it for transports made later. Range: 100 ms to 12 hours.
    /// </summary>
    /// <value>The default is 90 seconds.</value>
    public TimeSpan IdleConnection { get; set; } = TimeoutDefaults.IdleConnection;

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(Total), LimitProblem(Total)),
            (nameof(Attempt), LimitProblem(Attempt)),
            (nameof(Attempt), AttemptBeyondTotal()),
            (nameof(Connect), Ranges.Problem(Connect, TimeoutDefaults.Least, Ranges.Hour)),
            (nameof(IdleConnection), Ranges.Problem(IdleConnection, Ranges.Tenth, Ranges.HalfDay)),
        ];

    private static string? LimitProblem(TimeSpan limit) =>
        limit == Timeout.InfiniteTimeSpan ? null : Ranges.Problem(limit, TimeoutDefaults.Least, Ranges.HalfDay);

    private string? AttemptBeyondTotal() =>
        Total > TimeSpan.Zero && Attempt > Total
            ? $"is {Attempt:c}, longer than {nameof(Total)} ({Total:c}); an attempt must fit into the whole request"
            : null;
}
