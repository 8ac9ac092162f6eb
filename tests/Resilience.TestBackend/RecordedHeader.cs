namespace Resilience.TestBackend;

/// <summary>One header value as it arrived.</summary>
internal sealed record RecordedHeader(string Name, string Value);
