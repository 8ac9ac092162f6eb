namespace Resilience.Primitives;

/// <summary>What a message may repeat of a text that somebody else wrote.</summary>
internal static class Redaction
{
    /// <summary>
    /// The text with everything before its last <c>@</c> hidden except a scheme: in an address that may be a password,
    /// also in one so wrong that it cannot be read as an address.
    /// </summary>
    public static string WithoutUserInfo(string? text)
    {
        var at = text?.LastIndexOf('@') ?? -1;
        if (at < 0)
        {
            return text ?? "";
        }

        var scheme = text!.IndexOf(Uri.SchemeDelimiter, StringComparison.Ordinal);
        var start = scheme >= 0 && scheme < at ? scheme + Uri.SchemeDelimiter.Length : 0;
        return $"{text[..start]}***{text[at..]}";
    }
}
