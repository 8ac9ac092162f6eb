using System.Runtime.InteropServices;

namespace Resilience.Health.Passive;

/// <summary>What real traffic has shown of a backend since its last ejection. Immutable.</summary>
/// <param name="ConsecutiveFailures">Failures in a row.</param>
/// <param name="ConsecutiveSuccesses">Successes in a row, counted up to 1,000.</param>
/// <param name="Requests">Requests within the window, if a rule looks at their share.</param>
/// <param name="Failures">Those of them that failed.</param>
/// <param name="MeanResponseTime">The moving average of the time to a good response's headers; zero before the first.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct PassiveFigures(
    int ConsecutiveFailures,
    int ConsecutiveSuccesses,
    long Requests,
    long Failures,
    TimeSpan MeanResponseTime
)
{
    /// <summary>The share of failed requests within the window: 0 to 1, and 0 without requests.</summary>
    public double FailureRate => Requests == 0 ? 0 : (double)Failures / Requests;
}
