using System.Collections.Frozen;
using System.Text.Json;

namespace Resilience.Telemetry;

/// <summary>The names of an enumeration as the conventions of metrics write words: <c>half_open</c>. Made once.</summary>
internal static class Words<T>
    where T : struct, Enum
{
    private static readonly FrozenDictionary<T, string> All = Enum.GetValues<T>()
        .ToFrozenDictionary(value => value, value => JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString()));

    public static string Of(T value) => All[value];
}
