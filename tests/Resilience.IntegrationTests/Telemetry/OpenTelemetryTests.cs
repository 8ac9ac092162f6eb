using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Resilience.IntegrationTests.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Telemetry;

namespace Resilience.IntegrationTests.Telemetry;

/// <summary>R58, R99, R180: the real OpenTelemetry SDK hears the library, and its exporter sends what it heard.</summary>
[Collection(TracingCollection.Name)]
public sealed class OpenTelemetryTests : ResilienceTest
{
    private const int FlushMilliseconds = 15_000;

    [Fact]
    public async Task Metrics_OfAFailover_ComeToTheReceiver()
    {
        var receiver = Own(await OtlpReceiver.StartAsync());
        using var provider = Sdk.CreateMeterProviderBuilder()
            .AddMeter(TelemetryNames.Meter)
            .AddOtlpExporter(options => To(options, receiver.Metrics))
            .Build();
        var client = Connect(options => options.AddRefusing("gone").Add("good", Server()));

        await SendAsync(client, 4);

        provider.ForceFlush(FlushMilliseconds).Should().BeTrue();
        receiver
            .TextOf(receiver.Metrics)
            .Should()
            .ContainAll(
                "resilience.request.duration",
                "resilience.attempt.duration",
                "resilience.failovers",
                "resilience.retry_budget.balance",
                "resilience.pool.backends",
                "resilience.backend.in_flight",
                "resilience.circuit.state",
                "resilience.pool.fail_open",
                "resilience.queue.length",
                PoolName,
                "gone",
                "good",
                "connect",
                "closed",
                "{attempt}"
            );
    }

    [Fact]
    public async Task Traces_OfAFailover_ComeToTheReceiver()
    {
        var receiver = Own(await OtlpReceiver.StartAsync());
        using var provider = Sdk.CreateTracerProviderBuilder()
            .AddSource(TelemetryNames.ActivitySource)
            .SetSampler(new AlwaysOnSampler())
            .AddOtlpExporter(options => To(options, receiver.Traces))
            .Build();
        var client = Connect(options => options.AddRefusing("gone").Add("good", Server()));

        await SendAsync(client, 2);

        provider.ForceFlush(FlushMilliseconds).Should().BeTrue();
        receiver
            .TextOf(receiver.Traces)
            .Should()
            .ContainAll(
                "resilience.request",
                "resilience.attempt",
                "resilience.attempts",
                "resilience.result",
                PoolName,
                "gone",
                "good"
            );
    }

    private static async Task SendAsync(ResilientClient client, int times)
    {
        for (var i = 0; i < times; i++)
        {
            (await client.Http.GetAsync(Relative(""))).Dispose();
        }
    }

    private static void To(OtlpExporterOptions options, Uri address)
    {
        options.Protocol = OtlpExportProtocol.HttpProtobuf;
        options.Endpoint = address;
        // A proxy of the machine's would be asked for this one's own address.
        options.HttpClientFactory = () =>
            new HttpClient(new SocketsHttpHandler { UseProxy = false })
            {
                Timeout = TimeSpan.FromMilliseconds(FlushMilliseconds),
            };
    }
}
