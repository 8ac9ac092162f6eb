namespace Resilience.Primitives;

/// <summary>The mathematics of growing delays: pure functions, the random draw passed in.</summary>
internal static class Backoff
{
    /// <summary>
    /// <paramref name="initial"/> · <paramref name="factor"/>^<paramref name="step"/>, never above
    /// <paramref name="cap"/>, whatever the step (no overflow).
    /// </summary>
    public static TimeSpan Exponential(TimeSpan initial, double factor, int step, TimeSpan cap)
    {
        // No delay stays none: zero times an infinite power is not a number, which is not above the cap.
        var ticks = initial.Ticks * Math.Pow(factor, step);
        return ticks >= cap.Ticks ? cap : TimeSpan.FromTicks((long)ticks);
    }

    /// <summary>
    /// Takes away up to the share <paramref name="jitter"/> (0 to 1) of <paramref name="delay"/>: 1 is the "full
    /// jitter" of Brooker, "Exponential Backoff And Jitter" (AWS, 2015), 0.1 only loosens the step. The result never
    /// exceeds the delay, so that callers at a cap do not retry in step.
    /// </summary>
    /// <param name="random">A draw from [0, 1).</param>
    public static TimeSpan Jittered(TimeSpan delay, double jitter, double random) =>
        TimeSpan.FromTicks((long)(delay.Ticks * (1 - (jitter * random))));

    /// <summary>Moves <paramref name="delay"/> evenly within ± the share <paramref name="jitter"/> of itself.</summary>
    /// <param name="random">A draw from [0, 1).</param>
    public static TimeSpan Around(TimeSpan delay, double jitter, double random) =>
        TimeSpan.FromTicks((long)(delay.Ticks * (1 + (jitter * ((2 * random) - 1)))));
}
