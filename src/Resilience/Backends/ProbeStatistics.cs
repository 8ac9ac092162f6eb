namespace Resilience.Backends;

/// <summary>How many probes have ended, and how. Immutable.</summary>
/// <param name="Succeeded">Probes that found what was expected.</param>
/// <param name="Failed">Those that did not. A probe that was stopped is neither.</param>
/// <param name="Skipped">
/// Those that were due and not sent, because traffic had just shown the backend to be healthy. They are in no total.
/// </param>
public readonly record struct ProbeStatistics(long Succeeded, long Failed, long Skipped = 0)
{
    /// <summary>All that have ended.</summary>
    public long Total => Succeeded + Failed;

    /// <summary>The share that succeeded, from 0 to 1; <see cref="double.NaN"/> before the first has ended.</summary>
    public double SuccessRate => Total == 0 ? double.NaN : (double)Succeeded / Total;
}
