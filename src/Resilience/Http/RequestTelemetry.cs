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

    /// <summary>Puts a span around a request.</summary>
    public static async Task<HttpResponseMessage> TraceAsync(ResilientHandler handler, ResilientCall call)
    {
        using var activity = Instruments.Activities.StartActivity(TelemetryNames.RequestActivity);
        activity?.SetTag(TelemetryNames.PoolTag, call.Pool.Name);
        try
        {
            var response = await handler.SendUntracedAsync(call).ConfigureAwait(false);
            var last = Attempts.LastOf(response);
            var outcome = last?.Outcome ?? default;
            activity?.SetTag(TelemetryNames.BackendTag, last?.Backend.Name);
            activity?.SetTag(TelemetryNames.ResultTag, ResultOf(outcome));
            activity?.SetStatus(outcome.IsFailure ? ActivityStatusCode.Error : ActivityStatusCode.Unset);
            return response;
        }
        catch (Exception exception)
        {
            activity?.SetTag(TelemetryNames.ResultTag, exception.GetType().Name);
            activity?.SetStatus(ActivityStatusCode.Error, exception.Message);
            throw;
        }
    }

    public static void RecordAttempt(BackendLease lease, int number)
    {
        var backend = lease.Backend;
        var pool = backend.Pool;
        if (Instruments.AttemptDuration.Enabled)
        {
            Instruments.AttemptDuration.Record(
                lease.Duration.TotalSeconds,
                new(TelemetryNames.PoolTag, pool.Name),
                new(TelemetryNames.BackendTag, backend.Name),
                new(TelemetryNames.ResultTag, ResultOf(lease.Outcome))
            );
        }

        if (number > 1 && Instruments.Retries.Enabled)
        {
            Instruments.Retries.Add(1, new KeyValuePair<string, object?>(TelemetryNames.PoolTag, pool.Name));
        }

        if (lease.Outcome.Failure != FailureKind.None && pool.Logger.IsEnabled(LogLevel.Debug))
        {
            LogMessages.AttemptFailed(pool.Logger, pool.Name, number, backend.Name, lease.Outcome.ToString());
        }
    }

    public static void RecordRequest(
        BackendPool pool,
        long startedAt,
        BackendLease? last,
        bool isDelivered,
        bool isCancelled
    )
    {
        if (Instruments.RequestDuration.Enabled)
        {
            Instruments.RequestDuration.Record(
                TimeSpan.FromTicks(pool.Clock.Ticks - startedAt).TotalSeconds,
                new(TelemetryNames.PoolTag, pool.Name),
                new(
                    TelemetryNames.ResultTag,
                    isCancelled && !isDelivered ? "cancelled"
                        : last is null ? "no_backend"
                        : ResultOf(last.Outcome)
                )
            );
        }
    }

    /// <summary>A bounded set of words; statuses are not among them.</summary>
    private static string ResultOf(in AttemptOutcome outcome) =>
        outcome.Failure switch
        {
            FailureKind.None => "success",
            FailureKind.Connect => "connect",
            FailureKind.NameResolution => "name_resolution",
            FailureKind.Tls => "tls",
            FailureKind.ConnectTimeout => "connect_timeout",
            FailureKind.StreamRefused => "stream_refused",
            FailureKind.ConnectionLost => "connection_lost",
            FailureKind.MalformedResponse => "malformed_response",
            FailureKind.AttemptTimeout => "attempt_timeout",
            FailureKind.Status => "status",
            FailureKind.Body => "body",
            FailureKind.Cancelled => "cancelled",
            FailureKind.Request => "request",
            _ => "other",
        };
}
