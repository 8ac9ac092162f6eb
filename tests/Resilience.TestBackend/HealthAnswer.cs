namespace Resilience.TestBackend;

/// <summary>What <c>/health</c> answers, and after how long.</summary>
internal sealed record HealthAnswer(int StatusCode, TimeSpan Delay);
