using Resilience.Primitives;

namespace Resilience.Timeouts;

/// <summary>How long things may take. Mutable until it is handed over; not thread-safe.</summary>
/// <remarks>
/// A process that cannot run, for want of a thread or because it was stopped, has up to two seconds more to read what has
/// come meanwhile; an attempt that times out even so, before there is a thread, is no evidence against its backend.
/// </remarks>
public sealed class TimeoutOptions
{
    /// <summary>
    /// The whole request with all its attempts and waits, until the response headers. Range: 10 ms to 12 hours, or
    /// <see cref="Timeout.InfiniteTimeSpan"/> for no limit.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan Total { get; set; } = TimeoutDefaults.Total;

    /// <summary>
    /// One attempt, until the response headers; cut to what is left of <see cref="Total"/>. In a pool shorter than
    /// <c>CircuitBreaker:HalfOpenExpiry</c> (30 seconds by default) where circuits are used, so raise both together. Range:
    /// 10 ms to 12 hours, or <see cref="Timeout.InfiniteTimeSpan"/> for no limit.
    /// </summary>
    /// <value>The default is 10 seconds.</value>
    public TimeSpan Attempt { get; set; } = TimeoutDefaults.Attempt;

    /// <summary>
    /// Making a connection. A reload changes it for transports made later; that of the probes stays. Range: 10 ms to 1
    /// hour.
    /// </summary>
    /// <value>The default is 5 seconds.</value>
    public TimeSpan Connect { get; set; } = TimeoutDefaults.Connect;

    /// <summary>
    /// How long a read of a response's body may wait for the next byte. The time that the reader itself takes does not
    /// count, nor do upgraded connections and <c>text/event-stream</c>, which may be silent. Holds where bodies are
    /// tracked. Range: 10 ms to 12 hours, or <see cref="Timeout.InfiniteTimeSpan"/> for no limit.
    /// </summary>
    /// <remarks>A body that stalls ends with an <see cref="IOException"/> and is its backend's failure.</remarks>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan IdleRead { get; set; } = TimeoutDefaults.IdleRead;

    /// <summary>
    /// How long a write of a request's content, 64 KB of it at most, may wait for the backend to take it. The time that the
    /// content itself takes does not count. Holds for asynchronous sendings; synchronous ones end with
    /// <see cref="Attempt"/>. Range: 10 ms to 12 hours, or <see cref="Timeout.InfiniteTimeSpan"/> for no limit.
    /// </summary>
    /// <value>The default is 30 seconds.</value>
    public TimeSpan IdleWrite { get; set; } = TimeoutDefaults.IdleWrite;

    /// <summary>
    /// How long an unused connection is kept. A reload changes it for transports made later; that of the probes stays.
    /// Range: 100 ms to 12 hours.
    /// </summary>
    /// <value>The default is 90 seconds.</value>
    public TimeSpan IdleConnection { get; set; } = TimeoutDefaults.IdleConnection;

    /// <summary>
    /// The name of a header that tells each backend how much time is left for its answer, in whole milliseconds, such as
    /// <c>X-Deadline-Milliseconds</c>. Not sent where nothing limits the request, or where the request has a header of that
    /// name already. No header of contents, nor <c>Host</c> or <c>Transfer-Encoding</c>.
    /// </summary>
    /// <value>The default is <see langword="null"/>: no header.</value>
    public string? DeadlineHeader { get; set; }

    internal IEnumerable<(string Option, string? Problem)> Problems() =>
        [
            (nameof(Total), LimitProblem(Total)),
            (nameof(Attempt), LimitProblem(Attempt)),
            (nameof(Attempt), AttemptBeyondTotal()),
            (nameof(Connect), Ranges.Problem(Connect, TimeoutDefaults.Least, Ranges.Hour)),
            (nameof(IdleRead), LimitProblem(IdleRead)),
            (nameof(IdleWrite), LimitProblem(IdleWrite)),
            (nameof(DeadlineHeader), HeaderProblem(DeadlineHeader)),
            (nameof(IdleConnection), Ranges.Problem(IdleConnection, Ranges.Tenth, Ranges.HalfDay)),
        ];

    private static string? LimitProblem(TimeSpan limit) =>
        limit == Timeout.InfiniteTimeSpan ? null : Ranges.Problem(limit, TimeoutDefaults.Least, Ranges.HalfDay);

    private static string? HeaderProblem(string? name) =>
        name is not null && HeaderRules.NameProblem(name) is { } problem
            ? $"is '{name}', which {problem}; must be a request header's name, such as X-Deadline-Milliseconds"
            : null;

    private string? AttemptBeyondTotal() =>
        Total > TimeSpan.Zero && Attempt > Total
            ? $"is {Attempt:c}, longer than {nameof(Total)} ({Total:c}); an attempt must fit into the whole request"
            : null;
}
