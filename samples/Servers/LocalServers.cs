using System.Net;

namespace Servers;

/// <summary>
/// A few small servers inside this process, for samples that need somebody to answer. Applications have theirs
/// elsewhere: nothing in here is about the library.
/// </summary>
internal sealed class LocalServers : IAsyncDisposable
{
    private readonly List<WebApplication> _servers = [];

    public IReadOnlyList<string> Addresses => [.. _servers.SelectMany(server => server.Urls)];

    /// <summary>Starts as many on free loopback ports.</summary>
    public static Task<LocalServers> StartAsync(int count) =>
        StartAsync(Enumerable.Repeat(new IPEndPoint(IPAddress.Loopback, 0), count));

    public static async Task<LocalServers> StartAsync(IEnumerable<IPEndPoint> ends)
    {
        var servers = new LocalServers();
        foreach (var end in ends)
        {
            var number = servers._servers.Count + 1;
            var builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(end));
            var server = builder.Build();
            server.MapGet("/health", () => "well");
            server.MapGet("/hello", () => $"hello from server {number}");
            await server.StartAsync();
            servers._servers.Add(server);
        }

        return servers;
    }

    /// <summary>Ends one, as a crash would: its connections break.</summary>
    public async Task StopAsync(int index)
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await _servers[index].StopAsync(now.Token);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var server in _servers)
        {
            await server.DisposeAsync();
        }
    }
}
