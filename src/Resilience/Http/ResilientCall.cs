using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.ExceptionServices;
using Resilience.Backends;
using Resilience.Primitives;
using Resilience.Retries;
using Resilience.Telemetry;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// One request on its way: what it may do, what it has done, and what came of it; the way itself stands in
/// <see cref="ResilientHandler"/>. Owned by that one flow, and kept for the next request when it has finished.
/// </summary>
internal sealed class ResilientCall
{
    private BackendPool _pool = null!;
    private RequestPolicy _policy = null!;
    private ResilientRequestOptions? _options;
    private CancellationToken _callerToken;
    private RequestDeadline _deadline;
    private long _startedAt;
    private long _endedAt;
    private OutgoingMessage _message;
    private TimeLimit _limit;
    private CancellationTokenSource? _contentEnd;
    private BackendLease? _lease;
    private Activity? _attemptSpan;
    private HttpResponseMessage? _response;
    private Exception? _exception;
    private int _attempts;
    private long _withdrawnAt;
    private bool _hasWithdrawn;
    private bool _isPaid;
    private Expiry _expiry;
    private bool _wasHeldUp;
    private bool _isAmbientDeadline;
    private bool _isBudgetExhausted;
    private bool _isWithoutBackend;
    private bool _hasContentFailed;
    private bool _isBuffered;
    private bool _hasSearched;
    private bool _holdsLease;
    private bool _isDelivered;
    private bool _mayTokenBeKept;
    private Overload _overload;

    /// <summary>Of earlier requests, the one thing that is left for the next.</summary>
    private SeenPaths _seenPaths;

    /// <summary>The caller's message, aimed at the backend of the attempt under way.</summary>
    public HttpRequestMessage Request => _message.Request;

    public bool IsAsync { get; private set; }

    public BackendPool Pool => _pool;

    /// <summary>The request's own span, if it is traced.</summary>
    public Activity? Span { get; set; }

    private TimeSpan OwnAttemptTimeout => _options?.AttemptTimeout ?? _policy.AttemptTimeout;

    public static ResilientCall Start(
        BackendPool pool,
        RequestPolicy policy,
        HttpRequestMessage request,
        in RequestPath path,
        bool isAsync,
        bool areOthersWithin,
        CancellationToken callerToken
    )
    {
        var options = ResilientRequestOptions.Find(request);
        var call = ObjectPool<ResilientCall>.Take();
        call._pool = pool;
        call._policy = policy;
        call._options = options;
        call._callerToken = callerToken;
        call._startedAt = pool.Clock.Ticks;
        call.SetDeadline(options?.TotalTimeout ?? policy.TotalTimeout);
        call._message.Take(request, path, Replay.IsIdempotent(request, options, policy.Retry), areOthersWithin);
        call._mayTokenBeKept = areOthersWithin;
        call.IsAsync = isAsync;
        return call;
    }

    /// <summary>Begins an attempt; the failure of the one before is done with.</summary>
    /// <returns>The attempt's token: it ends with its time, cut to what is left of the deadline, or with the caller's.</returns>
    public CancellationToken Begin(BackendLease lease)
    {
        // The new lease is taken over before anything that can throw.
        var previous = _holdsLease ? _lease : null;
        // An attempt begins with the request or where the one before it ended, unless a backend had to be waited for.
        lease.StartedAt =
            _hasSearched ? _pool.Clock.Ticks
            : lease.Previous is null ? _startedAt
            : _endedAt;
        _lease = lease;
        _holdsLease = true;
        previous?.Return(previous.Outcome);
        if (lease.Previous is not null && _policy.OnRetry is { } onRetry)
        {
            Tell(onRetry, TimeSpan.FromTicks(lease.StartedAt - _endedAt));
        }

        _expiry = Expiry.None;
        _wasHeldUp = false;
        _exception = null;
        var response = _response;
        _response = null;
        response?.Dispose();
        _attempts++;
        _isBuffered = false;
        _message.AimAt(lease.Backend, ref _seenPaths, _policy.IdleWrite, _options?.IsContentReplayable);
        if (_policy.DeadlineHeader is { } header)
        {
            _message.TellDeadline(header, _deadline.Left(lease.StartedAt));
        }

        var now = lease.StartedAt;
        var time = CutToDeadline(OwnAttemptTimeout, now);
        _limit = TimeLimit.Start(_pool.Clock, now, time, _callerToken, isProlonged: IsAsync);
        _message.EndContentWith(_limit.Token);
        (_isPaid, _hasWithdrawn) = (_hasWithdrawn, false);
        _attemptSpan = RequestTelemetry.StartAttempt(lease);
        return _limit.Token;
    }

    /// <summary>Tells the application of the next attempt.</summary>
    private void Tell(Action<RetryEvent> onRetry, TimeSpan delay)
    {
        try
        {
            // One that never reached its backend was no attempt, so it is not counted any more.
            var number = Math.Max(_attempts, 1);
            onRetry(new RetryEvent(number, new RetryOutcome(_response, _exception), delay));
        }
#pragma warning disable CA1031 // Logged: whatever the application's callback throws must not reach the request.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            LogMessages.OnRetryFailed(_pool.Logger, exception, _pool.Name);
        }
    }

    /// <summary>Whether the content has to be read into memory before the first attempt.</summary>
    public bool WantsContent
    {
        get
        {
            var limit = _options?.BufferRequestUpTo ?? _policy.BufferRequestsUpTo;
            return limit > 0 && _message.IsBufferable(limit, _options?.IsContentReplayable, out _);
        }
    }

    /// <summary>Reads the content into memory, within the request's time.</summary>
    public async Task ReadContentAsync()
    {
        _message.IsBufferable(int.MaxValue, _options?.IsContentReplayable, out var length);
        _hasSearched = true;
        var time = CutToDeadline(Timeout.InfiniteTimeSpan, _startedAt);
        var limit = TimeLimit.Start(_pool.Clock, time, _callerToken, isProlonged: false);
        try
        {
            var reading = _message.ReadContentAsync(length, IsAsync, limit.Token).AsTask();
            _hasContentFailed = true;
            // A content that ignores its token is not waited for; what it throws later on is nobody's.
            _ = ObserveAsync(reading);
            _message.SendInstead(await reading.WaitAsync(limit.Token).ConfigureAwait(false));
            _hasContentFailed = false;
        }
        catch (OperationCanceledException exception) when (limit.HasEnded)
        {
            _expiry =
                _callerToken.IsCancellationRequested ? Expiry.Caller
                : _isAmbientDeadline ? Expiry.Deadline
                : Expiry.Total;
            CountTimeout();
            throw Surface(exception);
        }
        finally
        {
            limit.End(isTokenFree: false);
        }

        ThrowIfTooLate(_pool.Clock.Ticks);
    }

    private static async Task ObserveAsync(Task reading) =>
        await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

    private int BodyLimit => _options?.BufferResponseUpTo ?? _policy.BufferResponsesUpTo;

    /// <summary>
    /// Whether the attempt has a response whose body is to be read before it counts as a success: not one that is longer
    /// than it may be, nor one that has no end by its nature.
    /// </summary>
    public bool WantsBody(Task<HttpResponseMessage> sending) =>
        BodyLimit > 0
        && sending.IsCompletedSuccessfully
        && sending.Result is { } response
        && HasBody(response, out var length)
        && length.GetValueOrDefault() <= BodyLimit
        && !IsUpgraded(response)
        && !ContentHeaders.IsEventStream(response.Content);

    /// <summary>
    /// Reads the body into memory, within the attempt's time; one that breaks fails the attempt. What goes on past the limit
    /// is its reader's.
    /// </summary>
    public async Task<HttpResponseMessage> ReadBodyAsync(Task<HttpResponseMessage> sending)
    {
        var response = await sending.ConfigureAwait(false);
        try
        {
            HasBody(response, out var length);
            var body = response.Content;
            response.Content = await Buffering
                .ReadResponseAsync(body, (int?)length, BodyLimit, IsAsync, _limit.Token)
                .ConfigureAwait(false);
            _isBuffered = response.Content is ByteArrayContent;
            if (_isBuffered)
            {
                body.Dispose();
            }

            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    /// <summary>Learns what the attempt showed, and tells circuit, passive checker and metrics.</summary>
    public void End(Task<HttpResponseMessage> sending)
    {
        var lease = _lease!;
        _endedAt = _pool.Clock.Ticks;
        lease.Duration = TimeSpan.FromTicks(_endedAt - lease.StartedAt);
        if (sending.IsCompletedSuccessfully)
        {
            _response = sending.Result ?? throw new InvalidOperationException("The inner handler gave no response.");
        }
        else
        {
            _exception = sending.Exception?.InnerException ?? CancellationOf(sending);
            _expiry = ExpiryOfAttempt();
            _wasHeldUp = _limit.WasHeldUp;
        }

        var isContentDone = _message.DetachContent();
        _contentEnd = isContentDone ? null : _limit.Source;
        _limit.End(isTokenFree: isContentDone && !_mayTokenBeKept);
        var outcome = Classify();
        lease.Outcome = outcome;
        lease.Answer(outcome);
        if (_response is null || outcome.IsFailure || lease.IsTrial)
        {
            lease.Report(outcome);
        }

        CountTimeout(outcome);
        var span = _attemptSpan;
        _attemptSpan = null;
        RequestTelemetry.RecordAttempt(lease, _attempts, span, hasResponse: _response is not null, _expiry);
    }

    /// <summary>Whether the last attempt's result is the request's, because none may follow.</summary>
    public bool IsOver()
    {
        if (!_lease!.Outcome.IsRetryable || !MayTryAgain())
        {
            return true;
        }

        if (_response is null)
        {
            ReturnLease();
        }

        return false;
    }

    /// <summary>
    /// The attempt is given up, and with it what it still sends: over HTTP/2 an answer can come that leaves the content
    /// unread, and from there on nothing else would end it.
    /// </summary>
    private void EndContent()
    {
        _message.AbandonContent();
        if (_contentEnd is { } end)
        {
            _contentEnd = null;
            // What its registrations throw belongs to those who registered.
            _ = end.CancelAsync();
        }
    }

    /// <summary>
    /// A backend for the next attempt: in the usual case the next in turn, at once. <see langword="null"/> asks for a
    /// closer look with <see cref="FindAnotherAsync"/>.
    /// </summary>
    /// <exception cref="TaskCanceledException">The ambient deadline had passed before the first attempt.</exception>
    public BackendLease? TryFind()
    {
        if (_isAmbientDeadline && _lease is null)
        {
            // The request's own time has never passed at its beginning.
            ThrowIfTooLate(_startedAt);
        }

        return _message.IsReleased ? _pool.TryLease(new PickContext(_lease, _pool.Random), _options?.Backend) : null;
    }

    /// <summary>
    /// Looks further when every available backend has been tried, or none is available: a backend that only health
    /// objects to, the same one again after a backoff, or whichever another request's end or a half-open circuit's trial
    /// sets free.
    /// </summary>
    /// <returns><see langword="null"/> if there is none within the deadline.</returns>
    public async Task<BackendLease?> FindAnotherAsync()
    {
        _hasSearched = true;
        if (_holdsLease && _lease!.Backend.MaxConcurrentRequests is not null)
        {
            // The place of the attempt that failed: who waits for a place must not keep one from others, or from itself.
            _holdsLease = false;
            _lease.Return(_lease.Outcome);
        }

        var search = Search();
        BackendLease? lease;
        try
        {
            lease = await search.FindAsync(_lease, _attempts).ConfigureAwait(false);
            if (!_message.IsReleased)
            {
                lease = await ReleaseContentAsync(search, lease).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException exception) when (_lease is not null)
        {
            throw CancelledWaiting(exception);
        }

        _overload = search.Overload;
        if (lease is null && _lease is not null && search.Obstacle is { } obstacle)
        {
            _isWithoutBackend = obstacle == SuppressionReasons.NoBackend;
            RequestTelemetry.RecordSuppression(_lease, _attempts, obstacle);
        }

        return lease;
    }

    /// <summary>
    /// Ends what is still read for the attempt before, once another one is certain: until then its answer, which may be the
    /// request's, needs it. Without another one, the content is sent to its end.
    /// </summary>
    /// <returns>The lease, if the content was let go in time.</returns>
    private async Task<BackendLease?> ReleaseContentAsync(BackendSearch search, BackendLease? lease)
    {
        var isReleased = false;
        try
        {
            if (lease is not null)
            {
                EndContent();
                isReleased = await search.IsReleasedInTimeAsync(_message.WhenReleased).ConfigureAwait(false);
            }
            else if (IsContentStillSent)
            {
                await WhenContentSentAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            if (!isReleased)
            {
                lease?.Return();
            }
        }

        return isReleased ? lease : null;
    }

    /// <summary>
    /// Whether a response has come before its request's content has been sent to the end, which the platform waits for.
    /// </summary>
    public bool IsContentStillSent =>
        _response is not null && _message.IsContentSentBeforeReturn && !_message.IsReleased;

    /// <summary>Waits for the content to be sent, within the deadline.</summary>
    public Task WhenContentSentAsync() => Search().IsOverInTimeAsync(_message.WhenReleased).AsTask();

    /// <summary>The request's result: the response, the last failure as it was, or why no attempt could be made.</summary>
    public HttpResponseMessage Conclude()
    {
        if (_response is not null && _message.IsContentSentBeforeReturn && _message.ContentFailure is { } failure)
        {
            // As the platform does for its own contents: what was not sent as a whole has no answer.
            _exception = failure;
            _holdsLease = false;
            _lease!.Outcome = new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Request);
            _lease.Return(_lease.Outcome);
        }
        else if (_response is not null)
        {
            return Deliver(_response);
        }

        if (_exception is not null)
        {
            throw Surface(_exception);
        }

        _callerToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_pool.IsDisposed, _pool);
        throw Traced(new NoBackendAvailableException(_pool, _pool.FreshSnapshot(), _options?.Backend, _overload));
    }

    /// <summary>
    /// Whatever happened, gives back what is still held: the lease if no body took it over, the price of an attempt that
    /// was not made, the message as it came, and this object, which must not be used any more.
    /// </summary>
    public void Finish()
    {
        // The lease first: nothing that throws may keep it.
        if (_isDelivered && _holdsLease)
        {
            _lease!.Return(_lease.Outcome);
        }

        ReturnLease();
        if (_hasWithdrawn)
        {
            // For an attempt that was never made: no backend was found, or the caller left before.
            _hasWithdrawn = false;
            _pool.Budget.GiveBack(_withdrawnAt);
        }

        if (!_isDelivered)
        {
            EndContent();
        }

        // Before the response, whose disposal may throw.
        _message.Restore();
        if (!_isDelivered)
        {
            _response?.Dispose();
        }

        _limit.End(isTokenFree: false);
        if (_attemptSpan is not null)
        {
            RequestTelemetry.AbandonAttempt(_pool, _attemptSpan);
        }

        RequestTelemetry.RecordRequest(_pool, _startedAt, _lease, _isDelivered, Result(), Span);
        Forget();
        ObjectPool<ResilientCall>.TryGiveBack(this);
    }

    private BackendSearch Search() => new(_pool, _policy.Retry, _options?.Backend, _deadline, IsAsync, _callerToken);

    private static OperationCanceledException CancellationOf(Task<HttpResponseMessage> sending)
    {
        // A cancelled task keeps its exception, with the cause that tells a connect timeout, for whoever awaits it.
        try
        {
            sending.GetAwaiter().GetResult();
            throw new UnreachableException();
        }
        catch (OperationCanceledException exception)
        {
            return exception;
        }
    }

    private TimeSpan CutToDeadline(TimeSpan limit, long now)
    {
        var left = _deadline.Left(now);
        return limit == Timeout.InfiniteTimeSpan || left < limit ? left : limit;
    }

    private Expiry ExpiryOfAttempt() =>
        _callerToken.IsCancellationRequested ? Expiry.Caller
        : _message.HasContentStalled ? Expiry.IdleWrite
        : !_limit.HasEnded ? Expiry.None
        : _deadline.Left(_endedAt) < TimeoutDefaults.Least
            ? _isAmbientDeadline ? Expiry.Deadline
                : Expiry.Total
        : Expiry.Attempt;

    /// <summary>What came of the request, in the words of its metric.</summary>
    private string Result() =>
        _isDelivered ? RequestResults.Of(_lease!.Outcome.Failure)
        // Before the caller's leaving, which came later if it came too.
        : _expiry.IsWholeRequests() ? RequestResults.Deadline
        : _callerToken.IsCancellationRequested ? RequestResults.Cancelled
        : _lease is not null ? RequestResults.Of(_lease.Outcome.Failure)
        : _hasContentFailed ? RequestResults.Request
        : _overload != Overload.None ? RequestResults.Overloaded
        : RequestResults.NoBackend;

    /// <summary>Counts the time that was up, if one was, by its kind.</summary>
    /// <param name="outcome">The attempt's, if it was one that ended.</param>
    private void CountTimeout(in AttemptOutcome outcome = default)
    {
        if (_expiry.TimeoutKind(outcome) is { } timeout)
        {
            RequestTelemetry.RecordTimeout(_pool, timeout);
        }
    }

    private AttemptOutcome Classify() =>
        _expiry switch
        {
            Expiry.Caller => new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled),
            // Where the whole request's time was up before the attempt's own, the backend may have done nothing wrong.
            Expiry.Total
            or Expiry.Deadline when CutToDeadline(OwnAttemptTimeout, _lease!.StartedAt) != OwnAttemptTimeout =>
                new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled),
            // Nor is it to blame for an answer that this process could not have read.
            Expiry.Attempt or Expiry.Total or Expiry.Deadline => new AttemptOutcome(
                _wasHeldUp ? OutcomeKind.Neutral : OutcomeKind.Failure,
                FailureKind.AttemptTimeout,
                IsRetryable: true
            ),
            Expiry.IdleWrite => new AttemptOutcome(OutcomeKind.Failure, FailureKind.ContentStalled, IsRetryable: true),
            _ when _exception is not null && (_message.HasContentFailed || _message.CannotBeWritten(_exception)) =>
                new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Request),
            _ => Doubted(_policy.Classify(_response, _exception, _pool.Clock)),
        };

    /// <summary>What never reached a backend may go elsewhere whatever it is, so it must be certain (law 2).</summary>
    private AttemptOutcome Doubted(in AttemptOutcome outcome) =>
        outcome.NeverSent && _response is null && _message.MayHaveArrived(outcome.Failure)
            ? outcome with
            {
                NeverSent = false,
            }
            : outcome;

    private bool MayTryAgain()
    {
        var outcome = _lease!.Outcome;
        if (_callerToken.IsCancellationRequested || !(_options?.Retry ?? _policy.Retry.IsEnabled))
        {
            return false;
        }

        var isFree = outcome.NeverSent && !new PickContext(_lease.Previous, _pool.Random).HasTried(_lease.Backend);
        if (!isFree && _attempts >= _policy.Retry.MaxAttempts)
        {
            return false;
        }

        var obstacle =
            !(outcome.NeverSent || _message.IsIdempotent) ? SuppressionReasons.NotIdempotent
            : !_message.CanSendAgain(_options?.IsContentReplayable) ? SuppressionReasons.NotReplayable
            : !_deadline.Allows(TimeSpan.Zero, _endedAt) ? SuppressionReasons.Deadline
            : null;
        if (obstacle is null && isFree)
        {
            // It never reached the backend: the first time for each, this is no attempt and costs nothing. What was paid for
            // it is for the next one.
            _attempts--;
            _hasWithdrawn = _isPaid;
            return true;
        }

        if (obstacle is null)
        {
            _hasWithdrawn = _pool.Budget.TryWithdraw(out _withdrawnAt);
            _isBudgetExhausted = !_hasWithdrawn;
            obstacle = _hasWithdrawn ? null : SuppressionReasons.Budget;
        }

        if (obstacle is not null)
        {
            RequestTelemetry.RecordSuppression(_lease, _attempts, obstacle);
        }

        return obstacle is null;
    }

    private HttpResponseMessage Deliver(HttpResponseMessage response)
    {
        var lease = _lease!;
        var now = _pool.Clock.Milliseconds;
        if (_holdsLease && _policy.TracksBodies && !_isBuffered && HasBody(response, out var length))
        {
            var attemptTimeout = OwnAttemptTimeout;
            var outlivesAt =
                attemptTimeout == Timeout.InfiniteTimeSpan
                    ? long.MaxValue
                    : now + (long)attemptTimeout.TotalMilliseconds;
            var idle = IsUpgraded(response) ? default : new IdleLimit(_pool.Clock, _policy.IdleRead);
            var isFramed = response.Version.Major < 2;
            response.Content = _message.UnsentContent is { } unsent
                ? new DuplexContent(response.Content, length, lease, outlivesAt, idle, isFramed, unsent)
                : new TrackedContent(response.Content, length, lease, outlivesAt, idle, isFramed);
            _holdsLease = false;
        }
        else if (_policy.TracksBodies || lease.Previous is not null || _options is not null)
        {
            Attempts.Keep(_message.Request, lease);
        }

        if (lease.Outcome.Kind == OutcomeKind.Success)
        {
            _pool.Budget.RecordRequest(now);
        }

        // A handler within may have sent a copy; the caller is told of its own message, which holds the record.
        response.RequestMessage = Request;
        _isDelivered = true;
        return response;
    }

    private bool HasBody(HttpResponseMessage response, out long? length)
    {
        length = ContentHeaders.LengthOf(response.Content);
        if (length is not null && (response.Headers.TransferEncodingChunked == true || IsUpgraded(response)))
        {
            // What the platform reads is chunks, or the connection itself, whatever length stands beside them (RFC 9112,
            // section 6.3).
            length = null;
        }

        return length != 0
            && response.StatusCode is not (HttpStatusCode.NoContent or HttpStatusCode.NotModified)
            && Request.Method != HttpMethod.Head;
    }

    /// <summary>Whether the connection is the caller's from here on, who may be silent on it, and hear nothing.</summary>
    private bool IsUpgraded(HttpResponseMessage response) =>
        response.StatusCode == HttpStatusCode.SwitchingProtocols
        || Request.Method == HttpMethod.Connect
        || Request.Headers.Protocol is not null;

    /// <summary>The last failure as callers of <see cref="HttpClient"/> know it, with the attempts in its data.</summary>
    private Exception Surface(Exception exception)
    {
        var surfaced = _expiry switch
        {
            Expiry.None => exception,
            Expiry.Caller => new TaskCanceledException(exception.Message, exception, _callerToken),
            _ => TimedOut(exception),
        };
        surfaced.Data[Attempts.DataKey] = Attempts.Describe(_lease);
        if (_isBudgetExhausted)
        {
            surfaced.Data[RetryPolicy.BudgetExhaustedKey] =
                $"The retry budget of pool '{_pool.Name}' refused attempt {_attempts + 1} of at most "
                + $"{_policy.Retry.MaxAttempts}: too large a share of recent requests were retries (Retry:Budget).";
        }

        if (_isWithoutBackend)
        {
            var refusal = new NoBackendAvailableException(_pool, _pool.FreshSnapshot(), _options?.Backend);
            surfaced.Data[NoBackendAvailableException.DataKey] = string.Create(
                CultureInfo.InvariantCulture,
                $"Attempt {_attempts + 1} of at most {_policy.Retry.MaxAttempts} was not made. {refusal.Message}"
            );
        }

        if (ReferenceEquals(surfaced, exception))
        {
            ExceptionDispatchInfo.Throw(exception);
        }

        return surfaced;
    }

    /// <summary>The caller has left between two attempts: the last failure is kept.</summary>
    private TaskCanceledException CancelledWaiting(OperationCanceledException exception)
    {
        var cancelled = new TaskCanceledException(
            $"The request to pool '{_pool.Name}' was cancelled while it waited for another attempt. Attempts: "
                + $"{Attempts.InWords(_lease)}.",
            _exception ?? exception,
            _callerToken
        );
        cancelled.Data[Attempts.DataKey] = Attempts.Describe(_lease);
        return cancelled;
    }

    /// <summary>No attempt is made that no time is left for (law 10).</summary>
    private void ThrowIfTooLate(long now)
    {
        if (_deadline.Allows(TimeSpan.Zero, now))
        {
            return;
        }

        _callerToken.ThrowIfCancellationRequested();
        _expiry = _isAmbientDeadline ? Expiry.Deadline : Expiry.Total;
        CountTimeout();
        throw TimedOut(cause: null);
    }

    private void SetDeadline(TimeSpan total)
    {
        _deadline = RequestDeadline.After(_startedAt, total);
        if (Deadline.Current is { Left: var left } && left != Timeout.InfiniteTimeSpan)
        {
            _isAmbientDeadline = left < _deadline.Left(_startedAt);
            _deadline = _isAmbientDeadline ? RequestDeadline.After(_startedAt, left) : _deadline;
        }
    }

    private TaskCanceledException TimedOut(Exception? cause)
    {
        var (limit, setting) = _expiry.Limit();
        var elapsed = TimeSpan.FromTicks(_pool.Clock.Ticks - _startedAt).TotalSeconds;
        var message = string.Create(
            CultureInfo.InvariantCulture,
            $"The request to pool '{_pool.Name}' was ended by its {limit} ({setting}) after {elapsed:0.0##} s. Attempts: {Attempts.InWords(_lease)}."
        );
        return Traced(new TaskCanceledException(message, new TimeoutException(message, cause)));
    }

    /// <summary>The words of an exception of this library's own may stand in a span; no others may.</summary>
    private T Traced<T>(T exception)
        where T : Exception
    {
        Span?.SetStatus(ActivityStatusCode.Error, exception.Message);
        return exception;
    }

    /// <summary>Nothing of this request is left for the next one but a trace of its path, nor kept alive by this object.</summary>
    private void Forget()
    {
        // The pool too: calls are kept for as long as the process lives, and must not keep one that was disposed.
        _pool = null!;
        _policy = null!;
        _options = null;
        _callerToken = default;
        _message = default;
        _contentEnd = null;
        _lease = null;
        _attemptSpan = null;
        Span = null;
        _response = null;
        _exception = null;
        _attempts = 0;
        _expiry = Expiry.None;
        _isAmbientDeadline = false;
        _isBudgetExhausted = false;
        _isWithoutBackend = false;
        _hasContentFailed = false;
        _isBuffered = false;
        _hasSearched = false;
        _isDelivered = false;
        _overload = Overload.None;
    }

    private void ReturnLease()
    {
        if (_holdsLease)
        {
            _holdsLease = false;
            _lease!.Return();
        }
    }
}
