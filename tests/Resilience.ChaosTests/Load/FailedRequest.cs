namespace Resilience.ChaosTests.Load;

/// <summary>One request that failed.</summary>
/// <param name="Id">Its id; the backends that saw it know it.</param>
/// <param name="Number">Its place in the order of the requests, from 0.</param>
/// <param name="IsWrite">Whether it must not be repeated.</param>
/// <param name="Due">When it was meant to begin, as a timestamp.</param>
/// <param name="EndedAt">When it ended, as a timestamp.</param>
/// <param name="Limit">The limit that its failure names; <see langword="null"/> if it names none.</param>
/// <param name="IsResponse">Whether it failed by the status of a response.</param>
/// <param name="What">Its failure and its attempts in words.</param>
internal sealed record FailedRequest(
    string Id,
    long Number,
    bool IsWrite,
    long Due,
    long EndedAt,
    string? Limit,
    bool IsResponse,
    string What
)
{
    public override string ToString() => $"{(IsWrite ? "POST" : "GET")} {Id} (limit: {Limit ?? "none"}): {What}";
}
