using System.Net;
using System.Runtime.InteropServices;

namespace Shared;

/// <summary>
/// One real backend: Kestrel on a loopback port with <c>/health</c> and <c>/work</c>. It ends when told so by SIGTERM,
/// finishing what runs, and when its standard input closes, so that it never outlives the program that started it.
/// </summary>
internal static class BackendServer
{
    /// <summary>Names the backend that answered, on every response.</summary>
    public const string BackendHeader = "X-Backend";

    /// <summary>The one line a backend prints, once it accepts connections.</summary>
    public const string ReadyLine = "ready";

    public static async Task<int> RunAsync(string[] arguments)
    {
        if (arguments is not ["--port", var portText, "--name", var name] || !int.TryParse(portText, out var port))
        {
            await Console.Error.WriteLineAsync("usage: backend --port N --name NAME");
            return 2;
        }

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port));
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(5));
        builder.Services.AddSingleton<IHostLifetime, EndsWithItsParent>();

        await using var app = builder.Build();
        app.Use(
            (context, next) =>
            {
                context.Response.Headers[BackendHeader] = name;
                return next(context);
            }
        );
        var behaviour = new Behaviour();
        app.MapPost("/behave", (int? health, int? status, int? delay) => behaviour = new(health, status, delay));
        app.MapGet(
            "/health",
            () => Results.Text("""{"status":"healthy"}""", "application/json", statusCode: behaviour.Health ?? 200)
        );
        app.MapGet(
            "/work",
            async (CancellationToken aborted) =>
            {
                await Task.Delay(behaviour.Delay ?? Random.Shared.Next(5, 25), aborted);
                return Results.Text($"done by {name}", statusCode: behaviour.Status ?? 200);
            }
        );

        await app.StartAsync();
        await Console.Out.WriteLineAsync(ReadyLine);
        await app.WaitForShutdownAsync();
        return 0;
    }

    /// <summary>What it does otherwise than well.</summary>
    /// <param name="Health">The status of its answers to probes.</param>
    /// <param name="Status">The status of its answers to requests.</param>
    /// <param name="Delay">How many milliseconds an answer takes.</param>
    private sealed record Behaviour(int? Health = null, int? Status = null, int? Delay = null);

    /// <summary>
    /// Replaces the host's console lifetime, which ends on Ctrl+C: a terminal sends that to every process in the
    /// foreground, and here only the program that started the backends decides when each of them ends.
    /// </summary>
    private sealed class EndsWithItsParent(IHostApplicationLifetime lifetime) : IHostLifetime, IDisposable
    {
        private PosixSignalRegistration? _interrupt;
        private PosixSignalRegistration? _terminate;

        public Task WaitForStartAsync(CancellationToken cancellationToken)
        {
            _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => signal.Cancel = true);
            _terminate = PosixSignalRegistration.Create(
                PosixSignal.SIGTERM,
                signal =>
                {
                    signal.Cancel = true;
                    lifetime.StopApplication();
                }
            );
            new Thread(StopWhenInputCloses) { IsBackground = true, Name = "parent watch" }.Start();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public void Dispose()
        {
            _interrupt?.Dispose();
            _terminate?.Dispose();
        }

        private void StopWhenInputCloses()
        {
            using var input = Console.OpenStandardInput();
            while (input.ReadByte() >= 0) { }
            lifetime.StopApplication();
        }
    }
}
