using System.Diagnostics.Metrics;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Telemetry;

namespace Resilience.Tests.Http;

/// <summary>Telemetry costs no memory: neither while nobody listens nor while somebody does.</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class TelemetryAllocationTests
{
    private const int Times = 1_000;

    /// <summary>What pools count of themselves comes off the request path, and so from an earlier test's pool too.</summary>
    private static readonly string[] OfRequests =
    [
        TelemetryNames.RequestDuration,
        TelemetryNames.AttemptDuration,
        TelemetryNames.Retries,
        TelemetryNames.Failovers,
        TelemetryNames.SuppressedRetries,
        TelemetryNames.Timeouts,
    ];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Recording_OfRequestsAndAttempts_AllocatesNothing(bool isHeard)
    {
        using var rig = new HttpRig(2);
        var first = rig.Lease("b1");
        first.Outcome = new AttemptOutcome(OutcomeKind.Failure, FailureKind.ConnectionLost);
        var second = rig["b2"].TryAcquire(new PickContext(first, rig.Random))!;
        second.Outcome = new AttemptOutcome(OutcomeKind.Success, StatusCode: 200);
        var heard = 0L;
        using var listener = isHeard ? Listen(() => heard++) : null;
        Record(rig, first, second, Times);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Record(rig, first, second, Times);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        allocated.Should().Be(0);
        heard
            .Should()
            .Be(isHeard ? 2 * Times * 7 : 0, "two attempts, a retry, a failover, a suppression, a timeout, a request");
        first.Return();
        second.Return();
    }

    private static void Record(HttpRig rig, BackendLease first, BackendLease second, int times)
    {
        for (var i = 0; i < times; i++)
        {
            RequestTelemetry.RecordAttempt(first, 1, span: null, hasResponse: false, Expiry.None);
            RequestTelemetry.RecordSuppression(first, 1, SuppressionReasons.Budget);
            RequestTelemetry.RecordTimeout(rig.Pool, TimeoutKinds.Attempt);
            RequestTelemetry.RecordAttempt(second, 2, span: null, hasResponse: true, Expiry.None);
            RequestTelemetry.RecordRequest(
                rig.Pool,
                startedAt: 0,
                second,
                isDelivered: true,
                RequestResults.Of(second.Outcome.Failure),
                span: null
            );
        }
    }

    private static MeterListener Listen(Action heard)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == TelemetryNames.Meter && OfRequests.Contains(instrument.Name))
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => heard());
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => heard());
        listener.Start();
        return listener;
    }
}
