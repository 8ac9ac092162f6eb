using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.Telemetry;

namespace Resilience.Http;

/// <summary>Spans, metrics and debug lines of requests. Costs a few reads while nobody listens.</summary>
internal static class RequestTelemetry
{
    /// <summary>Whether anybody wants spans; if not, requests go without the layer that makes them.</summary>
    public static bool IsTraced => Instruments.Activities.HasListeners();

    /// <summary>Puts a span around a request; the call says at its end what came of it.</summary>
    public static async Task<HttpResponseMessage> TraceAsync(ResilientHandler handler, ResilientCall call)
    {
        var pool = call.Pool;
        var span = Start(pool, TelemetryNames.RequestActivity);
        span?.SetTag(TelemetryNames.PoolTag, pool.Name);
        call.Span = span;
        try
        {
            return await handler.SendUntracedAsync(call).ConfigureAwait(false);
        }
        catch
        {
            // With the call's own words alone: an exception's may be a server's, a line of its headers among them.
            span?.SetStatus(ActivityStatusCode.Error, span.StatusDescription);
            throw;
        }
        finally
        {
            Stop(pool, span);
        }
    }

    /// <summary>
    /// Starts an attempt's span within the request's. It is the current one until the attempt is recorded, so that what
    /// the transport makes of the sending, span and trace headers, is its child.
    /// </summary>
    /// <returns><see langword="null"/> if nobody wants it.</returns>
    public static Activity? StartAttempt(BackendLease lease)
    {
        if (!IsTraced)
        {
            return null;
        }

        var pool = lease.Backend.Pool;
        return Start(pool, TelemetryNames.AttemptActivity)
            ?.SetTag(TelemetryNames.PoolTag, pool.Name)
            .SetTag(TelemetryNames.BackendTag, lease.Backend.Name)
            .SetTag(TelemetryNames.AttemptTag, Attempts.CountOf(lease));
    }

    /// <param name="number">Which attempt of the request it was, without those that never reached their backend.</param>
    /// <param name="span">The attempt's span, which ends here.</param>
    /// <param name="hasResponse">Whether it was answered.</param>
    /// <param name="expiry">Whose time was up, if it was not answered for that.</param>
    public static void RecordAttempt(BackendLease lease, int number, Activity? span, bool hasResponse, Expiry expiry)
    {
        var backend = lease.Backend;
        var pool = backend.Pool;
        if (span is not null)
        {
            span.SetTag(TelemetryNames.ResultTag, RequestResults.Of(lease.Outcome.Failure));
            span.SetStatus(
                hasResponse && !lease.Outcome.IsFailure ? ActivityStatusCode.Unset : ActivityStatusCode.Error,
                hasResponse ? null : InWords(lease.Outcome, expiry)
            );
            Stop(pool, span);
        }

        if (Instruments.AttemptDuration.Enabled)
        {
            Listeners.Tell(
                pool.Logger,
                pool.Name,
                lease,
                static lease =>
                    Instruments.AttemptDuration.Record(
                        lease.Duration.TotalSeconds,
                        new(TelemetryNames.PoolTag, lease.Backend.Pool.Name),
                        new(TelemetryNames.BackendTag, lease.Backend.Name),
                        new(TelemetryNames.ResultTag, RequestResults.Of(lease.Outcome.Failure))
                    )
            );
        }

        if (number > 1 && Instruments.Retries.Enabled)
        {
            Listeners.Tell(
                pool.Logger,
                pool.Name,
                pool,
                static pool =>
                    Instruments.Retries.Add(1, new KeyValuePair<string, object?>(TelemetryNames.PoolTag, pool.Name))
            );
        }

        if (
            lease.Previous is { } previous
            && !ReferenceEquals(previous.Backend, backend)
            && Instruments.Failovers.Enabled
        )
        {
            Listeners.Tell(
                pool.Logger,
                pool.Name,
                previous.Backend,
                static left =>
                    Instruments.Failovers.Add(
                        1,
                        new(TelemetryNames.PoolTag, left.Pool.Name),
                        new(TelemetryNames.BackendTag, left.Name)
                    )
            );
        }

        if (pool.Logger.IsEnabled(LogLevel.Debug))
        {
            WriteAttempt(lease, number, expiry);
        }
    }

    private static void WriteAttempt(BackendLease lease, int number, Expiry expiry)
    {
        var (logger, pool, backend) = (lease.Backend.Pool.Logger, lease.Backend.Pool.Name, lease.Backend.Name);
        if (lease.Outcome.Failure == FailureKind.None)
        {
            var milliseconds = lease.Duration.TotalMilliseconds;
            LogMessages.AttemptAnswered(logger, pool, number, backend, lease.Outcome.StatusCode, milliseconds);
        }
        else
        {
            LogMessages.AttemptFailed(logger, pool, number, backend, InWords(lease.Outcome, expiry));
        }
    }

    /// <summary>
    /// An outcome is the same, and neutral, whether the caller left or the whole request's time was up; whoever reads of it
    /// looks for the reason elsewhere.
    /// </summary>
    private static string InWords(in AttemptOutcome outcome, Expiry expiry) =>
        outcome.Failure == FailureKind.Cancelled && expiry.IsWholeRequests()
            ? $"cut by the request's {expiry.Limit().Name}"
            : outcome.ToString();

    /// <summary>An attempt that could have helped is not made.</summary>
    /// <param name="number">Which attempt of the request failed.</param>
    /// <param name="reason">One of <see cref="SuppressionReasons"/>.</param>
    public static void RecordSuppression(BackendLease lease, int number, string reason)
    {
        var pool = lease.Backend.Pool;
        if (Instruments.SuppressedRetries.Enabled)
        {
            Listeners.Tell(
                pool.Logger,
                pool.Name,
                (pool, reason),
                static suppression =>
                    Instruments.SuppressedRetries.Add(
                        1,
                        new(TelemetryNames.PoolTag, suppression.pool.Name),
                        new(TelemetryNames.ReasonTag, suppression.reason)
                    )
            );
        }

        LogMessages.RetrySuppressed(pool.Logger, pool.Name, number, lease.Backend.Name, reason);
    }

    /// <param name="kind">One of <see cref="TimeoutKinds"/>.</param>
    public static void RecordTimeout(BackendPool pool, string kind)
    {
        if (Instruments.Timeouts.Enabled)
        {
            Listeners.Tell(
                pool.Logger,
                pool.Name,
                (pool, kind),
                static timeout =>
                    Instruments.Timeouts.Add(
                        1,
                        new(TelemetryNames.PoolTag, timeout.pool.Name),
                        new(TelemetryNames.TimeoutTag, timeout.kind)
                    )
            );
        }
    }

    /// <summary>Ends the span of an attempt of which nothing was learnt.</summary>
    public static void AbandonAttempt(BackendPool pool, Activity span)
    {
        span.SetStatus(ActivityStatusCode.Error);
        Stop(pool, span);
    }

    /// <param name="result">One of <see cref="RequestResults"/>.</param>
    /// <param name="span">The request's span, which its own layer ends.</param>
    public static void RecordRequest(
        BackendPool pool,
        long startedAt,
        BackendLease? last,
        bool isDelivered,
        string result,
        Activity? span
    )
    {
        span?.SetTag(TelemetryNames.BackendTag, last?.Backend.Name)
            .SetTag(TelemetryNames.ResultTag, result)
            .SetTag(TelemetryNames.AttemptsTag, Attempts.CountOf(last))
            .SetStatus(
                isDelivered && last is { Outcome.IsFailure: false }
                    ? ActivityStatusCode.Unset
                    : ActivityStatusCode.Error,
                isDelivered ? null : span.StatusDescription ?? WhyOf(last, result)
            );
        if (Instruments.RequestDuration.Enabled)
        {
            Listeners.Tell(
                pool.Logger,
                pool.Name,
                (pool, startedAt, result),
                static request =>
                    Instruments.RequestDuration.Record(
                        TimeSpan.FromTicks(request.pool.Clock.Ticks - request.startedAt).TotalSeconds,
                        new(TelemetryNames.PoolTag, request.pool.Name),
                        new(TelemetryNames.ResultTag, request.result)
                    )
            );
        }
    }

    private static string? WhyOf(BackendLease? last, string result) =>
        result == RequestResults.Cancelled ? result
        : last is { Outcome.Failure: not FailureKind.None } ? last.Outcome.ToString()
        : null;

    private static Activity? Start(BackendPool pool, string name)
    {
        var outer = Activity.Current;
        Listeners.Tell(pool.Logger, pool.Name, name, static name => Instruments.Activities.StartActivity(name));
        // Looked for here, because a listener that throws at a start keeps it from being returned: by then the platform
        // has made it the current one.
        return ReferenceEquals(Activity.Current, outer) ? null : Activity.Current;
    }

    private static void Stop(BackendPool pool, Activity? span)
    {
        if (span is null)
        {
            return;
        }

        Listeners.Tell(pool.Logger, pool.Name, span, static span => span.Stop());
        if (ReferenceEquals(Activity.Current, span))
        {
            // A listener threw before the platform gave the place back to the span around this one.
            Activity.Current = span.Parent;
        }
    }
}
