using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>
/// Three backends for all scenarios, each with a ledger of what has arrived that outlives it. A scenario begins with all
/// of them running and well, whatever the one before did to them.
/// </summary>
public sealed class ChaosBackends : IAsyncLifetime
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("resilience-chaos-");

    internal BackendProcess A => All[0];

    internal BackendProcess B => All[1];

    internal BackendProcess C => All[2];

    internal IReadOnlyList<BackendProcess> All { get; private set; } = [];

    public async Task InitializeAsync() =>
        All = await Task.WhenAll(
            new[] { "a", "b", "c" }.Select(name => BackendProcess.StartAsync(name, ledger: LedgerOf(name)))
        );

    public async Task DisposeAsync()
    {
        foreach (var backend in All)
        {
            await backend.DisposeAsync();
        }

        _folder.Delete(recursive: true);
    }

    /// <summary>A file beside the ledgers.</summary>
    internal string LedgerOf(string name) => Path.Combine(_folder.FullName, name);

    /// <summary>
    /// Everything that has arrived at any of them, or at a server with a ledger beside theirs, whose id has that prefix:
    /// <c>method id</c>, each as often, and <c>passed method id</c> where a server only passes it on.
    /// </summary>
    /// <param name="prefix">What the ids begin with.</param>
    /// <param name="behind">A backend to which another server passes on, if its own ledger is to be left out.</param>
    internal IReadOnlyList<string> Arrived(string prefix, string? behind = null) =>
        [
            .. _folder
                .EnumerateFiles()
                .Where(file => file.Name != behind)
                .SelectMany(file => File.ReadLines(file.FullName))
                .Where(line => line.Contains($" {prefix}-", StringComparison.Ordinal)),
        ];

    /// <summary>Lets all run and answer, and forget what arrived.</summary>
    internal async Task MendAsync()
    {
        foreach (var backend in All)
        {
            if (backend.IsRunning)
            {
                backend.Resume();
                await backend.SetFaultAsync("none");
            }
            else
            {
                await backend.RestartAsync();
            }
        }
    }
}
