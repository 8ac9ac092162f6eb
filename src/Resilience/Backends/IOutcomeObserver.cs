namespace Resilience.Backends;

/// <summary>
/// Told of the outcome of every attempt on a pool's backends, on the request path: must not block, allocate or throw.
/// </summary>
internal interface IOutcomeObserver
{
    void OnOutcome(Backend backend, in AttemptOutcome outcome);
}

/// <summary>Told directly when backends join or leave a pool, inside the pool's critical section: must not block.</summary>
internal interface IMembershipObserver
{
    void OnMembersChanged(IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed);
}
