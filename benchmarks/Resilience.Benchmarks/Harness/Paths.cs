namespace Resilience.Benchmarks.Harness;

/// <summary>What the requests of a row ask for.</summary>
public enum Paths
{
    /// <summary>Always the same, as a client of GraphQL, or one that polls, does: what was made for one serves the next.</summary>
    Same,

    /// <summary>Each something else, so that nothing made for one request serves another.</summary>
    Varied,
}
