using System.Text.Json;

namespace Resilience.TestBackend;

/// <summary>The endpoints below <c>/_control</c>: reading the record and setting what the backend does.</summary>
internal sealed class ControlEndpoints(
    RequestLog log,
    BackendSettings settings,
    ServerCertificates? certificates,
    LiveConnections connections
)
{
    public static readonly PathString Prefix = "/_control";

    public Task HandleAsync(HttpContext context)
    {
        var query = context.Request.Query;
        switch (context.Request.Method, context.Request.Path.Value)
        {
            case ("GET", "/_control/requests"):
                return context.Response.WriteAsJsonAsync(log.Snapshot(), JsonSerializerOptions.Web);

            case ("DELETE", "/_control/requests"):
                log.Clear();
                return NoContent(context);

            case ("PUT", "/_control/health"):
                settings.Health = new HealthAnswer(query.Number("status", 200), query.Milliseconds("delayMs"));
                return NoContent(context);

            case ("PUT", "/_control/fault") when Fault.TryParse(query["kind"], query.Milliseconds("ms"), out var fault):
                settings.Fault = fault with { StrikesHealth = query["health"] == "true" };
                return NoContent(context);

            case ("GET", "/_control/authority") when certificates is not null:
                return context.Response.WriteAsync(certificates.ExportAuthority());

            case ("PUT", "/_control/certificate")
                when certificates is not null && certificates.TryPresent(query["kind"].ToString()):
                // Whoever is connected has seen the other one, and would go on with it.
                connections.AbortAllBut(context.Connection.Id);
                return NoContent(context);

            default:
                context.Response.StatusCode = StatusCodes.Status400BadRequest;
                return context.Response.WriteAsync("Unknown control request.");
        }
    }

    private static Task NoContent(HttpContext context)
    {
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }
}
