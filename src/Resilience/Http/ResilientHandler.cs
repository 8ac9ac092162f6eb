using Microsoft.Extensions.Http.Logging;
using Resilience.Backends;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// Sends each request to a healthy backend of a pool, moves it to another one when an attempt fails, and gives up at
/// the right moment with a clear reason. Stateless: all state is in the pool, so handlers may come and go. Thread-safe.
/// </summary>
public sealed class ResilientHandler : DelegatingHandler
{
    /* Whether other handlers stand within; 0 before anybody has looked, which threads may do at once. */
    private const int OthersWithin = 1;
    private const int TransportWithin = 2;

    private readonly BackendPool _pool;
    private readonly RequestPolicySource _policy;
    private int _within;

    /// <summary>Creates a handler over a pool.</summary>
    /// <param name="pool">The pool. Not disposed with the handler.</param>
    /// <param name="innerHandler">
    /// What sends the attempts, for instance <see cref="ResilientTransport.Create"/>; disposed with the handler.
    /// </param>
    /// <param name="options">How requests are treated; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public ResilientHandler(BackendPool pool, HttpMessageHandler innerHandler, ResilientHandlerOptions? options = null)
        : this(pool, PolicyOf(pool, options))
    {
        ArgumentNullException.ThrowIfNull(innerHandler);
        InnerHandler = innerHandler;
    }

    internal ResilientHandler(BackendPool pool, RequestPolicySource policy)
    {
        _pool = pool;
        _policy = policy;
    }

    /// <inheritdoc/>
    /// <exception cref="NoBackendAvailableException">No backend could be taken; the message says why.</exception>
    /// <exception cref="TaskCanceledException">
    /// A timeout, with an inner <see cref="TimeoutException"/> that says which; or the caller's cancellation.
    /// </exception>
    /// <exception cref="HttpRequestException">The last attempt's failure, as the transport threw it.</exception>
    /// <exception cref="ObjectDisposedException">The pool has been disposed.</exception>
    protected override Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage request,
        CancellationToken cancellationToken
    )
    {
        ArgumentNullException.ThrowIfNull(request);
        var policy = _policy.Current;
        return IsOurs(request, policy, out var path)
            ? SendAsync(Start(policy, request, path, isAsync: true, cancellationToken))
            : base.SendAsync(request, cancellationToken);
    }

    /// <inheritdoc cref="SendAsync(HttpRequestMessage, CancellationToken)"/>
    protected override HttpResponseMessage Send(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(request);
        var policy = _policy.Current;
        return IsOurs(request, policy, out var path)
            // Nothing on the way awaits an unfinished task, so this does not block on anything but the transport.
            ? SendAsync(Start(policy, request, path, isAsync: false, cancellationToken)).GetAwaiter().GetResult()
            : base.Send(request, cancellationToken);
    }

    private ResilientCall Start(
        RequestPolicy policy,
        HttpRequestMessage request,
        in RequestPath path,
        bool isAsync,
        CancellationToken cancellationToken
    )
    {
        if (_within == 0)
        {
            // The handlers within are the same from the first request on.
            _within = AreOthersWithin(InnerHandler) ? OthersWithin : TransportWithin;
        }

        var areOthersWithin = _within == OthersWithin;
        return ResilientCall.Start(_pool, policy, request, path, isAsync, areOthersWithin, cancellationToken);
    }

    /// <summary>
    /// Whether handlers other than the platform's own transport stand within, who may change a message's headers and keep
    /// an attempt's token when it has ended; those that the factory adds to log do neither. Types are compared, since a
    /// primary that an application derives from the platform's is the application's.
    /// </summary>
    internal static bool AreOthersWithin(HttpMessageHandler? inner)
    {
        while (
            inner?.GetType() is { } type
            && (type == typeof(LoggingHttpMessageHandler) || type == typeof(LoggingScopeHttpMessageHandler))
        )
        {
            inner = ((DelegatingHandler)inner).InnerHandler;
        }

        return inner is not (SocketsHttpHandler or IPlainTransport) && inner?.GetType() != typeof(HttpClientHandler);
    }

    private Task<HttpResponseMessage> SendAsync(ResilientCall call) =>
        RequestTelemetry.IsTraced ? RequestTelemetry.TraceAsync(this, call) : SendUntracedAsync(call);

    /// <summary>The way of one request, attempt after attempt.</summary>
    internal async Task<HttpResponseMessage> SendUntracedAsync(ResilientCall call)
    {
        try
        {
            if (call.WantsContent)
            {
                await call.ReadContentAsync().ConfigureAwait(false);
            }

            while (true)
            {
                var lease = call.TryFind() ?? await call.FindAnotherAsync().ConfigureAwait(false);
                if (lease is null)
                {
                    return call.Conclude();
                }

                var sending = StartSending(call, call.Begin(lease));
                await ((Task)sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (call.WantsBody(sending))
                {
                    sending = call.ReadBodyAsync(sending);
                    await ((Task)sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }

                call.End(sending);
                if (call.IsOver())
                {
                    if (call.IsContentStillSent)
                    {
                        await call.WhenContentSentAsync().ConfigureAwait(false);
                    }

                    return call.Conclude();
                }
            }
        }
        finally
        {
            call.Finish();
        }
    }

    /// <summary>Hands the message to the inner handler; what that throws at once becomes a failed task.</summary>
    private Task<HttpResponseMessage> StartSending(ResilientCall call, CancellationToken attemptToken)
    {
        try
        {
            return call.IsAsync
                ? base.SendAsync(call.Request, attemptToken)
                : Task.FromResult(base.Send(call.Request, attemptToken));
        }
#pragma warning disable CA1031 // Nothing is swallowed: the failure is classified, and surfaces unless another attempt helps.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            return Task.FromException<HttpResponseMessage>(exception);
        }
    }

    /// <summary>Whether the request is for the pool; one that is not passes through, or is refused.</summary>
    private bool IsOurs(HttpRequestMessage request, RequestPolicy policy, out RequestPath path)
    {
        if (request.RequestUri is not { IsAbsoluteUri: true } address)
        {
            throw new InvalidOperationException(
                $"The request has no absolute address. Use {policy.LogicalAddress} followed by the path."
            );
        }

        if (address.Scheme is "http" or "https" && RequestAddress.TryRoute(address, policy, _pool.Snapshot, out path))
        {
            return true;
        }

        if (policy.ForeignHosts == ForeignHosts.Refuse)
        {
            throw new InvalidOperationException(
                $"The request goes to '{address.Scheme}://{address.Authority}', but this client is for pool "
                    + $"'{_pool.Name}' at {policy.LogicalAddress}. Use a path, that address or one of the pool's "
                    + "backends, or set ForeignHosts to PassThrough."
            );
        }

        path = default;
        return false;
    }

    private static RequestPolicySource PolicyOf(BackendPool pool, ResilientHandlerOptions? options)
    {
        ArgumentNullException.ThrowIfNull(pool);
        return new RequestPolicySource(new RequestPolicy(pool.Name, options ?? new ResilientHandlerOptions()));
    }
}
