using System.Runtime.ExceptionServices;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// The transport's stream while a request's content is written to it: notes how much was written and whether writing
/// failed, which tells a broken connection from a content that throws or breaks its promised length. Not thread-safe, as
/// streams are not.
/// </summary>
/// <param name="watch">Ends the attempt when the connection takes too long over a write.</param>
/// <param name="promised">The content's own length, if it has one.</param>
/// <param name="cancellation">The token that the transport has given for the whole content.</param>
internal sealed class AttemptTarget(
    Stream stream,
    IdleWatch? watch = null,
    long? promised = null,
    CancellationToken cancellation = default
) : Stream
{
    /* The most that a backend has to take within one idle write timeout. */
    private const int Piece = 64 * 1024;

    /* What _writes holds: in the lowest bit, that the content has ended and no write may begin; above it, how many run. */
    private const int Ended = 1;
    private const int OneRunning = 2;

    private int _writes;
    private volatile bool _hasEndedItself;

    /// <summary>Whether the connection refused what was written.</summary>
    public bool HasFailed => Failure is not null;

    /// <summary>What it said to the first write that it refused.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Whether a write is under way; the connection ends it by itself when it breaks.</summary>
    public bool IsWriting => Volatile.Read(ref _writes) >= OneRunning;

    /// <summary>Whether the content has ended its last write itself, by a token of its own.</summary>
    public bool HasEndedItself => _hasEndedItself;

    /// <summary>The bytes that the content gave, those that were refused included.</summary>
    public long Given { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => stream.CanWrite;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Given += buffer.Length;
        try
        {
            stream.Write(buffer);
        }
        catch (Exception exception) when (Note(exception))
        {
            throw;
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <remarks>
    /// A content in memory comes as one write: watched as a whole, a large one would count as stalled although the backend
    /// takes of it all the time. What is more than was promised stays whole, so that the transport refuses it before any of
    /// it has gone out.
    /// </remarks>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        watch is null ? WriteWholeAsync(buffer, cancellationToken)
        : IsOwn(cancellationToken) ? WriteByEitherAsync(watch, buffer, cancellationToken)
        : WriteWatchedAsync(buffer, watch.Token);

    public override void Flush()
    {
        try
        {
            stream.Flush();
        }
        catch (Exception exception) when (Note(exception))
        {
            throw;
        }
    }

    public override Task FlushAsync(CancellationToken cancellationToken) =>
        watch is null ? FlushByAsync(cancellationToken)
        : IsOwn(cancellationToken) ? FlushByEitherAsync(watch, cancellationToken)
        : FlushByAsync(watch.Token);

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Throws what a write ended by that the backend did not take in time: a content may have kept that to itself.</summary>
    public void ThrowIfStalled()
    {
        if (watch is { HasStalled: true } && Failure is { } failure)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <summary>The content has ended: nothing may be written any more.</summary>
    /// <returns>Whether it has left no write behind, so that nobody uses the watch.</returns>
    public bool TryEnd() => Interlocked.Or(ref _writes, Ended) < OneRunning;

    /// <summary>
    /// The watch ends a write, and the transport's token ends the watch. Over HTTP/2 a write that waits for the stream's
    /// window ends by its token alone, so one for which the content has a token of its own ends by either: otherwise it
    /// would never be let go.
    /// </summary>
    private bool IsOwn(CancellationToken cancellationToken) =>
        cancellationToken.CanBeCanceled && cancellationToken != cancellation;

    private async ValueTask WriteByEitherAsync(IdleWatch watch, ReadOnlyMemory<byte> buffer, CancellationToken own)
    {
        // Made for each write: whoever gives a token of his own may take it back between two writes, and with it what was
        // registered there (CancellationTokenSource.TryReset).
        using var either = CancellationTokenSource.CreateLinkedTokenSource(own, watch.Token);
        using var noting = NoteEndOf(watch, own);
        try
        {
            await WriteWatchedAsync(buffer, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (own.IsCancellationRequested)
        {
            throw new OperationCanceledException(exception.Message, exception, own);
        }
    }

    private async Task FlushByEitherAsync(IdleWatch watch, CancellationToken own)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(own, watch.Token);
        using var noting = NoteEndOf(watch, own);
        try
        {
            await FlushByAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception) when (own.IsCancellationRequested)
        {
            throw new OperationCanceledException(exception.Message, exception, own);
        }
    }

    /// <summary>
    /// Takes note whether the content's own token is the first to end, which it tells before it ends anything else. Over
    /// HTTP/2 a write that ends by its token ends the transport's, and a content may have linked its own to that one: when
    /// the write throws, all of them have ended.
    /// </summary>
    private CancellationTokenRegistration NoteEndOf(IdleWatch watch, CancellationToken own)
    {
        _hasEndedItself = false;
        return own.UnsafeRegister(
            static state =>
            {
                var (target, transports, watchs) = ((AttemptTarget, CancellationToken, CancellationToken))state!;
                target._hasEndedItself = !transports.IsCancellationRequested && !watchs.IsCancellationRequested;
            },
            (this, cancellation, watch.Token)
        );
    }

    private Task FlushByAsync(CancellationToken ending)
    {
        BeginWrite();
        Task flushing;
        try
        {
            flushing = stream.FlushAsync(ending);
        }
        catch (Exception exception)
        {
            Note(exception);
            EndWrite();
            throw;
        }

        if (!flushing.IsCompletedSuccessfully)
        {
            return NoteAsync(new ValueTask(flushing)).AsTask();
        }

        EndWrite();
        return flushing;
    }

    private ValueTask WriteWatchedAsync(ReadOnlyMemory<byte> buffer, CancellationToken ending) =>
        buffer.Length <= Piece || Given + buffer.Length > promised
            ? WriteWholeAsync(buffer, ending)
            : WriteInPiecesAsync(buffer, ending);

    private async ValueTask WriteInPiecesAsync(ReadOnlyMemory<byte> buffer, CancellationToken ending)
    {
        // One write, also between two pieces: a content that leaves it behind and ends must not have its watch lent to
        // another meanwhile.
        BeginWrite();
        try
        {
            for (var at = 0; at < buffer.Length; at += Piece)
            {
                var piece = buffer.Slice(at, Math.Min(Piece, buffer.Length - at));
                await WriteWholeAsync(piece, ending).ConfigureAwait(false);
            }
        }
        finally
        {
            EndWrite();
        }
    }

    private ValueTask WriteWholeAsync(ReadOnlyMemory<byte> buffer, CancellationToken ending)
    {
        BeginWrite();
        Given += buffer.Length;
        // A stream that fails before its first await throws here.
        ValueTask writing;
        try
        {
            writing = stream.WriteAsync(buffer, ending);
        }
        catch (Exception exception)
        {
            Note(exception);
            EndWrite();
            throw;
        }

        if (!writing.IsCompletedSuccessfully)
        {
            return NoteAsync(writing);
        }

        EndWrite();
        return writing;
    }

    private async ValueTask NoteAsync(ValueTask writing)
    {
        watch?.BeginWait();
        try
        {
            await writing.ConfigureAwait(false);
        }
        catch (Exception exception) when (Note(exception))
        {
            throw;
        }
        finally
        {
            watch?.EndWait();
            EndWrite();
        }
    }

    private void BeginWrite()
    {
        if ((Interlocked.Add(ref _writes, OneRunning) & Ended) != 0)
        {
            EndWrite();
            throw new IOException("The request's content has ended already; nothing can be written for it any more.");
        }
    }

    private void EndWrite() => Interlocked.Add(ref _writes, -OneRunning);

    /// <summary>A write that the content itself has ended says nothing of the connection.</summary>
    /// <returns>Always <see langword="false"/>: it only takes note, before the stack unwinds.</returns>
    private bool Note(Exception exception)
    {
        if (exception is not OperationCanceledException || !_hasEndedItself)
        {
            Failure ??= exception;
        }

        return false;
    }
}
