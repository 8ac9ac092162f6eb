using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;

namespace Resilience.IntegrationTests.Telemetry;

/// <summary>
/// What the code of docs/operations.md takes from two packages that the tests do not refer to,
/// <c>OpenTelemetry.Extensions.Hosting</c> and <c>OpenTelemetry.Instrumentation.Http</c>: the same names, over the same
/// SDK's own providers, which see the application's services here too.
/// </summary>
internal static class OpenTelemetryStandIn
{
    /// <summary>What the platform's HTTP client is heard by.</summary>
    private const string Platform = "System.Net.Http";

    public static IServiceCollection AddOpenTelemetry(this IServiceCollection services) => services;

    public static IServiceCollection WithMetrics(
        this IServiceCollection services,
        Action<MeterProviderBuilder> configure
    )
    {
        var provider = Sdk.CreateMeterProviderBuilder().ConfigureServices(own => own.Add(services));
        configure(provider);
        return services.AddSingleton(_ => provider.Build());
    }

    public static IServiceCollection WithTracing(
        this IServiceCollection services,
        Action<TracerProviderBuilder> configure
    )
    {
        var provider = Sdk.CreateTracerProviderBuilder().ConfigureServices(own => own.Add(services));
        configure(provider);
        return services.AddSingleton(_ => provider.Build());
    }

    public static MeterProviderBuilder AddHttpClientInstrumentation(this MeterProviderBuilder builder) =>
        builder.AddMeter(Platform);

    public static TracerProviderBuilder AddHttpClientInstrumentation(this TracerProviderBuilder builder) =>
        builder.AddSource(Platform);
}
