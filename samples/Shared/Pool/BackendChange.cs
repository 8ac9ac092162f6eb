namespace Shared.Pool;

/// <summary>One change of a backend's state.</summary>
internal sealed record BackendChange(string Name, string From, string To, string Reason);
