using Resilience.Backends;
using Resilience.Timeouts;

namespace Resilience.Http;

/// <summary>
/// A response's content that came while its request's was still being sent: one that breaks because the request's has
/// failed is not held against the backend.
/// </summary>
internal sealed class DuplexContent(
    HttpContent inner,
    long? length,
    BackendLease lease,
    long outlivesAt,
    in IdleLimit idle,
    bool isFramed,
    AttemptContent sent
) : TrackedContent(inner, length, lease, outlivesAt, idle, isFramed)
{
    protected override bool IsBrokenHere => sent.HasFailed;
}
