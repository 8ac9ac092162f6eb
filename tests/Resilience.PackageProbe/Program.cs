using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Http;
using Resilience.PackageProbe;

// What an application uses of the library, published trimmed or as native code by eng/package and run: configuration,
// services, requests while a server dies, reload, metrics and spans, reports as JSON, health check, a circuit alone.
if (args is not [var serverProgram])
{
    await Console.Error.WriteLineAsync("Usage: Resilience.PackageProbe <the built Resilience.TestBackend>");
    return 2;
}

const int Requests = 300;
const int KillAt = 100;

var checks = new Checks();
using var measurements = new MeasurementCount();
using var first = ServerProcess.Start(serverProgram, "first");
using var second = ServerProcess.Start(serverProgram, "second");
using var third = ServerProcess.Start(serverProgram, "third");

var builder = Host.CreateApplicationBuilder();
builder.Configuration.AddInMemoryCollection(
    new Dictionary<string, string?>
    {
        ["Backends:Catalog:Backends:0:Name"] = "first",
        ["Backends:Catalog:Backends:0:Address"] = first.Address,
        ["Backends:Catalog:Backends:1:Name"] = "second",
        ["Backends:Catalog:Backends:1:Address"] = second.Address,
        ["Backends:Catalog:Backends:2:Name"] = "third",
        ["Backends:Catalog:Backends:2:Address"] = third.Address,
        ["Backends:Catalog:HealthCheck:Interval"] = "00:00:00.2000000",
        ["Backends:Catalog:HealthCheck:Timeout"] = "00:00:02",
        ["Backends:Catalog:Timeouts:Attempt"] = "00:00:05",
        ["Backends:Catalog:CircuitBreaker:FailureRate"] = "0.5",
    }
);
builder.Logging.SetMinimumLevel(LogLevel.Error);
builder.Services.AddResilientBackends("catalog", builder.Configuration.GetSection("Backends:Catalog"));
builder.Services.AddHttpClient("catalog").UseResilientBackends("catalog");
builder.Services.AddHealthChecks().AddResilientBackends("catalog");
using var host = builder.Build();
await host.StartAsync();
var pool = host.Services.GetRequiredKeyedService<BackendPool>("catalog");
using var client = host.Services.GetRequiredService<IHttpClientFactory>().CreateClient("catalog");

checks.That(
    pool.Backends.Select(backend => backend.Name).SequenceEqual(["first", "second", "third"]),
    "configuration is bound: three backends by name"
);

var answers = new Dictionary<string, int>();
var lost = 0;
for (var request = 0; request < Requests; request++)
{
    if (request == KillAt)
    {
        first.Kill();
    }

    try
    {
        var product = await client.GetFromJsonAsync("products/42", ProductJson.Default.Product);
        answers[product!.Backend] = answers.GetValueOrDefault(product.Backend) + 1;
    }
    catch (HttpRequestException problem)
    {
        lost++;
        Console.WriteLine($"  request {request}: {problem.Message}");
    }
}

checks.That(
    lost == 0 && answers.Values.Sum() == Requests,
    $"{Requests} requests while a server is killed: {lost} failed"
);
checks.That(
    answers["first"] is KillAt / 3 or (KillAt / 3) + 1
        && answers["second"] > KillAt / 3
        && answers["third"] > KillAt / 3,
    $"answers of first, second, third: {answers["first"]}, {answers["second"]}, {answers["third"]}"
);

// The one killed is out of the way by now; the one that answers 503 is tried, and the content sent again to the other.
using (var control = new HttpClient { BaseAddress = new Uri(second.Address) })
{
    using var fault = await control.PutAsync(new Uri("_control/fault?kind=503", UriKind.Relative), null);
    fault.EnsureSuccessStatusCode();
}

var retried = 0;
for (var order = 0; order < 4; order++)
{
    using var message = new HttpRequestMessage(HttpMethod.Post, "orders")
    {
        Content = JsonContent.Create(new Product("order"), ProductJson.Default.Product),
    };
    message.ConfigureResilience(options => options.IsIdempotent = true);
    using var response = await client.SendAsync(message);
    retried += response.StatusCode == HttpStatusCode.OK && response.GetAttempts().Count > 1 ? 1 : 0;
}

checks.That(retried > 0, "a POST marked idempotent is sent again with its JSON after a 503");

using (var message = new HttpRequestMessage(HttpMethod.Get, "products/42"))
using (var response = client.Send(message))
{
    checks.That(response.IsSuccessStatusCode, "a synchronous request is answered");
}

var report = JsonDocument.Parse(pool.GetSnapshot().ToJson()).RootElement;
var killed = report.GetProperty("backends")[0];
checks.That(
    killed.GetProperty("name").GetString() == "first" && killed.GetProperty("state").GetString() == "Unhealthy",
    "the report is JSON and shows the killed server as Unhealthy"
);

var health = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
checks.That(health.Status == HealthStatus.Degraded, $"the health check says {health.Status}");

checks.That(
    measurements.Of("resilience.request.duration") >= Requests
        && measurements.Of("resilience.probe.duration") > 0
        && measurements.Of("resilience.pool.backends") > 0,
    "a listener receives requests, probes and gauges"
);
checks.That(measurements.Of("span resilience.request") >= Requests, "a listener receives spans");

builder.Configuration["Backends:Catalog:Backends:2:Weight"] = "5";
((IConfigurationRoot)builder.Configuration).Reload();
using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20)))
{
    while (pool.Find("third")!.Definition.Weight != 5 && !patience.IsCancellationRequested)
    {
        await Task.Yield();
    }
}

checks.That(pool.Find("third")!.Definition.Weight == 5, "a reload is applied");
await host.StopAsync();

checks.That(ErrorOfBadConfiguration() is { } error && error.Contains("Wrong"), "an unknown key is refused by its name");

var circuit = new CircuitBreaker("alone", new CircuitBreakerOptions { ConsecutiveFailures = 1 });
circuit.TryAcquire(out var permit);
permit.Report(CircuitOutcome.Failure);
checks.That(!circuit.TryAcquire(out _) && circuit.State == CircuitState.Open, "a circuit alone opens and refuses");

return checks.ExitCode;

static string? ErrorOfBadConfiguration()
{
    var configuration = new ConfigurationBuilder()
        .AddInMemoryCollection(
            new Dictionary<string, string?> { ["Backends:0:Address"] = "http://a.test", ["Timeouts:Wrong"] = "1" }
        )
        .Build();
    var services = new ServiceCollection();
    services.AddLogging();
    services.AddResilientBackends("bad", configuration);
    using var provider = services.BuildServiceProvider();
    try
    {
        _ = provider.GetRequiredKeyedService<BackendPool>("bad");
        return null;
    }
    catch (OptionsValidationException problem)
    {
        return problem.Message;
    }
}
