using System.Text.Json;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Resilience.TestBackend;

// A real backend for integration tests, run as a process of its own so that it can be killed, stopped and restarted.
// It prints one line of JSON when it listens and ends by itself when its standard input is closed: whoever started it
// keeps that open, so that no backend outlives a killed test run.
BackendArguments arguments;
try
{
    arguments = BackendArguments.Parse(args);
}
catch (ArgumentException problem)
{
    await Console.Error.WriteLineAsync(problem.Message);
    return BackendExitCodes.BadArguments;
}

using var certificates = arguments.Https ? new ServerCertificates() : null;
var connections = new LiveConnections();

// The content root is fixed so that the caller's current directory contributes no appsettings.json.
var builder = WebApplication.CreateSlimBuilder(
    new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory }
);
builder.Logging.ClearProviders();
builder.WebHost.UseKestrelHttpsConfiguration();
builder.WebHost.UseSockets(sockets =>
    // A flush then ends only when the bytes are with the kernel. Without it "send n bytes, then abort" is a race that
    // the abort sometimes wins.
    sockets.MaxWriteBufferSize = 1
);
builder.WebHost.ConfigureKestrel(kestrel =>
{
    kestrel.AddServerHeader = false;
    kestrel.Limits.MaxRequestBodySize = null;
    kestrel.Limits.MinRequestBodyDataRate = null;
    kestrel.Limits.MinResponseDataRate = null;
    kestrel.Listen(
        arguments.Address,
        arguments.Port,
        listen =>
        {
            listen.Protocols = arguments.Protocols;
            listen.Use(connections.Watch);
            if (certificates is not null)
            {
                listen.UseHttps(https => https.ServerCertificateSelector = (_, _) => certificates.Presented);
            }
        }
    );
});

await using var app = builder.Build();
using var ledger = arguments.Ledger is null ? null : new RequestLedger(arguments.Ledger);
var log = new RequestLog(ledger);
var settings = new BackendSettings();
var control = new ControlEndpoints(log, settings, certificates, connections);
app.Run(new BackendApplication(arguments.Name, log, settings, control).HandleAsync);

try
{
    await app.StartAsync();
}
catch (IOException problem) when (problem.InnerException is AddressInUseException)
{
    await Console.Error.WriteLineAsync(problem.Message);
    return BackendExitCodes.AddressInUse;
}

var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
var address = new Uri(addresses.Single());
var ready = new BackendReady(
    arguments.Name,
    address.Port,
    Environment.ProcessId,
    address.ToString(),
    certificates?.Presented.Thumbprint
);
await Console.Out.WriteLineAsync(JsonSerializer.Serialize(ready, JsonSerializerOptions.Web));
await Console.Out.FlushAsync();

await Console.OpenStandardInput().CopyToAsync(Stream.Null);

// Not a graceful stop: that would wait for the requests that hang on purpose.
Environment.Exit(BackendExitCodes.Ok);
return BackendExitCodes.Ok;
