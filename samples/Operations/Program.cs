using Operations;
using Resilience.Backends;
using Servers;

// Options: --port N (a free one if absent), --seconds N (until Ctrl+C if absent).
await using var servers = await LocalServers.StartAsync(3);
var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.ClearProviders();
builder.WebHost.UseUrls($"http://127.0.0.1:{builder.Configuration["port"] ?? "0"}");

builder.Services.AddResilientBackends(
    "catalog",
    options =>
    {
        options.LatencyWindow = TimeSpan.FromMinutes(1);
        for (var server = 0; server < servers.Addresses.Count; server++)
        {
            options.AddBackend(servers.Addresses[server], $"api-{server + 1}");
        }
    }
);
builder.Services.AddHttpClient<Traffic>().UseResilientBackends("catalog");
builder.Services.AddHealthChecks().AddResilientBackends("catalog");
builder.Services.AddSingleton(servers).AddHostedService<Traffic.Worker>();

await using var app = builder.Build();
using var metrics = new PrometheusText();
app.MapGet("/metrics", () => Results.Text(metrics.Write(), PrometheusText.ContentType));
app.MapGet(
    "/pool",
    ([FromKeyedServices("catalog")] BackendPool pool) => Results.Json(pool.GetSnapshot(), PoolReport.JsonTypeInfo)
);
app.MapHealthChecks("/health");
await app.StartAsync();
Console.WriteLine($"listening on {app.Urls.Single()}: /metrics /pool /health");

if (builder.Configuration.GetValue<int?>("seconds") is { } seconds)
{
    _ = Task.Delay(TimeSpan.FromSeconds(seconds))
        .ContinueWith(_ => app.Lifetime.StopApplication(), TaskScheduler.Default);
}

await app.WaitForShutdownAsync();
var report = app.Services.GetRequiredKeyedService<BackendPool>("catalog").GetSnapshot();
Console.WriteLine(
    $"{report.Attempts} attempts, {report.Failures} failed, {report.Healthy} of {report.Backends.Count} backends healthy."
);
return report.Attempts > 0 ? 0 : 1;
