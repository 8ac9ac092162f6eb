using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Health.Passive;

/// <summary>The options of passive detection, checked and compiled. Immutable.</summary>
internal sealed class PassiveRules
{
    private readonly TimeSpan _ejectionTime;
    private readonly TimeSpan _maxEjectionTime;
    private readonly TimeSpan _maxCoolingTime;
    private readonly double _jitter;

    public PassiveRules(PassiveHealthOptions options)
    {
        Ranges.ThrowIfAny("passive health options", options.Problems());
        IsEnabled = options.Enabled;
        ConsecutiveFailures = options.ConsecutiveFailures;
        ConsecutiveSuccesses = options.ConsecutiveSuccesses;
        FailureRate = options.FailureRate;
        MinimumRequests = options.MinimumRequests;
        Window = options.Window;
        Epochs = SlidingWindow.ByBuckets(options.Window);
        SlowResponseTime = options.SlowResponseTime;
        SlowResponseRate = options.SlowResponseRate;
        FindsSilence = options.Silence;
        RelativeFailureGap = options.RelativeFailureGap;
        RelativeTimeFactor = options.RelativeTimeFactor;
        RelativeTimeGap = options.RelativeTimeGap;
        IsDryRun = options.DryRun;
        IsComparing = RelativeFailureGap > 0 || RelativeTimeFactor > 0;
        IsWatching = IsEnabled && (FindsSilence || IsComparing);
        CountsOutcomes = FailureRate > 0 || IsComparing;
        CountsSlow = SlowResponseTime > TimeSpan.Zero;
        _ejectionTime = options.EjectionTime;
        _maxEjectionTime = options.MaxEjectionTime;
        _maxCoolingTime = options.MaxCoolingTime;
        _jitter = options.Jitter;
    }

    public bool IsEnabled { get; }

    public int ConsecutiveFailures { get; }

    public int ConsecutiveSuccesses { get; }

    public double FailureRate { get; }

    public int MinimumRequests { get; }

    public TimeSpan Window { get; }

    /// <summary>The buckets of the window.</summary>
    public FastDivisor Epochs { get; }

    public TimeSpan SlowResponseTime { get; }

    public double SlowResponseRate { get; }

    public bool FindsSilence { get; }

    public double RelativeFailureGap { get; }

    public double RelativeTimeFactor { get; }

    public TimeSpan RelativeTimeGap { get; }

    public bool IsDryRun { get; }

    /// <summary>Whether backends are compared with one another.</summary>
    public bool IsComparing { get; }

    /// <summary>Whether there is a rule for which somebody must look from time to time.</summary>
    public bool IsWatching { get; }

    /// <summary>Whether outcomes are counted over the window: some rule looks at their share or number.</summary>
    public bool CountsOutcomes { get; }

    /// <summary>Whether response times are counted over the window.</summary>
    public bool CountsSlow { get; }

    /// <summary>Whether a share is one that ejects.</summary>
    /// <param name="rate">The rule's share; not zero.</param>
    public bool IsTooLarge(long bad, long all, double rate) => all >= MinimumRequests && bad >= rate * all;

    /// <summary>How long an answer takes its backend out of rotation; zero if it does not.</summary>
    public TimeSpan CoolingTime(in AttemptOutcome outcome) =>
        outcome is { StatusCode: 429 or 503, RetryAfter: { } asked }
            ? TimeSpan.FromTicks(Math.Clamp(asked.Ticks, 0, _maxCoolingTime.Ticks))
            : TimeSpan.Zero;

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
