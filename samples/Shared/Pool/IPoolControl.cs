namespace Shared.Pool;

/// <summary>What the script does to the pool.</summary>
internal interface IPoolControl
{
    /// <summary>Sends no new requests to the backend, and completes when none is in flight any more.</summary>
    Task DrainAsync(string name, CancellationToken cancellationToken);

    /// <summary>Lets the backend take traffic again.</summary>
    void Enable(string name);

    /// <summary>Completes when the pool counts the backend as healthy.</summary>
    Task WaitUntilHealthyAsync(string name, CancellationToken cancellationToken);

    /// <summary>Completes when the pool no longer counts the backend as healthy.</summary>
    Task WaitUntilUnhealthyAsync(string name, CancellationToken cancellationToken);
}
