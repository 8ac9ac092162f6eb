using Resilience.Backends;
using Resilience.Telemetry;

namespace Resilience.Http;

/// <summary>
/// What came of a request, as metrics and spans name it: what came of its last attempt, or what kept it from having one,
/// or from waiting for its end. A bounded set of words; statuses are not among them.
/// </summary>
internal static class RequestResults
{
    /// <summary>The caller left.</summary>
    public const string Cancelled = "cancelled";

    /// <summary>Its own total time or a deadline around it ended it; nobody left.</summary>
    public const string Deadline = TimeoutKinds.Deadline;

    /// <summary>Every backend that takes traffic was at its limit.</summary>
    public const string Overloaded = "overloaded";

    /// <summary>No backend took traffic.</summary>
    public const string NoBackend = "no_backend";

    /// <summary>Its own content failed.</summary>
    public const string Request = "request";

    /// <summary>What came of an attempt.</summary>
    public static string Of(FailureKind failure) =>
        failure switch
        {
            FailureKind.None => Results.Success,
            FailureKind.Connect => "connect",
            FailureKind.NameResolution => "name_resolution",
            FailureKind.Tls => "tls",
            FailureKind.ConnectTimeout => "connect_timeout",
            FailureKind.StreamRefused => "stream_refused",
            FailureKind.ConnectionLost => "connection_lost",
            FailureKind.MalformedResponse => "malformed_response",
            FailureKind.AttemptTimeout => "attempt_timeout",
            FailureKind.ContentStalled => "content_stalled",
            FailureKind.Status => "status",
            FailureKind.Body => "body",
            FailureKind.BodyStalled => "body_stalled",
            FailureKind.Cancelled => Cancelled,
            FailureKind.Request => Request,
            _ => "other",
        };
}
