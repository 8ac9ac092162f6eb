using System.Globalization;

namespace Resilience.Health.Active;

/// <summary>A range of HTTP statuses, both ends included. Immutable.</summary>
internal readonly record struct StatusRange(int First, int Last)
{
    public static string? Problem(string? text) =>
        TryParse(text, out _) ? null : $"is '{text}', must be a status such as 200 or a range such as 200-299";

    public static bool TryParse(string? text, out StatusRange range)
    {
        range = default;
        var parts = (text ?? "").Split('-');
        if (
            parts.Length > 2
            || !TryParseStatus(parts[0], out var first)
            || !TryParseStatus(parts[^1], out var last)
            || first > last
        )
        {
            return false;
        }

        range = new StatusRange(first, last);
        return true;
    }

    public bool Contains(int status) => status >= First && status <= Last;

    private static bool TryParseStatus(string text, out int status) =>
        int.TryParse(text.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out status)
        && status is >= 100 and <= 599;
}
