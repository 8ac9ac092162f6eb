using Resilience.Primitives;

namespace Resilience.Health.Passive;

/// <summary>The options of passive detection, checked and compiled. Immutable.</summary>
internal sealed class PassiveRules
{
    private readonly TimeSpan _ejectionTime;
    private readonly TimeSpan _maxEjectionTime;
    private readonly double _jitter;

    public PassiveRules(PassiveHealthOptions options)
    {
        Ranges.ThrowIfAny("passive health options", options.Problems());
        IsEnabled = options.Enabled;
        ConsecutiveFailures = options.ConsecutiveFailures;
        _ejectionTime = options.EjectionTime;
        _maxEjectionTime = options.MaxEjectionTime;
        _jitter = options.Jitter;
    }

    public bool IsEnabled { get; }

    public int ConsecutiveFailures { get; }

    /// <summary>The length of an ejection after <paramref name="earlier"/> unforgiven ones.</summary>
    /// <param name="random">A draw from [0, 1).</param>
    public long EjectionMilliseconds(int earlier, double random) =>
        (long)Backoff.Jittered(Unjittered(earlier), _jitter, random).TotalMilliseconds;

    /// <summary>
    /// The ejections that are still held against a backend: each good stretch as long as its last ejection forgives one.
    /// </summary>
    public int Unforgiven(int ejections, long goodMilliseconds)
    {
        while (ejections > 0 && goodMilliseconds >= Unjittered(ejections - 1).TotalMilliseconds)
        {
            goodMilliseconds -= (long)Unjittered(ejections - 1).TotalMilliseconds;
            ejections--;
        }

        return ejections;
    }

    private TimeSpan Unjittered(int earlier) => Backoff.Exponential(_ejectionTime, 2, earlier, _maxEjectionTime);
}
