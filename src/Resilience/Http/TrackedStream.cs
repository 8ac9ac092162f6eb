using System.Buffers;
using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// A response's body that tells its content of progress, end and failure. Reading the last byte of a known length is
/// the end. Reads and writes, as an upgraded connection does. Not thread-safe beyond what the inner stream is.
/// </summary>
internal sealed class TrackedStream(Stream inner, TrackedContent content) : Stream
{
    private const int DefaultCopyBufferSize = 16 * 1024;
    private const int MaxRentedSize = 64 * 1024;

    /// <summary>A body that can be sought in is here already, and may be read in any order.</summary>
    private readonly bool _isIdleLimited = content.IsIdleLimited && !inner.CanSeek;

    private IdleWatch? _watch;
    private bool _isWatchTaken;
    private bool? _isSilent;

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

    /* A read that is limited blocks until an asynchronous one has ended, by its bytes or by its watch's token, with which
       the platform closes the connection. A read that blocks by itself could only be ended by disposing the body under
       it, and then the platform drains the body first, beside that read: each of the two gets some of the bytes. */

    public override int Read(byte[] buffer, int offset, int count) =>
        count > 0 && IsReadLimited
            ? ReadLimited(buffer.AsMemory(offset, count))
            : ReadUnlimited(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty || !IsReadLimited)
        {
            return ReadUnlimited(buffer);
        }

        var size = Math.Min(buffer.Length, MaxRentedSize);
        var rented = ArrayPool<byte>.Shared.Rent(size);
        var read = ReadLimited(rented.AsMemory(0, size));
        rented.AsSpan(0, read).CopyTo(buffer);
        // Only here: where a read has failed, something may still be about to write there.
        ArrayPool<byte>.Shared.Return(rented);
        return read;
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
        // A reader that wants nothing any more is told so by the stream.
        var watch = cancellationToken.IsCancellationRequested ? null : TakeWatch();
        // A stream that fails before its first await throws here.
        ValueTask<int> reading;
        try
        {
            reading = inner.ReadAsync(buffer, watch?.Token ?? cancellationToken);
        }
        catch (Exception exception) when (NoteFailure(exception, cancellationToken))
        {
            throw;
        }

        return reading.IsCompletedSuccessfully ? ValueTask.FromResult(Note(reading.Result, buffer.Length, watch))
            : watch is null ? NoteAsync(reading, buffer.Length, cancellationToken)
            : NoteWatchedAsync(reading, buffer.Length, watch, cancellationToken);
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
            EndWatching();
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
                EndWatching();
                content.OnEnded();
            }
        }

        base.Dispose(disposing);
    }

    private bool IsSilent => _isSilent ??= content.MayBeSilent;

    private bool IsReadLimited => _isIdleLimited && !IsSilent;

    private int ReadLimited(Memory<byte> buffer) =>
        Waiting.Block(static read => read.Stream.ReadAsync(read.Buffer), (Stream: this, Buffer: buffer));

    private int ReadUnlimited(Span<byte> buffer)
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

    private async ValueTask<int> NoteWatchedAsync(
        ValueTask<int> reading,
        int asked,
        IdleWatch watch,
        CancellationToken cancellationToken
    )
    {
        int read;
        try
        {
            // Only a read that waits can be cancelled; one that had its bytes at hand is done without.
            watch.Link(cancellationToken);
            BeginWait(watch);
            read = await reading.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            if (Surfaced(exception, watch, cancellationToken) is { } other)
            {
                throw other;
            }

            throw;
        }

        return NoteWatched(read, asked, watch);
    }

    private int NoteWatched(int read, int asked, IdleWatch watch)
    {
        if (!watch.EndWait())
        {
            return Note(read, asked, watch);
        }

        // Whatever has come after its time: with the watch's token the connection may be closed, or about to be.
        watch.Release();
        throw content.OnStalled(cause: null);
    }

    /// <summary>Takes note of a failed read; no later read is watched.</summary>
    /// <returns>What its reader is told instead; <see langword="null"/> for the exception as it is.</returns>
    private Exception? Surfaced(Exception exception, IdleWatch watch, CancellationToken cancellationToken)
    {
        var isStalled = watch.EndWait();
        watch.Release();
        if (isStalled && !cancellationToken.IsCancellationRequested)
        {
            return content.OnStalled(exception);
        }

        content.OnBroken(exception, cancellationToken);
        // It ended with the watch's token, which the reader has never seen.
        return exception is OperationCanceledException && cancellationToken.IsCancellationRequested
            ? new TaskCanceledException(exception.Message, exception, cancellationToken)
            : null;
    }

    /// <summary>
    /// The watch of the body, for one read at a time. A second read beside it, and one after the body's end, go
    /// unwatched; so do bodies that are here already.
    /// </summary>
    private IdleWatch? TakeWatch() =>
        _isIdleLimited && !Interlocked.Exchange(ref _isWatchTaken, true) ? _watch ??= content.TakeWatch() : null;

    private void BeginWait(IdleWatch watch)
    {
        if (!IsSilent)
        {
            watch.BeginWait();
        }
    }

    /// <summary>The body is disposed: unless a read is under way, which then ends the watching, nobody uses the watch.</summary>
    private void EndWatching()
    {
        if (_isIdleLimited && !Interlocked.Exchange(ref _isWatchTaken, true))
        {
            _watch?.Release();
        }
    }

    private int Note(int read, int asked, IdleWatch? watch = null)
    {
        content.Left -= read;
        var isOver = read == 0 && asked > 0;
        if (watch is not null && isOver)
        {
            watch.Release();
        }
        else if (watch is not null)
        {
            // Also after the last byte of its length: over HTTP/2 nothing keeps a server from going on, or from silence.
            watch.Unlink();
            if (watch.Token.IsCancellationRequested)
            {
                // The reader's token ended just as the bytes came: the next read has a watch of its own.
                watch.Release();
                _watch = null;
            }

            Volatile.Write(ref _isWatchTaken, false);
        }

        if (isOver && !inner.CanSeek && content.IsCutShort)
        {
            throw content.OnCutShort();
        }

        if (isOver || content.Left <= 0)
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
