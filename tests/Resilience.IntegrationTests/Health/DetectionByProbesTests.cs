using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.IntegrationTests.Health;

/// <summary>How soon probes alone find each fault (R5, R33, R49, R60 to R63, R67).</summary>
public sealed class DetectionByProbesTests(ITestOutputHelper output) : DetectionTest(output)
{
    /// <summary>Few enough that what they cost on the struck backend stays within the budget of retries.</summary>
    private const int RequestsPerSecond = 10;

    [SkippableTheory]
    [MemberData(nameof(Faults))]
    public async Task Probes_BackendFallsIll_TakeItOutAndNoRequestFails(DetectionFault fault)
    {
        var checks = ChecksFor(fault);

        var status = await DetectAsync(
            fault,
            RequestsPerSecond,
            WorstCase(fault, checks),
            options =>
            {
                options.HealthCheck = checks;
                options.PassiveHealth.Enabled = false;
                options.CircuitBreaker.Enabled = false;
            }
        );

        status.Reason.Should().Be(StateReason.Active);
        status.Detail.Should().Match(ReasonOf(fault, checks));
    }

    private protected override string Way => "probes";

    private protected override bool IsReady(Backend backend) => backend.ActiveVerdict == ActiveVerdict.Healthy;

    /// <summary>
    /// Where an answer comes, be it a bad one, it is to be the reason: a handshake on a busy machine may take longer than the
    /// second after which one that hangs is given up.
    /// </summary>
    private static HealthCheckOptions ChecksFor(DetectionFault fault) =>
        TableFile is null
            ? new HealthCheckOptions
            {
                Interval = TimeSpan.FromSeconds(1),
                Timeout = IsHanging(fault) ? TimeSpan.FromSeconds(1) : Limits.Wait,
                UnhealthyThreshold = 2,
            }
            : new HealthCheckOptions();

    /// <summary>Interval, then timeout, then as often as the threshold asks for more: backoff, then timeout.</summary>
    private static TimeSpan WorstCase(DetectionFault fault, HealthCheckOptions checks)
    {
        var longest = 1 + checks.Jitter;
        var probe = IsHanging(fault) ? checks.Timeout : TimeSpan.Zero;
        var worst = (checks.Interval * longest) + probe;
        for (var failures = 1; failures < checks.UnhealthyThreshold; failures++)
        {
            worst += (TimeSpan.FromSeconds(1 << (failures - 1)) * longest) + probe;
        }

        return worst;
    }

    private static string ReasonOf(DetectionFault fault, HealthCheckOptions checks) =>
        fault switch
        {
            DetectionFault.Killed => "GET /health failed: Connection refused*",
            DetectionFault.Answers500 => "GET /health answered 500",
            DetectionFault.CertificateExpired => "GET /health failed: TLS: *NotTimeValid*",
            DetectionFault.CertificateOfAnotherHost => "GET /health failed: TLS: *RemoteCertificateNameMismatch*",
            DetectionFault.Reset => "GET /health failed: *Connection reset by peer*",
            _ => $"no answer within {checks.Timeout.TotalSeconds:0} s",
        };
}
