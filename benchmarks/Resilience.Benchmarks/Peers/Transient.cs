using System.Net;
using Polly;
using Polly.CircuitBreaker;
using Polly.Timeout;

namespace Resilience.Benchmarks.Peers;

/// <summary>
/// Which outcomes the Polly handlers count as failures, written as Polly's performance guide advises: a switch, not a
/// <see cref="PredicateBuilder{TResult}"/>.
/// </summary>
internal static class Transient
{
    /// <summary>Evidence against a backend: faults, timeouts, any 5xx.</summary>
    public static bool IsFailure(Outcome<HttpResponseMessage> outcome) =>
        outcome switch
        {
            { Exception: HttpRequestException or TimeoutRejectedException } => true,
            { Result.StatusCode: >= HttpStatusCode.InternalServerError } => true,
            _ => false,
        };

    /// <summary>Worth another attempt: failures, and a backend whose circuit is open.</summary>
    public static bool IsRetryable(Outcome<HttpResponseMessage> outcome) =>
        IsFailure(outcome) || outcome.Exception is BrokenCircuitException;
}
