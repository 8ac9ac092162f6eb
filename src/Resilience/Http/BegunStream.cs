namespace Resilience.Http;

/// <summary>
/// A body whose beginning has been read into memory already: gives that first, and then what follows. Owns the rest and the
/// content that it is of. Not thread-safe beyond what the rest is.
/// </summary>
internal sealed class BegunStream(ReadOnlyMemory<byte> beginning, Stream rest, HttpContent content) : Stream
{
    private ReadOnlyMemory<byte> _beginning = beginning;

    public override bool CanRead => rest.CanRead;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer) => _beginning.IsEmpty ? rest.Read(buffer) : Take(buffer);

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _beginning.IsEmpty ? rest.ReadAsync(buffer, cancellationToken)
        : cancellationToken.IsCancellationRequested ? ValueTask.FromCanceled<int>(cancellationToken)
        : ValueTask.FromResult(Take(buffer.Span));

    public override void Flush() { }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _beginning = default;
            try
            {
                rest.Dispose();
            }
            finally
            {
                content.Dispose();
            }
        }

        base.Dispose(disposing);
    }

    private int Take(Span<byte> buffer)
    {
        var count = Math.Min(buffer.Length, _beginning.Length);
        _beginning.Span[..count].CopyTo(buffer);
        // The memory goes with the last byte of it.
        _beginning = count == _beginning.Length ? default : _beginning[count..];
        return count;
    }
}
