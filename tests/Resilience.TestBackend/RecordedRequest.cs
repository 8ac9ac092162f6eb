namespace Resilience.TestBackend;

/// <summary>One request as a backend received it, readable at <c>GET /_control/requests</c>.</summary>
/// <param name="Sequence">Its place in the order of arrival at this process, from 1; clearing does not restart it.</param>
/// <param name="Method">The method.</param>
/// <param name="RawTarget">The request target, byte for byte.</param>
/// <param name="Protocol">Such as <c>HTTP/1.1</c>.</param>
/// <param name="ConnectionId">The connection it came on; equal for requests of one connection.</param>
/// <param name="RequestId">The client's <c>X-Request-Id</c>, or null.</param>
/// <param name="Headers">All headers, HTTP/2 pseudo-headers as Kestrel shows them (<c>Host</c>).</param>
/// <param name="BodyLength">How many bytes of the body arrived.</param>
/// <param name="BodySha256">The SHA-256 of a body that arrived whole, lower-case hexadecimal; else null.</param>
/// <param name="End">How it ended.</param>
internal sealed record RecordedRequest(
    long Sequence,
    string Method,
    string RawTarget,
    string Protocol,
    string ConnectionId,
    string? RequestId,
    IReadOnlyList<RecordedHeader> Headers,
    long BodyLength,
    string? BodySha256,
    RequestEnd End
)
{
    /// <summary>The values of a header joined by <c>", "</c>, or null when it did not arrive.</summary>
    public string? Header(string name)
    {
        var values = Headers
            .Where(header => header.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            .Select(header => header.Value)
            .ToList();
        return values.Count == 0 ? null : string.Join(", ", values);
    }
}
