namespace Resilience.Backends;

/// <summary>
/// What a pool looks like at one moment: derived from its backends' states inside one critical section, immutable, and
/// read by requests with one volatile read.
/// </summary>
public sealed class PoolSnapshot
{
    private static readonly TaskCompletionSource Passed = CompletedSource();

    private readonly Backend[] _backends;
    private readonly Backend[] _available;
    private TaskCompletionSource? _superseded;
    private OwnAddresses? _ownAddresses;

    internal PoolSnapshot(
        long version,
        Backend[] backends,
        Backend[] available,
        BackendPicker? picker,
        bool isFailOpen,
        Refusals refusals,
        long nextChange
    )
    {
        Version = version;
        _backends = backends;
        _available = available;
        Picker = picker;
        IsFailOpen = isFailOpen;
        Refusals = refusals;
        NextChange = nextChange;
    }

    /// <summary>Grows with every snapshot of the pool.</summary>
    public long Version { get; }

    /// <summary>All backends of the pool.</summary>
    public IReadOnlyList<Backend> Backends => _backends;

    /// <summary>The backends that take traffic now.</summary>
    public IReadOnlyList<Backend> Available => _available;

    /// <summary>Whether health verdicts are ignored because they alone would leave no backend.</summary>
    public bool IsFailOpen { get; }

    /// <summary>Since when they are ignored; <see langword="null"/> if they are not.</summary>
    public DateTimeOffset? FailOpenSince { get; internal init; }

    /// <summary>How many backends do not take traffic, by the first reason.</summary>
    public Refusals Refusals { get; }

    /// <summary>Picks from <see cref="Available"/>; null when there is none.</summary>
    internal BackendPicker? Picker { get; }

    /// <summary>When the passing of time alone makes this snapshot old, in the clock's milliseconds.</summary>
    internal long NextChange { get; }

    internal ReadOnlySpan<Backend> AvailableSpan => _available;

    internal ReadOnlySpan<Backend> BackendSpan => _backends;

    /// <summary>
    /// Whether scheme and authority are those of one of the pool's backends; takes that backend's base path off the path. The
    /// table is made when a snapshot is first asked.
    /// </summary>
    internal bool IsOwnAddress(string scheme, ReadOnlySpan<char> authority, ref ReadOnlySpan<char> path) =>
        (_ownAddresses ??= new OwnAddresses(_backends)).Contains(scheme, authority, ref path);

    /// <summary>Completes when a younger snapshot has been published.</summary>
    internal Task WhenSuperseded()
    {
        var source = Volatile.Read(ref _superseded);
        if (source is null)
        {
            var mine = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            source = Interlocked.CompareExchange(ref _superseded, mine, null) ?? mine;
        }

        return source.Task;
    }

    /// <summary>Releases whoever waits, and whoever will.</summary>
    internal void Supersede() => Interlocked.Exchange(ref _superseded, Passed)?.TrySetResult();

    private static TaskCompletionSource CompletedSource()
    {
        var source = new TaskCompletionSource();
        source.SetResult();
        return source;
    }
}

/// <summary>
/// How many backends of a pool do not take traffic, counted by the first reason that holds. While health verdicts are
/// ignored (<see cref="PoolSnapshot.IsFailOpen"/>) nobody is counted for them. Immutable.
/// </summary>
/// <param name="Disabled">Disabled by the operator.</param>
/// <param name="Draining">Draining.</param>
/// <param name="Weightless">Of weight 0.</param>
/// <param name="CircuitOpen">With an open circuit whose break has not ended.</param>
/// <param name="AwaitingTrial">With a half-open circuit whose trials are all out.</param>
/// <param name="Ejected">Ejected by passive detection.</param>
/// <param name="Unhealthy">With failing probes.</param>
public readonly record struct Refusals(
    int Disabled,
    int Draining,
    int Weightless,
    int CircuitOpen,
    int AwaitingTrial,
    int Ejected,
    int Unhealthy
);
