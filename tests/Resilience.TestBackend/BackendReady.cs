namespace Resilience.TestBackend;

/// <summary>The one line of JSON that a backend prints once it listens.</summary>
internal sealed record BackendReady(string Name, int Port, int Pid, string Url, string? Thumbprint);
