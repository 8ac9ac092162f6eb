namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>Two backends for the tests of one class that neither kill them nor change what they do for longer than a test.</summary>
public sealed class SharedBackends : IAsyncLifetime
{
    internal BackendProcess A { get; private set; } = null!;

    internal BackendProcess B { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        var started = await Task.WhenAll(BackendProcess.StartAsync("a"), BackendProcess.StartAsync("b"));
        (A, B) = (started[0], started[1]);
    }

    public async Task DisposeAsync()
    {
        await A.DisposeAsync();
        await B.DisposeAsync();
    }

    /// <summary>The requests of that id that arrived at either.</summary>
    internal async Task<IReadOnlyList<TestBackend.RecordedRequest>> ArrivedAsync(string requestId) =>
        [
            .. (await A.GetRequestsAsync())
                .Concat(await B.GetRequestsAsync())
                .Where(request => request.RequestId == requestId),
        ];
}
