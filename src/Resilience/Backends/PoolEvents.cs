using Resilience.CircuitBreaking;

namespace Resilience.Backends;

/// <summary>Something that happened to a pool. Immutable.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
public abstract record PoolEvent(string Pool, DateTimeOffset Time)
{
    /// <summary>How many events this subscriber missed just before this one, because its queue was full.</summary>
    public int Missed { get; init; }
}

/// <summary>A backend's state changed.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Backend">The backend.</param>
/// <param name="From">Its status before.</param>
/// <param name="To">Its status from then on.</param>
public sealed record BackendStateChanged(
    string Pool,
    DateTimeOffset Time,
    Backend Backend,
    BackendStatus From,
    BackendStatus To
) : PoolEvent(Pool, Time);

/// <summary>
/// A backend's circuit changed. Two changes that follow each other at once, on two threads, may be told as one: from the
/// state before the first to the one after the second.
/// </summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Backend">The backend.</param>
/// <param name="From">Its circuit's state before.</param>
/// <param name="To">Its circuit's state from then on.</param>
public sealed record BackendCircuitChanged(
    string Pool,
    DateTimeOffset Time,
    Backend Backend,
    CircuitState From,
    CircuitState To
) : PoolEvent(Pool, Time);

/// <summary>
/// A backend's circuit, which only measures, would have opened: what a dry run of its rules is for.
/// </summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Reason">The rule that would have opened it.</param>
public sealed record BackendCircuitWouldOpen(
    string Pool,
    DateTimeOffset Time,
    Backend Backend,
    CircuitChangeReason Reason
) : PoolEvent(Pool, Time);

/// <summary>A backend joined the pool.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Backend">The backend.</param>
public sealed record BackendAdded(string Pool, DateTimeOffset Time, Backend Backend) : PoolEvent(Pool, Time);

/// <summary>A backend left the pool; it finishes the requests that it has.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Backend">The backend.</param>
public sealed record BackendRemoved(string Pool, DateTimeOffset Time, Backend Backend) : PoolEvent(Pool, Time);

/// <summary>Passive detection found a backend wanting and ejected it, or would have if this were no dry run.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Backend">The backend.</param>
/// <param name="Rule">The rule that found it.</param>
/// <param name="Detail">The figures it went by, in words.</param>
/// <param name="Duration">How long the ejection lasts.</param>
/// <param name="IsEnforced">Whether the backend takes no traffic for that time; not so in a dry run.</param>
public sealed record BackendEjected(
    string Pool,
    DateTimeOffset Time,
    Backend Backend,
    EjectionRule Rule,
    string Detail,
    TimeSpan Duration,
    bool IsEnforced
) : PoolEvent(Pool, Time);

/// <summary>The pool began or ceased to ignore health verdicts because they would leave no backend.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="IsFailOpen">Whether verdicts are ignored from now on.</param>
public sealed record FailOpenChanged(string Pool, DateTimeOffset Time, bool IsFailOpen) : PoolEvent(Pool, Time);

/// <summary>A new configuration was applied, or refused whole because it is invalid.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Problems">Why it was refused; empty if it was applied.</param>
public sealed record ConfigurationReloaded(string Pool, DateTimeOffset Time, IReadOnlyList<string> Problems)
    : PoolEvent(Pool, Time);

/// <summary>A selector threw; until the next change requests go to any available backend, drawn at random.</summary>
/// <param name="Pool">The pool's name.</param>
/// <param name="Time">When it happened.</param>
/// <param name="Exception">What it threw.</param>
public sealed record SelectorFailed(string Pool, DateTimeOffset Time, Exception Exception) : PoolEvent(Pool, Time);
