namespace Resilience.Primitives;

/// <summary>What a message may repeat of a text that somebody else wrote.</summary>
internal static class Redaction
{
    /// <summary>A longer text of a server's is cut.</summary>
    private const int MostPrinted = 200;

    /// <summary>A path without its query, which may hold a key or a token.</summary>
    public static string WithoutQuery(string path) =>
        path.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? path[..query] : path;

    /// <summary>
    /// The text without what may be a password or a key, also in an address so wrong that it cannot be read as one:
    /// everything before the last <c>@</c> but a scheme, and everything after a <c>?</c> or <c>#</c>.
    /// </summary>
    public static string WithoutSecrets(string? text)
    {
        text ??= "";
        var at = text.LastIndexOf('@');
        var tail = text.AsSpan().IndexOfAny('?', '#');
        if (at < 0)
        {
            return tail < 0 ? text : $"{text[..(tail + 1)]}***";
        }

        var scheme = text.IndexOf(Uri.SchemeDelimiter, StringComparison.Ordinal);
        var start = scheme >= 0 && scheme < at ? scheme + Uri.SchemeDelimiter.Length : 0;
        // With one of these before the last @ it cannot be told which of the two is part of a password.
        return tail < 0 ? $"{text[..start]}***{text[at..]}"
            : tail < at ? $"{text[..start]}***"
            : $"{text[..start]}***{text[at..(tail + 1)]}***";
    }

    /// <summary>
    /// What a server has sent, as far as it may stand in a log: one line, without control characters, and not long.
    /// </summary>
    public static string Printable(string text)
    {
        var cut = text.Length > MostPrinted ? $"{text[..MostPrinted]}..." : text;
        return cut.Any(char.IsControl)
            ? string.Create(
                cut.Length,
                cut,
                static (span, source) =>
                {
                    for (var i = 0; i < source.Length; i++)
                    {
                        span[i] = char.IsControl(source[i]) ? '?' : source[i];
                    }
                }
            )
            : cut;
    }
}
