namespace Resilience.Backends;

/// <summary>A backend's state at one moment, and why. Immutable.</summary>
/// <param name="State">The one word.</param>
/// <param name="Reason">The first objection, if any.</param>
/// <param name="Detail">The reason in words, for instance <c>5 consecutive failures, the last: connection refused</c>.</param>
/// <param name="Since">When it became so.</param>
public sealed record BackendStatus(BackendState State, StateReason Reason, string Detail, DateTimeOffset Since);
