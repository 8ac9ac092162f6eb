using System.Globalization;

namespace Resilience.Primitives;

/// <summary>
/// Checks of option values, worded once: what it is, what it may be. Durations have upper bounds because .NET reads
/// the configuration value "10" as ten days.
/// </summary>
internal static class Ranges
{
    public static readonly TimeSpan Tenth = TimeSpan.FromMilliseconds(100);
    public static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    /// <summary>The longest any duration may be: below a day, so that "1" for one second does not pass as one day.</summary>
    public static readonly TimeSpan HalfDay = TimeSpan.FromHours(12);

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    public static string? Problem(TimeSpan value, TimeSpan lowest, TimeSpan highest)
    {
        if (value >= lowest && value <= highest)
        {
            return null;
        }

        var hint =
            value >= Day && value.Ticks % Day.Ticks == 0
                ? $"; a bare number means days, so for {value.Days} seconds write \"{TimeSpan.FromSeconds(value.Days):c}\""
                : "";
        return $"is {value:c}, must be from {lowest:c} to {highest:c}{hint}";
    }

    public static string? Problem(double value, double lowest, double highest) =>
        value >= lowest && value <= highest
            ? null
            : string.Create(CultureInfo.InvariantCulture, $"is {value}, must be from {lowest} to {highest}");

    /// <summary>For a limit that must not lie below what it limits.</summary>
    public static string? NotShorter(TimeSpan value, TimeSpan other, string otherName) =>
        value >= other ? null : $"is {value:c}, must not be shorter than {otherName} ({other:c})";

    /// <summary>The rules of options inside others, under their name.</summary>
    /// <param name="rules"><see langword="null"/> where code, or a null in configuration, took them away.</param>
    public static IEnumerable<(string Option, string? Problem)> Below(
        string section,
        IEnumerable<(string Option, string? Problem)>? rules
    ) =>
        rules is null
            ? [(section, "is null, must be a section")]
            : rules.Select(rule => ($"{section}:{rule.Option}", rule.Problem));

    /// <summary>Throws one exception that names every problem of an options object.</summary>
    public static void ThrowIfAny(string what, IEnumerable<(string Option, string? Problem)> rules)
    {
        var problems = rules.Where(rule => rule.Problem is not null).Select(rule => $"{rule.Option} {rule.Problem}");
        if (string.Join("; ", problems) is { Length: > 0 } text)
        {
            throw new ArgumentException($"The {what} cannot be used: {text}.");
        }
    }
}
