namespace Resilience.Health.Passive;

/// <summary>What came of the evidence against a backend.</summary>
internal enum EjectionResult
{
    /// <summary>Nothing: it is out already, has left the pool, or was judged by rules that are no more.</summary>
    None,

    /// <summary>It takes no traffic for a while.</summary>
    Ejected,

    /// <summary>It would have been ejected, but this is a dry run.</summary>
    DryRun,

    /// <summary>It stays, since it is the last or too many others are out (law 6).</summary>
    Refused,
}
