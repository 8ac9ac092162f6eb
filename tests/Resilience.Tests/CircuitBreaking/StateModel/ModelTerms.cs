namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>Which circuit is explored, by how many clients, and how far.</summary>
/// <param name="Clients">Two or three; with an operator, two.</param>
/// <param name="Trials">Trials at once (K).</param>
/// <param name="Successes">Successes that close (M).</param>
/// <param name="Tested">Of how many trials (P).</param>
internal sealed record ModelTerms(int Clients, int Trials, int Successes, int Tested)
{
    /// <summary>Failures in a row that open (T).</summary>
    public int Failures { get; init; } = 2;

    /// <summary>Where time ends.</summary>
    public byte LastTick { get; init; } = 5;

    /// <summary>A state of a later generation is not followed any further.</summary>
    public int LastGeneration { get; init; } = 5;

    /// <summary>
    /// Up to when a circuit must be able to close before time ends: an expiry and a break take three ticks together.
    /// </summary>
    public int LastTickToRecoverFrom => LastTick - 3;

    /// <summary>How many commands an operator gives meanwhile.</summary>
    public byte Commands { get; init; }

    /// <summary>Whether bodies break after their success was reported.</summary>
    public bool HasLateFailures { get; init; }

    /// <summary>Whether a window may find, after any report, that too many calls went wrong.</summary>
    public bool HasRates { get; init; }

    /// <summary>An exploration that comes upon more states than this has gone wrong.</summary>
    public int MostStates { get; init; } = 3_000_000;
}
