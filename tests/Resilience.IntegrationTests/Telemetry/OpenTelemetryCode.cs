using Microsoft.Extensions.DependencyInjection;
#region usings
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Resilience.Telemetry;
#endregion

namespace Resilience.IntegrationTests.Telemetry;

/// <summary>How docs/operations.md switches metrics and traces on, compiled.</summary>
internal static class OpenTelemetryCode
{
    public static void Register(IServiceCollection services)
    {
        #region open-telemetry
        services
            .AddOpenTelemetry()
            .WithMetrics(metrics =>
                metrics.AddMeter(TelemetryNames.Meter).AddHttpClientInstrumentation().AddOtlpExporter()
            )
            .WithTracing(traces =>
                traces.AddSource(TelemetryNames.ActivitySource).AddHttpClientInstrumentation().AddOtlpExporter()
            );
        #endregion
    }
}
