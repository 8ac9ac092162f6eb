using System.Globalization;
using System.Net;
using System.Runtime.ExceptionServices;
using Resilience.Primitives;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// The caller's content for one attempt: delegates everything, ends with the attempt's token even where the content
/// ignores it, and knows when serialisation began and ended, so that no content is ever read by two attempts at once.
/// It never disposes the caller's content.
/// </summary>
internal sealed class AttemptContent : HttpContent
{
    /* The state: four marks that stay, and above them how many serialisations run. */
    private const int Begun = 1;
    private const int Revoked = 2;
    private const int Detached = 4;
    private const int Abandoned = 8;
    private const int OneRunning = 16;

    private readonly HttpContent _inner;
    private readonly IdleLimit _idle;
    private readonly bool? _isReplayable;
    private CancellationToken? _attemptToken;
    private CancellationTokenSource? _lateEnd;
    private TaskCompletionSource? _released;
    private int _state;

    /// <param name="idle">How long a write may wait for the backend to take it.</param>
    /// <param name="isReplayable">Whether it can be read more than once, if the caller has said so.</param>
    public AttemptContent(HttpContent inner, in IdleLimit idle = default, bool? isReplayable = null)
    {
        _inner = inner;
        _idle = idle;
        _isReplayable = isReplayable;
        ContentHeaders.Copy(inner, this);
    }

    /// <summary>Whether the transport has asked for the first byte.</summary>
    public bool HasBegun => (Volatile.Read(ref _state) & Begun) != 0;

    /// <summary>
    /// Whether the content itself failed, not the connection that it was written to: it threw, or it gave more or fewer
    /// bytes than its own <c>Content-Length</c> promised, which the transport answers with an exception.
    /// </summary>
    public bool HasFailed { get; private set; }

    /// <summary>What it threw, if it has failed and threw anything.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Whether the backend did not take what was written in time.</summary>
    public bool HasStalled { get; private set; }

    /// <summary>Whether the content is not being read now.</summary>
    public bool IsReleased => Volatile.Read(ref _state) < OneRunning;

    /// <summary>
    /// Ends, without failing, when the content is no longer being read. Asked for once it is revoked, so that it is not
    /// read anew.
    /// </summary>
    public Task WhenReleased => IsReleased ? Task.CompletedTask : WhenReleasedAsync();

    /// <summary>
    /// Lets the attempt's token end the content, no longer the one that the transport gives: over HTTP/2 that one also ends
    /// when the stream is reset, and only the transport can say what that was.
    /// </summary>
    public void EndWith(CancellationToken attemptToken) => _attemptToken = attemptToken;

    /// <summary>
    /// Lets what begins from now on do without the attempt's token, which may soon be another attempt's: over HTTP/2 a
    /// response can come before the content has begun.
    /// </summary>
    /// <returns>Whether nothing runs that uses the token.</returns>
    public bool Detach() => Interlocked.Or(ref _state, Detached) < OneRunning;

    /// <summary>
    /// Forbids the attempt to begin with the content from now on: over HTTP/2 a response can come first, and the
    /// transport must not start reading what another attempt is about to send.
    /// </summary>
    public void Revoke() => Interlocked.Or(ref _state, Revoked);

    /// <summary>
    /// Ends what has begun since it was detached, and forbids it to begin: the attempt is given up. What had begun before
    /// ends with the attempt's token.
    /// </summary>
    public void Abandon()
    {
        Interlocked.Or(ref _state, Revoked | Abandoned);
        EndLate();
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override Task SerializeToStreamAsync(
        Stream stream,
        TransportContext? context,
        CancellationToken cancellationToken
    )
    {
        // The transport sends by itself once more what its server has refused, while the first sending may still read.
        return IsReleased
            ? SerializeAsync(stream, context, cancellationToken)
            : SerializeOnceReleasedAsync(stream, context, cancellationToken);
    }

    private async Task SerializeOnceReleasedAsync(
        Stream stream,
        TransportContext? context,
        CancellationToken cancellationToken
    )
    {
        await WhenReleased.WaitAsync(cancellationToken).ConfigureAwait(false);
        await SerializeAsync(stream, context, cancellationToken).ConfigureAwait(false);
    }

    private Task SerializeAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var isAttempts = Begin();
        // What ends the content beside the transport; a late one hears of it by the token that it is given.
        var late = isAttempts ? CancellationToken.None : BeginLate(cancellationToken);
        var ending = isAttempts ? _attemptToken ?? cancellationToken : late;
        var given = isAttempts ? cancellationToken : late;
        // Without a limit the watch still lets an attempt that is given up end the writes of its content.
        var watch = _idle.Take() ?? IdleWatch.Take(Clock.System, Timeout.InfiniteTimeSpan);
        var target = new AttemptTarget(stream, watch, Headers.ContentLength, given);
        var copying = CopyAsync(target, context, given);
        if (copying.IsCompletedSuccessfully)
        {
            Release(watch, target);
            return copying;
        }

        return EndInTimeAsync(copying, target, watch, ending, cancellationToken);
    }

    protected override void SerializeToStream(
        Stream stream,
        TransportContext? context,
        CancellationToken cancellationToken
    )
    {
        Begin();
        var target = new AttemptTarget(stream);
        try
        {
            _inner.CopyTo(target, context, cancellationToken);
            NoteEnd(target);
        }
        catch (Exception exception) when (NoteFailure(exception, target, cancellationToken))
        {
            throw;
        }
        finally
        {
            End();
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        var known = _inner.Headers.ContentLength;
        length = known ?? 0;
        return known is not null;
    }

    protected override Task<Stream> CreateContentReadStreamAsync() => _inner.ReadAsStreamAsync();

    /// <summary>
    /// Counted as running in the same step that finds the content not revoked: a call that has revoked it and then finds
    /// nothing running can rely on both, even while the content's own first lines run on this thread.
    /// </summary>
    /// <returns>Whether the attempt is still the one that it was made for.</returns>
    private bool Begin()
    {
        while (true)
        {
            var seen = Volatile.Read(ref _state);
            if ((seen & Revoked) != 0)
            {
                throw new IOException("The attempt has ended; its request's content is sent by another one.");
            }

            if ((seen & Begun) != 0 && !Replay.MayBeReadAgain(_inner, _isReplayable))
            {
                throw Refused();
            }

            if (Interlocked.CompareExchange(ref _state, (seen | Begun) + OneRunning, seen) == seen)
            {
                // What became of an earlier sending is done with.
                (HasFailed, Failure) = (false, null);
                return (seen & Detached) == 0;
            }
        }
    }

    /// <summary>
    /// The platform sends by itself once more after a redirect, a challenge, or a refusal over HTTP/2, whatever the content
    /// has left to give. Half of it must not arrive as if it were all.
    /// </summary>
    private IOException Refused()
    {
        HasFailed = true;
        return new IOException(
            "The request's content would have to be read a second time (after a redirect, a challenge or a refusal of its "
                + "server, or because a handler has read it before it was sent), but may be one that can be read only once. If "
                + "it can be repeated, set IsContentReplayable of the request's ConfigureResilience to true; if not, let the "
                + "pool read it first (BufferRequestUpTo)."
        );
    }

    /// <returns>
    /// What ends a content that has begun when its attempt's token was no longer the attempt's; the transport's ends it too.
    /// </returns>
    private CancellationToken BeginLate(CancellationToken cancellationToken)
    {
        var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        // Published before the state is looked at again: whoever abandons the content changes the state before it looks for
        // this, so one of the two always sees the other (both steps are full fences).
        Interlocked.Exchange(ref _lateEnd, end);
        if ((Volatile.Read(ref _state) & Abandoned) != 0)
        {
            EndLate();
        }

        return end.Token;
    }

    /// <summary>What the registrations throw belongs to those who registered.</summary>
    private void EndLate() => _ = Volatile.Read(ref _lateEnd)?.CancelAsync();

    private void End()
    {
        if (Interlocked.Add(ref _state, -OneRunning) < OneRunning)
        {
            Interlocked.Exchange(ref _released, null)?.TrySetResult();
        }
    }

    private async Task WhenReleasedAsync()
    {
        // A new reading may have begun between an earlier one's end and its telling.
        while (!IsReleased)
        {
            // Published before the state is looked at again: whoever ends the serialisation changes the state before it
            // looks for waiters, so one of the two always sees the other (both steps are full fences).
            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var released = Interlocked.CompareExchange(ref _released, mine, null) ?? mine;
            if (!IsReleased)
            {
                await released.Task.ConfigureAwait(false);
            }
        }
    }

    /// <summary>
    /// Neither a content that ignores its token nor a backend that takes nothing must keep the attempt from ending. The
    /// content itself goes on until the transport has closed the connection that it is written to: its buffers may still
    /// be read there.
    /// </summary>
    /// <param name="ending">What ends the attempt.</param>
    /// <param name="cancellationToken">What the transport ends the content by.</param>
    private async Task EndInTimeAsync(
        Task copying,
        AttemptTarget target,
        IdleWatch watch,
        CancellationToken ending,
        CancellationToken cancellationToken
    )
    {
        watch.Link(ending, cancellationToken);
        try
        {
            await copying.WaitAsync(watch.Token).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is OperationCanceledException || watch.HasStalled)
        {
            // What it throws later on is nobody's.
            _ = ObserveAsync(copying);
            if (!watch.HasStalled || ending.IsCancellationRequested || copying.IsCompletedSuccessfully)
            {
                var isTransportsEnd = cancellationToken.IsCancellationRequested && !ending.IsCancellationRequested;
                await EndAsync(copying, target, isTransportsEnd, ending).ConfigureAwait(false);
                return;
            }

            HasStalled = true;
            var message = string.Create(
                CultureInfo.InvariantCulture,
                $"The backend took nothing of the request's content within the idle write timeout (Timeouts:IdleWrite) of {_idle.Time.TotalSeconds:0.0##} s."
            );
            throw new IOException(message, new TimeoutException(message));
        }
        finally
        {
            if (copying.IsCompleted)
            {
                Release(watch, target);
            }
            else
            {
                // Its writes still use the watch.
                watch.Unlink();
            }
        }
    }

    /// <summary>A content may leave a write behind, which still uses the watch: then it is no other's.</summary>
    private static void Release(IdleWatch watch, AttemptTarget target)
    {
        if (target.TryEnd())
        {
            watch.Release();
        }
        else
        {
            watch.Unlink();
        }
    }

    /// <summary>
    /// Its own end, or the attempt's; or the transport has ended it, whose stream then says why. A content that waits for
    /// its own source hears nothing of that, or takes it for a cancellation that nobody has asked for.
    /// </summary>
    private static async Task EndAsync(
        Task copying,
        AttemptTarget target,
        bool isTransportsEnd,
        CancellationToken ending
    )
    {
        var isWaitingForItself = !target.IsWriting && !target.HasFailed && !target.HasEndedItself;
        if (isTransportsEnd && !copying.IsCompleted && isWaitingForItself)
        {
            throw EndedByTransport();
        }

        try
        {
            await copying.WaitAsync(ending).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
            when (isTransportsEnd && !ending.IsCancellationRequested && !target.HasEndedItself)
        {
            throw EndedByTransport();
        }
    }

    private static IOException EndedByTransport() =>
        new("The connection has ended the sending of the request's content.");

    private static async Task ObserveAsync(Task copying) =>
        await copying.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private async Task CopyAsync(AttemptTarget target, TransportContext? context, CancellationToken cancellationToken)
    {
        try
        {
            await _inner.CopyToAsync(target, context, cancellationToken).ConfigureAwait(false);
            target.ThrowIfStalled();
            NoteEnd(target);
        }
        catch (HttpRequestException exception)
            when (target.Failure is HttpIOException failure && ReferenceEquals(exception.InnerException, failure))
        {
            // As it was before the content's own copying wrapped it: by the way in which the platform wraps it is told
            // whether the server has worked on the request (law 2).
            NoteFailure(exception, target, cancellationToken);
            ExceptionDispatchInfo.Throw(failure);
        }
        catch (Exception exception) when (NoteFailure(exception, target, cancellationToken))
        {
            throw;
        }
        finally
        {
            End();
        }
    }

    /// <summary>A content that ends well may still have given too little, or have swallowed what became of too much.</summary>
    private void NoteEnd(AttemptTarget target)
    {
        HasFailed = IsTooMuch(target) || (!target.HasFailed && target.Given < Headers.ContentLength);
    }

    /// <returns>Always <see langword="false"/>: it only takes note, before the stack unwinds.</returns>
    private bool NoteFailure(Exception exception, AttemptTarget target, CancellationToken cancellationToken)
    {
        HasFailed =
            IsTooMuch(target)
            || target.HasEndedItself
            || (!target.HasFailed && !cancellationToken.IsCancellationRequested);
        Failure = HasFailed ? exception : null;
        return false;
    }

    /// <summary>
    /// Whether the transport refused a byte too many. Nothing is promised where the transport has taken the length out,
    /// because it sends the content in chunks.
    /// </summary>
    private bool IsTooMuch(AttemptTarget target) => target.Given > Headers.ContentLength;
}
