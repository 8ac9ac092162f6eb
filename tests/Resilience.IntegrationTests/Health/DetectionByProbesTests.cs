using Resilience.Backends;
using Resilience.Health.Active;
using Xunit.Abstractions;

namespace Resilience.IntegrationTests.Health;

/// <summary>How soon probes alone find each fault (R5, R33, R49, R60 to R63, R67).</summary>
public sealed class DetectionByProbesTests(ITestOutputHelper output) : DetectionTest(output)
{
    /// <summary>Few enough that what they cost on the struck backend stays within the budget of retries.</summary>
    private const int RequestsPerSecond = 10;

    private readonly HealthCheckOptions _checks = TableFile is null
        ? new HealthCheckOptions
        {
            Interval = TimeSpan.FromSeconds(1),
            Timeout = TimeSpan.FromSeconds(1),
            UnhealthyThreshold = 2,
        }
        : new HealthCheckOptions();

    [SkippableTheory]
    [MemberData(nameof(Faults))]
    public async Task Probes_BackendFallsIll_TakeItOutAndNoRequestFails(DetectionFault fault)
    {
        var status = await DetectAsync(
            fault,
            RequestsPerSecond,
            WorstCase(fault),
            options =>
            {
                options.HealthCheck = _checks;
                options.PassiveHealth.Enabled = false;
                options.CircuitBreaker.Enabled = false;
            }
        );

        status.Reason.Should().Be(StateReason.Active);
        status.Detail.Should().Match(ReasonOf(fault));
    }

    private protected override string Way => "probes";

    private protected override bool IsReady(Backend backend) => backend.ActiveVerdict == ActiveVerdict.Healthy;

    /// <summary>Interval, then timeout, then as often as the threshold asks for more: backoff, then timeout.</summary>
    private TimeSpan WorstCase(DetectionFault fault)
    {
        var longest = 1 + _checks.Jitter;
        var probe = IsHanging(fault) ? _checks.Timeout : TimeSpan.Zero;
        var worst = (_checks.Interval * longest) + probe;
        for (var failures = 1; failures < _checks.UnhealthyThreshold; failures++)
        {
            worst += (TimeSpan.FromSeconds(1 << (failures - 1)) * longest) + probe;
        }

        return worst;
    }

    private string ReasonOf(DetectionFault fault) =>
        fault switch
        {
            DetectionFault.Killed => "GET /health failed: Connection refused*",
            DetectionFault.Answers500 => "GET /health answered 500",
            DetectionFault.CertificateExpired => "GET /health failed: TLS: *NotTimeValid*",
            DetectionFault.CertificateOfAnotherHost => "GET /health failed: TLS: *RemoteCertificateNameMismatch*",
            DetectionFault.Reset => "GET /health failed: *Connection reset by peer*",
            _ => $"no answer within {_checks.Timeout.TotalSeconds:0} s",
        };
}
