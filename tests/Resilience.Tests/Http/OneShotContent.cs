using System.Net;

namespace Resilience.Tests.Http;

/// <summary>A content of three bytes that is there once: whoever reads it a second time would find nothing.</summary>
internal sealed class OneShotContent : HttpContent
{
    /// <summary>How often it was read.</summary>
    public int Reads { get; private set; }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
    {
        Reads++;
        await stream.WriteAsync(new byte[3]).ConfigureAwait(false);
    }

    protected override bool TryComputeLength(out long length)
    {
        length = 3;
        return true;
    }
}
