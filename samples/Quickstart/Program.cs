using Quickstart;
using Servers;

// Two servers to talk to, so that this runs by itself. Yours are somewhere else.
await using var servers = await LocalServers.StartAsync(2);

var builder = Host.CreateApplicationBuilder(args);
builder.Logging.AddFilter("System.Net.Http", LogLevel.Warning); // Leaves the library's own lines.
builder.Services.AddResilientBackends(
    "greetings",
    options => options.AddBackend(servers.Addresses[0], "one").AddBackend(servers.Addresses[1], "two")
);
builder.Services.AddHttpClient<GreetingClient>().UseResilientBackends("greetings");
builder.Services.AddSingleton(servers).AddHostedService<Worker>();
await builder.Build().RunAsync();
return Environment.ExitCode;
