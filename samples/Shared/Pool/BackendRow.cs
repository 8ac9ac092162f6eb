namespace Shared.Pool;

/// <summary>One backend as the pool sees it.</summary>
/// <param name="Name">The backend's name.</param>
/// <param name="State">healthy, unhealthy or draining.</param>
/// <param name="Reason">Why the state is not healthy; empty when it is.</param>
/// <param name="InFlight">The requests that hold this backend now.</param>
internal sealed record BackendRow(string Name, string State, string Reason, int InFlight)
{
    public const string Healthy = "healthy";
    public const string Unhealthy = "unhealthy";
    public const string Draining = "draining";
}
