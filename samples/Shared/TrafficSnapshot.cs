namespace Shared;

/// <summary>The traffic so far.</summary>
/// <param name="Requests">All requests that have ended, failed ones included.</param>
/// <param name="Failovers">Requests that needed more than one attempt.</param>
/// <param name="Slowest">The longest time from when a request was due until it ended.</param>
/// <param name="PerSecond">Answers per second over the last two seconds.</param>
/// <param name="Shares">Each backend's part of those answers, from 0 to 1.</param>
/// <param name="Served">Each backend's answers in total.</param>
/// <param name="Failures">The failed requests by reason.</param>
internal sealed record TrafficSnapshot(
    long Requests,
    long Failovers,
    TimeSpan Slowest,
    double PerSecond,
    IReadOnlyDictionary<string, double> Shares,
    IReadOnlyDictionary<string, long> Served,
    IReadOnlyDictionary<string, long> Failures
)
{
    public long Failed => Failures.Values.Sum();
}
