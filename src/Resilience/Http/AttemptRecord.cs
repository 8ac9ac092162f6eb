using Resilience.Backends;

namespace Resilience.Http;

/// <summary>One attempt of a request, as the response or the exception tells of it. Immutable.</summary>
/// <param name="Backend">The backend's name.</param>
/// <param name="Outcome">What the attempt showed.</param>
/// <param name="Duration">The time until the response's headers or the failure.</param>
public sealed record AttemptRecord(string Backend, AttemptOutcome Outcome, TimeSpan Duration);
