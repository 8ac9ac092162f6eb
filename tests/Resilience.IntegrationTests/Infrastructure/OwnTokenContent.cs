using System.Net;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>Writes by a token of its own, as calls that stream do, whose writes end with the call.</summary>
internal sealed class OwnTokenContent(byte[] bytes, CancellationToken own) : HttpContent
{
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        stream.WriteAsync(bytes, own).AsTask();

    protected override bool TryComputeLength(out long length)
    {
        length = bytes.Length;
        return true;
    }
}
