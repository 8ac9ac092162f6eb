using System.Buffers;
using System.Globalization;
using System.Net;
using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// A response's content that holds its attempt's lease until the body has been read to its end, has broken, or is
/// disposed. Its headers are the response's own.
/// </summary>
internal class TrackedContent : HttpContent
{
    private const long Unknown = -1;

    private readonly HttpContent _inner;
    private readonly long _length;
    private readonly long _outlivesAt;
    private readonly IdleLimit _idle;
    private readonly bool _isFramed;
    private bool _isClosing;

    /// <param name="length">The body's length, if it is known.</param>
    /// <param name="lease">Its outcome is what the headers showed; reported when the body does not show otherwise.</param>
    /// <param name="outlivesAt">When the body outlives the attempt timeout, in the clock's milliseconds.</param>
    /// <param name="idle">How long a read may wait for the next byte.</param>
    /// <param name="isFramed">Whether the body ends where its length says; over HTTP/2 its stream alone tells.</param>
    public TrackedContent(
        HttpContent inner,
        long? length,
        BackendLease lease,
        long outlivesAt,
        in IdleLimit idle = default,
        bool isFramed = true
    )
    {
        _inner = inner;
        _length = length ?? Unknown;
        Left = length ?? long.MaxValue;
        Lease = lease;
        _outlivesAt = outlivesAt;
        _idle = idle;
        _isFramed = isFramed;
        ContentHeaders.Copy(inner, this);
    }

    public BackendLease Lease { get; }

    /// <summary>The body's length, if it is known.</summary>
    public long? Length => _length == Unknown ? null : _length;

    /// <summary>How many bytes are still to come, by its length, whichever of its streams they come from.</summary>
    public long Left { get; set; }

    /// <summary>Whether an end would come too early now.</summary>
    public bool IsCutShort => _isFramed && _length != Unknown && Left > 0;

    /// <summary>
    /// Whether the body may be silent for as long as it likes: server-sent events come when there are any. The
    /// transport's own headers are asked, which nobody else reads.
    /// </summary>
    public bool MayBeSilent => ContentHeaders.IsEventStream(_inner);

    /// <summary>Whether it is on this side that the body has been broken.</summary>
    protected virtual bool IsBrokenHere => false;

    /// <summary>Whether a read may not wait for ever.</summary>
    public bool IsIdleLimited => !_idle.IsNone;

    /// <summary>What ends a read that waits too long.</summary>
    public IdleWatch? TakeWatch() => _idle.Take();

    /// <summary>Part of the body has come.</summary>
    public void OnProgress()
    {
        if (!Lease.IsReported && Lease.Backend.Pool.Clock.Milliseconds >= _outlivesAt)
        {
            Lease.Report(Lease.Outcome);
        }
    }

    /// <summary>The body has been read to its end, or its reader wants no more.</summary>
    public void OnEnded() => Lease.Return(Lease.Outcome);

    /// <summary>The body is about to be disposed: what a read that is under way throws from here on is no evidence.</summary>
    public void OnClosing() => Volatile.Write(ref _isClosing, true);

    /// <summary>Reading the body failed.</summary>
    /// <returns>Always <see langword="false"/>: it only takes note, before the stack unwinds.</returns>
    public bool OnBroken(Exception exception, CancellationToken cancellationToken)
    {
        // A body that is disposed under its reader, and a read that nobody can support, are the reader's doing.
        var isReaders =
            cancellationToken.IsCancellationRequested
            || Volatile.Read(ref _isClosing)
            || IsBrokenHere
            || exception is OperationCanceledException or ObjectDisposedException or NotSupportedException;
        Lease.Return(
            isReaders
                ? new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled)
                : new AttemptOutcome(OutcomeKind.Failure, FailureKind.Body, Lease.Outcome.StatusCode)
        );
        return false;
    }

    /// <summary>
    /// The body has ended where its length promised more. The platform's own stream tells, unless it is disposed under
    /// its reader; not every other does. No reader is to take a part for the whole.
    /// </summary>
    /// <returns>What its reader is told.</returns>
    public HttpIOException OnCutShort()
    {
        var exception = new HttpIOException(
            HttpRequestError.ResponseEnded,
            string.Create(
                CultureInfo.InvariantCulture,
                $"The response's body ended {Left} bytes before the {_length} that its Content-Length promised."
            )
        );
        OnBroken(exception, CancellationToken.None);
        return exception;
    }

    /// <summary>A read has waited too long: the backend's failure.</summary>
    /// <param name="cause">With what the read failed, if it did.</param>
    /// <returns>What its reader is told.</returns>
    public IOException OnStalled(Exception? cause)
    {
        var backend = Lease.Backend;
        Lease.Return(new AttemptOutcome(OutcomeKind.Failure, FailureKind.BodyStalled, Lease.Outcome.StatusCode));
        RequestTelemetry.RecordTimeout(backend.Pool, TimeoutKinds.IdleRead);
        var message = string.Create(
            CultureInfo.InvariantCulture,
            $"The response's body from backend '{backend.Name}' of pool '{backend.Pool.Name}' stalled: not a byte came within the idle read timeout (Timeouts:IdleRead) of {_idle.Time.TotalSeconds:0.0##} s."
        );
        return new IOException(message, new TimeoutException(message, cause));
    }

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        await SerializeToStreamAsync(stream, context, CancellationToken.None).ConfigureAwait(false);

    protected override async Task SerializeToStreamAsync(
        Stream stream,
        TransportContext? context,
        CancellationToken cancellationToken
    )
    {
        var body = await CreateContentReadStreamAsync(cancellationToken).ConfigureAwait(false);
        await using var _ = body.ConfigureAwait(false);
        await body.CopyToAsync(stream, TrackedStream.CopyBufferSize(Length), cancellationToken).ConfigureAwait(false);
    }

    protected override void SerializeToStream(
        Stream stream,
        TransportContext? context,
        CancellationToken cancellationToken
    )
    {
        using var body = CreateContentReadStream(cancellationToken);
        var buffer = ArrayPool<byte>.Shared.Rent(TrackedStream.CopyBufferSize(Length));
        int read;
        while ((read = Read(body, buffer, cancellationToken)) > 0)
        {
            stream.Write(buffer, 0, read);
        }

        // Only here: where a read has failed, something may still be about to write there.
        ArrayPool<byte>.Shared.Return(buffer);
    }

    /// <summary>
    /// Blocks in a read that the token ends: HttpClient disposes the content only after that. It may not do so under a
    /// read that blocks by itself; see <see cref="TrackedStream"/>.
    /// </summary>
    private static int Read(Stream body, byte[] buffer, CancellationToken cancellationToken) =>
        cancellationToken.CanBeCanceled
            ? Waiting.Block(
                static read => read.Body.ReadAsync(read.Buffer, read.Token),
                (Body: body, Buffer: buffer.AsMemory(), Token: cancellationToken)
            )
            : body.Read(buffer, 0, buffer.Length);

    protected override bool TryComputeLength(out long length)
    {
        length = Length ?? 0;
        return Length is not null;
    }

    protected override Task<Stream> CreateContentReadStreamAsync() =>
        CreateContentReadStreamAsync(CancellationToken.None);

    /* A content that is no stream by itself is read here, whole, and so may break here. */

    protected override Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken)
    {
        var opening = _inner.ReadAsStreamAsync(cancellationToken);
        return opening.IsCompletedSuccessfully
            ? Task.FromResult<Stream>(Opened(opening))
            : OpenAsync(opening, cancellationToken);
    }

    protected override Stream CreateContentReadStream(CancellationToken cancellationToken)
    {
        try
        {
            return new TrackedStream(_inner.ReadAsStream(cancellationToken), this);
        }
        catch (Exception exception) when (OnBroken(exception, cancellationToken))
        {
            throw;
        }
    }

    private TrackedStream Opened(Task<Stream> opened) => new(opened.Result, this);

    private async Task<Stream> OpenAsync(Task<Stream> opening, CancellationToken cancellationToken)
    {
        try
        {
            return new TrackedStream(await opening.ConfigureAwait(false), this);
        }
        catch (Exception exception) when (OnBroken(exception, cancellationToken))
        {
            throw;
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            OnClosing();
            try
            {
                _inner.Dispose();
            }
            finally
            {
                OnEnded();
            }
        }

        base.Dispose(disposing);
    }
}
