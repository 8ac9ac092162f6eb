namespace Resilience.Http;

/// <summary>
/// A response's body that tells its content of progress, end and failure. Reading the last byte of a known length is
/// the end. Reads and writes, as an upgraded connection does. Not thread-safe beyond what the inner stream is.
/// </summary>
internal sealed class TrackedStream(Stream inner, TrackedContent content) : Stream
{
    private const int DefaultCopyBufferSize = 16 * 1024;

    private long _left = content.Length ?? long.MaxValue;

    public override bool CanRead => inner.CanRead;

    public override bool CanSeek => inner.CanSeek;

    public override bool CanWrite => inner.CanWrite;

    public override bool CanTimeout => inner.CanTimeout;

    public override long Length => inner.Length;

    public override long Position
    {
        get => inner.Position;
        set => inner.Position = value;
    }

    public override int ReadTimeout
    {
        get => inner.ReadTimeout;
        set => inner.ReadTimeout = value;
    }

    public override int WriteTimeout
    {
        get => inner.WriteTimeout;
        set => inner.WriteTimeout = value;
    }

    /// <summary>A buffer no larger than the body, if that is known.</summary>
    public static int CopyBufferSize(long? length) =>
        length is > 0 and < DefaultCopyBufferSize ? (int)length : DefaultCopyBufferSize;

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return Note(inner.Read(buffer), buffer.Length);
        }
        catch (Exception exception) when (NoteFailure(exception, CancellationToken.None))
        {
            throw;
        }
    }

    public override int ReadByte()
    {
        Span<byte> one = [0];
        return Read(one) == 0 ? -1 : one[0];
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        // A stream that fails before its first await throws here.
        ValueTask<int> reading;
        try
        {
            reading = inner.ReadAsync(buffer, cancellationToken);
        }
        catch (Exception exception) when (NoteFailure(exception, cancellationToken))
        {
            throw;
        }

        return reading.IsCompletedSuccessfully
            ? ValueTask.FromResult(Note(reading.Result, buffer.Length))
            : NoteAsync(reading, buffer.Length, cancellationToken);
    }

    public override void Write(byte[] buffer, int offset, int count) => inner.Write(buffer, offset, count);

    public override void Write(ReadOnlySpan<byte> buffer) => inner.Write(buffer);

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        inner.WriteAsync(buffer, offset, count, cancellationToken);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        inner.WriteAsync(buffer, cancellationToken);

    public override void Flush() => inner.Flush();

    public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public override long Seek(long offset, SeekOrigin origin) => inner.Seek(offset, origin);

    public override void SetLength(long value) => inner.SetLength(value);

    public override async ValueTask DisposeAsync()
    {
        content.OnClosing();
        try
        {
            await inner.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            content.OnEnded();
        }

        await base.DisposeAsync().ConfigureAwait(false);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            content.OnClosing();
            try
            {
                inner.Dispose();
            }
            finally
            {
                content.OnEnded();
            }
        }

        base.Dispose(disposing);
    }

    private async ValueTask<int> NoteAsync(ValueTask<int> reading, int asked, CancellationToken cancellationToken)
    {
        try
        {
            return Note(await reading.ConfigureAwait(false), asked);
        }
        catch (Exception exception) when (NoteFailure(exception, cancellationToken))
        {
            throw;
        }
    }

    private int Note(int read, int asked)
    {
        _left -= read;
        if (_left <= 0 || (read == 0 && asked > 0))
        {
            content.OnEnded();
        }
        else
        {
            content.OnProgress();
        }

        return read;
    }

    /// <returns>Always <see langword="false"/>: it only takes note, before the stack unwinds.</returns>
    private bool NoteFailure(Exception exception, CancellationToken cancellationToken)
    {
        content.OnBroken(exception, cancellationToken);
        return false;
    }
}
