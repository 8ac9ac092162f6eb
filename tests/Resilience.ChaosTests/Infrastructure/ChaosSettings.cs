using System.Globalization;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>What <c>eng/chaos</c> asks for by environment variables; without any, the short version that CI runs.</summary>
internal static class ChaosSettings
{
    /// <summary>Whether the scenarios take their time and the library's own defaults.</summary>
    public static readonly bool IsLong = Environment.GetEnvironmentVariable("RESILIENCE_CHAOS") == "long";

    /// <summary>The file that a row of a Markdown table is added to for each scenario; none if null.</summary>
    public static readonly string? TableFile = Environment.GetEnvironmentVariable("RESILIENCE_CHAOS_TABLE");

    /// <summary>
    /// What the random scripts are made from: the seed that was asked for; else the long version draws some, and the short
    /// one, which must fail only for what was changed, always takes the same.
    /// </summary>
    public static readonly IReadOnlyList<int> Seeds =
        Number("RESILIENCE_CHAOS_SEED") is { } seed ? [seed]
        : IsLong ? [.. Enumerable.Range(0, 4).Select(_ => Random.Shared.Next(1_000_000))]
        : [261_122];

    /// <summary>For how many minutes the soak runs; it is no part of the short version.</summary>
    public static readonly int? SoakMinutes = Number("RESILIENCE_SOAK_MINUTES");

    /// <summary>Requests a second: a client and three backends share two cores with whatever else runs there.</summary>
    public static readonly int Rate = IsLong ? 200 : 100;

    /// <summary>So many requests make a part of a scenario long enough for figures.</summary>
    public static readonly int Part = IsLong ? 5 * Rate : 3 * Rate / 4;

    /// <summary>
    /// For a backend to come back or a request to end; spent only by a test that fails. By the library's own defaults an
    /// ejection can last for minutes.
    /// </summary>
    public static readonly TimeSpan Patience = IsLong ? TimeSpan.FromMinutes(6) : 4 * Limits.Wait;

    private static int? Number(string name) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } text
            ? int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture)
            : null;
}
