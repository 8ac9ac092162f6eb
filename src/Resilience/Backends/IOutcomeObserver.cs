namespace Resilience.Backends;

/// <summary>
/// Told of the outcome of every attempt on a pool's backends, on the request path: must not block, allocate or throw.
/// </summary>
internal interface IOutcomeObserver
{
    /// <summary>An attempt begins to wait for response headers.</summary>
    /// <returns>Whether the wait is counted, so that its end must be too.</returns>
    bool OnStarted(Backend backend) => false;

    /// <summary>What the attempt showed: known at the end of the response's body, or as soon as it has failed.</summary>
    void OnOutcome(Backend backend, in AttemptOutcome outcome);

    /// <summary>
    /// The attempt no longer waits for response headers, whatever the reason; before <see cref="OnOutcome"/>, once.
    /// </summary>
    /// <param name="backend">Its backend.</param>
    /// <param name="outcome">What is known by then.</param>
    /// <param name="duration">How long it waited.</param>
    void OnAnswered(Backend backend, in AttemptOutcome outcome, TimeSpan duration) { }
}

/// <summary>Told directly when backends join or leave a pool, inside the pool's critical section: must not block.</summary>
internal interface IMembershipObserver
{
    void OnMembersChanged(IReadOnlyList<Backend> added, IReadOnlyList<Backend> removed);
}
