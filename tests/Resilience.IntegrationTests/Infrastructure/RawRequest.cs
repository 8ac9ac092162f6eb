using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>One request as its bytes arrived at a <see cref="RawServer"/>.</summary>
/// <param name="Connection">The connection it came on, numbered from 1 in order of acceptance.</param>
/// <param name="Head">Request line and headers, byte for byte, with the empty line that ends them.</param>
/// <param name="Body">The body, without its chunk framing.</param>
/// <param name="IsComplete">Whether all of it arrived before the connection ended.</param>
internal sealed record RawRequest(int Connection, byte[] Head, byte[] Body, bool IsComplete)
{
    /// <summary>The head as text, one character for each byte.</summary>
    public string HeadText => Encoding.Latin1.GetString(Head);

    /// <summary>Whether it wants its connection closed after the answer, as servers then must (RFC 9112, 9.6).</summary>
    public bool AsksToClose => HeadText.Contains("\r\nConnection: close\r\n", StringComparison.OrdinalIgnoreCase);

    /// <summary>Such as <c>GET /x%2Fy HTTP/1.1</c>.</summary>
    public string RequestLine => HeadText.Split("\r\n")[0];
}
