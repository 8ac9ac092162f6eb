namespace Resilience.ChaosTests.Load;

/// <summary>One request that failed.</summary>
/// <param name="Id">Its id; the backends that saw it know it.</param>
/// <param name="IsWrite">Whether it must not be repeated.</param>
/// <param name="Phase">The phase in which it was meant to begin.</param>
/// <param name="Limit">The limit that its failure names; <see langword="null"/> if it names none.</param>
/// <param name="What">Its failure and its attempts in words.</param>
internal sealed record FailedRequest(string Id, bool IsWrite, string Phase, string? Limit, string What)
{
    public override string ToString() =>
        $"{(IsWrite ? "POST" : "GET")} {Id} ({Phase}, limit: {Limit ?? "none"}): {What}";
}
