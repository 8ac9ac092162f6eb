using Integrated;

// The same program is also each of the three backends; see Shared/BackendServer.cs.
if (args is ["backend", .. var backendArguments])
{
    return await BackendServer.RunAsync(backendArguments);
}

var builder = Host.CreateApplicationBuilder(
    new HostApplicationBuilderSettings { Args = args, ContentRootPath = AppContext.BaseDirectory }
);
builder.Logging.ClearProviders(); // The console belongs to the live display.

await using var fleet = new BackendFleet("api-1", "api-2", "api-3");

// ---- The library in use: register the backends once, wrap the client once. -------------------------------------
builder
    .Services.AddResilientBackends("catalog", builder.Configuration.GetSection("Backends:Catalog"))
    .Services.AddResilientBackends(
        "catalog",
        options =>
        {
            foreach (var backend in fleet.Backends)
            {
                options.AddBackend(backend.Address.ToString(), backend.Name);
            }
        }
    );
builder.Services.AddHttpClient<LoadGenerator>().UseResilientBackends("catalog");

// ----------------------------------------------------------------------------------------------------------------

builder.Services.AddDemo<IntegratedScript>(builder.Configuration.GetSection("Demo"), fleet);
using var host = builder.Build();
return await host.Services.GetRequiredService<Demo>().RunAsync(host);
