using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
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
                "{attempt}",
                // A unit in braces is left out of the name, where the "1" of a gauge would end it with _ratio.
                "{circuit}",
                "{pool}"
            );
    }

    /// <summary>Quantiles are read from the buckets: the SDK's own begin at 5, and these are seconds.</summary>
    [Fact]
    public async Task Buckets_OfDurations_AreTheOnesThatTheLibraryAdvises()
    {
        var receiver = Own(await OtlpReceiver.StartAsync());
        using var provider = Sdk.CreateMeterProviderBuilder()
            .AddMeter(TelemetryNames.Meter)
            .AddOtlpExporter(options => To(options, receiver.Metrics))
            .Build();
        var client = Connect(options => options.Add("good", Server()));

        await SendAsync(client, 1);

        provider.ForceFlush(FlushMilliseconds).Should().BeTrue();
        double[] ofAttempts = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
        double[] ofRequests = [.. ofAttempts, 15, 30, 60];
        receiver.TextOf(receiver.Metrics).Should().ContainAll(Packed(ofAttempts), Packed(ofRequests));
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

    /// <summary>The code of docs/operations.md, with the receiver where it looks for one by default.</summary>
    [Fact]
    public async Task Registration_AsThePageWritesIt_HearsRequestsAndSendings()
    {
        var receiver = Own(await OtlpReceiver.StartAsync());
        var services = new ServiceCollection();
        services.AddSingleton<IConfiguration>(
            new ConfigurationBuilder()
                .AddInMemoryCollection([
                    new("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.Metrics.GetLeftPart(UriPartial.Authority)),
                    new("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                ])
                .Build()
        );
        services.Configure<OtlpExporterOptions>(options => options.HttpClientFactory = WithoutProxy);
        OpenTelemetryCode.Register(services);
        await using var provider = services.BuildServiceProvider();
        var (metrics, traces) = (
            provider.GetRequiredService<MeterProvider>(),
            provider.GetRequiredService<TracerProvider>()
        );
        var client = Connect(options => options.Add("good", Server()));

        await SendAsync(client, 1);

        metrics.ForceFlush(FlushMilliseconds).Should().BeTrue();
        traces.ForceFlush(FlushMilliseconds).Should().BeTrue();
        receiver
            .TextOf(receiver.Metrics)
            .Should()
            .ContainAll("resilience.request.duration", "http.client.request.duration");
        receiver
            .TextOf(receiver.Traces)
            .Should()
            .ContainAll("resilience.request", "resilience.attempt", "http.request.method");
    }

    /// <summary>
    /// Bounds as they stand in OTLP, as the receiver reads texts: field 7, a list of so many bytes, and the numbers.
    /// </summary>
    private static string Packed(double[] bounds)
    {
        using var field = new MemoryStream();
        using var writer = new BinaryWriter(field);
        writer.Write((byte)((7 << 3) | 2));
        writer.Write7BitEncodedInt(bounds.Length * sizeof(double));
        Array.ForEach(bounds, writer.Write);
        writer.Flush();
        return Encoding.Latin1.GetString(field.ToArray());
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
        options.HttpClientFactory = WithoutProxy;
    }

    /// <summary>A proxy of the machine's would be asked for this one's own address.</summary>
    private static HttpClient WithoutProxy() =>
        new(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromMilliseconds(FlushMilliseconds) };
}
