using System.Buffers;

namespace Resilience.Primitives;

/// <summary>
/// What a request header may be that an option sets, worded once. The platform takes more than it can send: what passes
/// unseen here fails every request later.
/// </summary>
internal static class HeaderRules
{
    /// <summary>RFC 9110, section 5.6.2: what names and methods are made of.</summary>
    private static readonly SearchValues<char> TokenCharacters = SearchValues.Create(
        "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    );

    /// <summary>They say where a message goes and where it ends.</summary>
    private static readonly string[] TransportsOwn = ["Host", "Transfer-Encoding"];

    public static bool IsToken(string? text) =>
        text is { Length: > 0 } && !text.AsSpan().ContainsAnyExcept(TokenCharacters);

    public static string? NameProblem(string name)
    {
        if (!IsToken(name))
        {
            return "is no header name";
        }

        using var request = new HttpRequestMessage();
        return !request.Headers.TryAddWithoutValidation(name, "1") ? "is a header of contents, not of requests"
            : TransportsOwn.Contains(name, StringComparer.OrdinalIgnoreCase) ? "is the transport's own"
            : null;
    }

    /// <summary>The value itself is not repeated: it may be a secret.</summary>
    public static string? ValueProblem(string? value) =>
        value is not null && value.All(each => each is '\t' or (>= ' ' and <= '~'))
            ? null
            : "has no value that a header could have: one line of printable ASCII";
}
