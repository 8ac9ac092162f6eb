using System.Net;
using System.Net.NetworkInformation;

namespace Shared;

/// <summary>The three backends. Disposing the fleet ends exactly the processes it started.</summary>
internal sealed class BackendFleet : IAsyncDisposable
{
    public BackendFleet(params string[] names)
    {
        Backends = [.. names.Zip(FreePorts(), (name, port) => new BackendProcess(name, port))];
    }

    public IReadOnlyList<BackendProcess> Backends { get; }

    public BackendProcess this[string name] => Backends.Single(backend => backend.Name == name);

    public Task StartAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Backends.Select(backend => backend.StartAsync(cancellationToken)));

    /// <summary>Lets every backend end by itself.</summary>
    public Task TerminateAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(Backends.Select(backend => backend.TerminateAsync(cancellationToken)));

    public async ValueTask DisposeAsync()
    {
        foreach (var backend in Backends)
        {
            await backend.DisposeAsync();
        }
    }

    /// <summary>
    /// Free loopback ports below every system's ephemeral range. A port within that range could be given to one of our
    /// own connections while its backend is down, and the backend could then not come back on it.
    /// </summary>
    private static IEnumerable<int> FreePorts()
    {
        var taken = IPGlobalProperties
            .GetIPGlobalProperties()
            .GetActiveTcpListeners()
            .Select(end => end.Port)
            .ToHashSet();
        var first = Random.Shared.Next(20_000, 29_000);
        return Enumerable.Range(first, IPEndPoint.MaxPort - first).Where(port => !taken.Contains(port));
    }
}
