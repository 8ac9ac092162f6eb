using Resilience.Backends;
using Xunit.Abstractions;

namespace Resilience.IntegrationTests.Health;

/// <summary>How soon real traffic alone finds each fault (R3, R4, R33, R40, R49, R70).</summary>
public sealed class DetectionByTrafficTests(ITestOutputHelper output) : DetectionTest(output)
{
    private const int RequestsPerSecond = 50;
    private const int Failures = 5;

    private static readonly TimeSpan SilenceLimit = TimeSpan.FromSeconds(2);

    [SkippableTheory]
    [MemberData(nameof(Faults))]
    public async Task Traffic_BackendFallsIll_TakesItOutAndNoRequestFails(DetectionFault fault)
    {
        var status = await DetectAsync(fault, RequestsPerSecond, WorstCase(fault), _ => { });

        status.Reason.Should().Be(StateReason.Passive);
        status.Detail.Should().MatchRegex(ReasonOf(fault));
    }

    private protected override string Way => "traffic";

    private protected override bool IsReady(Backend backend) => backend.Attempts >= 2 * Failures;

    /// <summary>
    /// The time to the fifth request in turn that fails; of one that hangs, to the fifth that waits, then the limit and
    /// two ticks of the watch, which are an eighth of it each.
    /// </summary>
    private static TimeSpan WorstCase(DetectionFault fault)
    {
        var toTheFifth = TimeSpan.FromSeconds((double)Failures * Backends / RequestsPerSecond);
        return IsHanging(fault) ? toTheFifth + (1.25 * SilenceLimit) : toTheFifth;
    }

    private static string ReasonOf(DetectionFault fault) =>
        fault switch
        {
            // What was under way when it died was lost, what came after found nobody.
            DetectionFault.Killed => "^5 consecutive failures, the last: (no connection|connection lost); ejected",
            DetectionFault.Answers500 => "^5 consecutive failures, the last: status 500; ejected",
            DetectionFault.CertificateExpired or DetectionFault.CertificateOfAnotherHost =>
                "^5 consecutive failures, the last: TLS handshake failed; ejected",
            DetectionFault.Reset => "^5 consecutive failures, the last: connection lost; ejected",
            _ => @"^silent: \d+ requests waiting for \d+(\.\d+)? s; ejected",
        };
}
