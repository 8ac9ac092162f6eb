using System.Globalization;
using System.Runtime.InteropServices;
using Resilience.Backends;

namespace Resilience.Health.Passive;

/// <summary>What speaks against a backend: the rule that found it wanting and the figures it went by. Immutable.</summary>
/// <param name="Rule">The rule.</param>
/// <param name="Bad">How many failures, slow responses or waiting requests there are.</param>
/// <param name="All">Of how many.</param>
/// <param name="Time">The rule's time: the window, the time waited, or for how long the backend asked.</param>
/// <param name="Limit">What the times are held against.</param>
/// <param name="Usual">What the share is held against.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Evidence(
    EjectionRule Rule,
    long Bad = 0,
    long All = 0,
    TimeSpan Time = default,
    TimeSpan Limit = default,
    double Usual = 0
)
{
    /// <summary>In words, for the backend's state: <c>5 consecutive failures, the last: connect timeout</c>.</summary>
    public string Describe(Backend backend) =>
        Rule switch
        {
            EjectionRule.ConsecutiveFailures => Text(
                $"{Bad} consecutive failures, the last: {backend.DescribeLastFailure()}"
            ),
            EjectionRule.FailureRate => Text(
                $"{Bad} of {All} requests failed within {Seconds(Time)}, the last: {backend.DescribeLastFailure()}"
            ),
            EjectionRule.SlowResponses => Text(
                $"{Bad} of {All} responses took longer than {Seconds(Limit)} within {Seconds(Time)}"
            ),
            EjectionRule.Silence => Text($"silent: {Bad} requests waiting for {Seconds(Time)}"),
            EjectionRule.RelativeFailures => Text(
                $"{Bad} of {All} requests failed, where {Usual:0.##%} is usual in the pool, the last: {backend.DescribeLastFailure()}"
            ),
            EjectionRule.RelativeTime => Text(
                $"answers in {Seconds(Time)} on average, where {Seconds(Limit)} is usual in the pool"
            ),
            _ => Text($"status {Bad} asked to be left alone for {Seconds(Time)}"),
        };

    private static string Seconds(TimeSpan time) => Text($"{time.TotalSeconds:0.###} s");

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
