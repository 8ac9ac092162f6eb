using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>How many requests wait for a backend, how long, and which were refused, as metrics.</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class QueueTelemetryTests
{
    [Fact]
    public async Task Send_WaitsForAPlace_IsCountedInAndOutWithItsTime()
    {
        using var record = new MetricRecord("queue-taken");
        using var rig = LimitedRig("queue-taken");
        var held = rig.Lease("b1");

        var sending = rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://queue-taken/"));
        await HttpRig.UntilAsync(() => rig.Pool.WaitingRequests == 1);
        rig.Time.Advance(TimeSpan.FromMilliseconds(250));
        held.Return();
        (await sending).Dispose();

        var lines = await record.WhenHeardAsync(1);
        lines
            .Where(line => line.StartsWith("resilience.queue", StringComparison.Ordinal))
            .Should()
            .Equal("resilience.queue.duration 0.25 [resilience.result=taken]");
    }

    [Fact]
    public async Task Send_IsRefused_SaysWhy()
    {
        using var record = new MetricRecord("queue-full");
        using var rig = LimitedRig("queue-full");
        var held = rig.Lease("b1");
        var waiting = rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://queue-full/"));
        await HttpRig.UntilAsync(() => rig.Pool.WaitingRequests == 1);

        var refused = () => rig.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://queue-full/"));
        await refused.Should().ThrowAsync<NoBackendAvailableException>();
        await rig.Time.WhenTimersArmedAsync(1);
        rig.Time.Advance(TimeSpan.FromSeconds(1));
        await waiting.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>();

        (await record.WhenHeardAsync(5))
            .Should()
            .Equal(
                "resilience.queue.refusals 1 [resilience.reason=queue_full]",
                "resilience.request.duration 0 [resilience.result=overloaded]",
                "resilience.queue.refusals 1 [resilience.reason=queue_timeout]",
                "resilience.queue.duration 1 [resilience.result=queue_timeout]",
                "resilience.request.duration 1 [resilience.result=overloaded]"
            );
        held.Return();
    }

    private static HttpRig LimitedRig(string name) =>
        new(
            1,
            configurePool: pool =>
            {
                pool.ConcurrencyLimit.MaxRequestsPerBackend = 1;
                pool.ConcurrencyLimit.QueueLimit = 1;
            },
            name: name
        );
}
