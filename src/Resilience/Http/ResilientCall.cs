using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime.ExceptionServices;
using Resilience.Backends;
using Resilience.Primitives;
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
    private Deadline _deadline;
    private long _startedAt;
    private long _endedAt;
    private OutgoingMessage _message;
    private TimeLimit _limit;
    private BackendLease? _lease;
    private Activity? _attemptSpan;
    private HttpResponseMessage? _response;
    private Exception? _exception;
    private int _attempts;
    private long _withdrawnAt;
    private bool _hasWithdrawn;
    private Expiry _expiry;
    private bool _hasSearched;
    private bool _holdsLease;
    private bool _isDelivered;

    /// <summary>Why the time of an attempt was up.</summary>
    private enum Expiry : byte
    {
        None,
        Attempt,
        Total,
        Caller,
    }

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
        call._deadline = Deadline.After(call._startedAt, options?.TotalTimeout ?? policy.TotalTimeout);
        call._message = new OutgoingMessage(request, path, Replay.IsIdempotent(request, options));
        call.IsAsync = isAsync;
        return call;
    }

    /// <summary>Begins an attempt; the failure of the one before is done with.</summary>
    /// <returns>The attempt's token: it ends with its time, cut to what is left of the deadline, or with the caller's.</returns>
    public CancellationToken Begin(BackendLease lease)
    {
        // The new lease is taken over before anything that can throw.
        var previous = _holdsLease ? _lease : null;
        // The first attempt begins with the request, unless it had to wait for a backend.
        lease.StartedAt = lease.Previous is null && !_hasSearched ? _startedAt : _pool.Clock.Ticks;
        _lease = lease;
        _holdsLease = true;
        previous?.Return(previous.Outcome);

        _expiry = Expiry.None;
        _exception = null;
        var response = _response;
        _response = null;
        response?.Dispose();
        _attempts++;
        _message.AimAt(lease.Backend);
        _limit = TimeLimit.Start(_pool.Clock, CutToDeadline(OwnAttemptTimeout, lease.StartedAt), _callerToken);
        _hasWithdrawn = false;
        _attemptSpan = RequestTelemetry.StartAttempt(lease);
        return _limit.Token;
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
        }

        _limit.End(_pool.Clock, isTokenFree: _message.IsReleased);
        var outcome = Classify();
        lease.Outcome = outcome;
        lease.Answer(outcome);
        if (_response is null || outcome.IsFailure || lease.IsTrial)
        {
            lease.Report(outcome);
        }

        var span = _attemptSpan;
        _attemptSpan = null;
        RequestTelemetry.RecordAttempt(lease, _attempts, span, hasResponse: _response is not null);
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
    /// A backend for the next attempt: in the usual case the next in turn, at once. <see langword="null"/> asks for a
    /// closer look with <see cref="FindAnotherAsync"/>.
    /// </summary>
    public BackendLease? TryFind() =>
        _message.IsReleased ? _pool.TryLease(new PickContext(_lease, _pool.Random), _options?.Backend) : null;

    /// <summary>
    /// Looks further when every available backend has been tried, or none is available: a backend that only health
    /// objects to, the same one again after a backoff, or whichever a half-open circuit's trial sets free.
    /// </summary>
    /// <returns><see langword="null"/> if there is none within the deadline.</returns>
    public Task<BackendLease?> FindAnotherAsync()
    {
        _hasSearched = true;
        return Search().FindAsync(_lease, _attempts, _message.WhenReleased);
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
        if (_response is not null)
        {
            return Deliver(_response);
        }

        if (_exception is not null)
        {
            throw Surface(_exception);
        }

        _callerToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_pool.IsDisposed, _pool);
        throw new NoBackendAvailableException(_pool, _pool.FreshSnapshot(), _options?.Backend);
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

        _message.Restore();
        if (!_isDelivered)
        {
            _response?.Dispose();
        }

        _limit.End(_pool.Clock, isTokenFree: false);
        if (_attemptSpan is not null)
        {
            RequestTelemetry.AbandonAttempt(_pool, _attemptSpan);
        }

        RequestTelemetry.RecordRequest(
            _pool,
            _startedAt,
            _lease,
            _isDelivered,
            isCancelled: _callerToken.IsCancellationRequested,
            Span
        );
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
        : !_limit.HasEnded ? Expiry.None
        : _deadline.Left(_endedAt) < TimeoutDefaults.Least ? Expiry.Total
        : Expiry.Attempt;

    private AttemptOutcome Classify() =>
        _expiry switch
        {
            Expiry.Caller => new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled),
            // Where the whole request's time was up before the attempt's own, the backend may have done nothing wrong.
            Expiry.Total when CutToDeadline(OwnAttemptTimeout, _lease!.StartedAt) != OwnAttemptTimeout =>
                new AttemptOutcome(OutcomeKind.Neutral, FailureKind.Cancelled),
            Expiry.Attempt or Expiry.Total => new AttemptOutcome(
                OutcomeKind.Failure,
                FailureKind.AttemptTimeout,
                IsRetryable: true
            ),
            _ when _exception is not null && _message.HasContentFailed => new AttemptOutcome(
                OutcomeKind.Neutral,
                FailureKind.Request
            ),
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
        if (
            _callerToken.IsCancellationRequested
            || !(_options?.Retry ?? _policy.Retry.IsEnabled)
            || !(outcome.NeverSent || _message.IsIdempotent)
            || !_message.CanSendAgain(_options?.IsContentReplayable)
            || !_deadline.Allows(TimeSpan.Zero, _endedAt)
        )
        {
            return false;
        }

        if (outcome.NeverSent && !new PickContext(_lease.Previous, _pool.Random).HasTried(_lease.Backend))
        {
            // It never reached the backend: the first time for each, this is no attempt and costs nothing.
            _attempts--;
            return true;
        }

        _hasWithdrawn = _attempts < _policy.Retry.MaxAttempts && _pool.Budget.TryWithdraw(out _withdrawnAt);
        return _hasWithdrawn;
    }

    private HttpResponseMessage Deliver(HttpResponseMessage response)
    {
        var lease = _lease!;
        if (_holdsLease && _policy.TracksBodies && HasBody(response, out var length))
        {
            var attemptTimeout = OwnAttemptTimeout;
            var outlivesAt =
                attemptTimeout == Timeout.InfiniteTimeSpan
                    ? long.MaxValue
                    : _pool.Clock.Milliseconds + (long)attemptTimeout.TotalMilliseconds;
            response.Content = new TrackedContent(response.Content, length, lease, outlivesAt);
            _holdsLease = false;
        }
        else if (_policy.TracksBodies || lease.Previous is not null || _options is not null)
        {
            Attempts.Keep(_message.Request, lease);
        }

        if (lease.Outcome.Kind == OutcomeKind.Success)
        {
            _pool.Budget.RecordRequest();
        }

        // A handler within may have sent a copy; the caller is told of its own message, which holds the record.
        response.RequestMessage = Request;
        _isDelivered = true;
        return response;
    }

    private bool HasBody(HttpResponseMessage response, out long? length)
    {
        length = ContentHeaders.LengthOf(response.Content);
        return length != 0
            && response.StatusCode is not (HttpStatusCode.NoContent or HttpStatusCode.NotModified)
            && Request.Method != HttpMethod.Head;
    }

    /// <summary>The last failure as callers of <see cref="HttpClient"/> know it, with the attempts in its data.</summary>
    private Exception Surface(Exception exception)
    {
        var surfaced = _expiry switch
        {
            Expiry.Caller => new TaskCanceledException(exception.Message, exception, _callerToken),
            Expiry.Attempt => TimedOut("attempt timeout", "Timeouts:Attempt", exception),
            Expiry.Total => TimedOut("total timeout", "Timeouts:Total", exception),
            _ => exception,
        };
        surfaced.Data[Attempts.DataKey] = Attempts.Describe(_lease);
        if (ReferenceEquals(surfaced, exception))
        {
            ExceptionDispatchInfo.Throw(exception);
        }

        return surfaced;
    }

    private TaskCanceledException TimedOut(string which, string setting, Exception cause)
    {
        var elapsed = TimeSpan.FromTicks(_pool.Clock.Ticks - _startedAt).TotalSeconds;
        var message = string.Create(
            CultureInfo.InvariantCulture,
            $"The request to pool '{_pool.Name}' was ended by its {which} ({setting}) after {elapsed:0.0##} s. Attempts: {Attempts.InWords(_lease)}."
        );
        return new TaskCanceledException(message, new TimeoutException(message, cause));
    }

    /// <summary>Nothing of this request is left for the next one, nor kept alive by this object.</summary>
    private void Forget()
    {
        _options = null;
        _callerToken = default;
        _message = default;
        _lease = null;
        _attemptSpan = null;
        Span = null;
        _response = null;
        _exception = null;
        _attempts = 0;
        _expiry = Expiry.None;
        _hasSearched = false;
        _isDelivered = false;
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
