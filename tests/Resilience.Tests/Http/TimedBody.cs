using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>A response's body that takes its time before each byte and before its end, where it may break.</summary>
internal sealed class TimedBody(int length, TimeSpan pause, FakeTime time, bool breaks) : MemoryStream(new byte[length])
{
    /// <summary>It comes over a wire.</summary>
    public override bool CanSeek => false;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await time.DelayAsync(pause, cancellationToken).ConfigureAwait(false);
        var read = Read(buffer.Span[..1]);
        return read > 0 || !breaks ? read : throw new IOException("broken");
    }
}
