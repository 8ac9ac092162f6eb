using System.Net;
using Configuration;
using Resilience.Backends;
using Servers;

// A copy of the settings that may be edited, as an operator or a config map would.
using var settings = new SettingsFile(Path.Combine(AppContext.BaseDirectory, "appsettings.json"));

var builder = Host.CreateApplicationBuilder(args);
builder.Logging.ClearProviders();

// The only source: lists of several sources are merged, so that a backend removed from one would stay in another.
builder.Configuration.Sources.Clear();
builder.Configuration.AddJsonFile(settings.Path, optional: false, reloadOnChange: true);
var section = builder.Configuration.GetSection("Backends:Catalog");

// Servers at the addresses that the file names.
var ends = section
    .GetSection("Backends")
    .GetChildren()
    .Select(backend => IPEndPoint.Parse(new Uri(backend["Address"]!).Authority));
await using var servers = await LocalServers.StartAsync(ends);

builder.Services.AddResilientBackends("catalog", section);
builder.Services.AddHttpClient<CatalogClient>().UseResilientBackends("catalog");
using var host = builder.Build();
await host.StartAsync();
var tour = new Tour(
    host.Services.GetRequiredKeyedService<BackendPool>("catalog"),
    host.Services.GetRequiredService<CatalogClient>(),
    settings
);
var exitCode = await tour.RunAsync();
await host.StopAsync();
return exitCode;
