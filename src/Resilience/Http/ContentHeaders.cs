using System.Globalization;

namespace Resilience.Http;

/// <summary>Reads and copies a content's headers as they are, unparsed.</summary>
internal static class ContentHeaders
{
    /// <summary>
    /// The content's length, if it is known; unlike the typed property this parses nothing into the collection where
    /// the header is there.
    /// </summary>
    public static long? LengthOf(HttpContent content) =>
        content.Headers.NonValidated.TryGetValues("Content-Length", out var values)
        && long.TryParse(values.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out var length)
            ? length
            : content.Headers.ContentLength;

    /// <summary>Whether it is server-sent events, which come when there are any, and never end.</summary>
    public static bool IsEventStream(HttpContent content) =>
        content.Headers.NonValidated.TryGetValues("Content-Type", out var type)
        && type.ToString().StartsWith("text/event-stream", StringComparison.OrdinalIgnoreCase);

    public static void Copy(HttpContent from, HttpContent to)
    {
        foreach (var header in from.Headers.NonValidated)
        {
            if (header.Value.Count == 1)
            {
                to.Headers.TryAddWithoutValidation(header.Key, header.Value.ToString());
            }
            else
            {
                to.Headers.TryAddWithoutValidation(header.Key, (IEnumerable<string>)header.Value);
            }
        }
    }
}
