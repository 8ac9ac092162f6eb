using Resilience.Backends;
using Resilience.Http;

namespace Shared.Pool;

/// <summary>The demo's window on the library's pool: rows for the display, handles for the script.</summary>
internal sealed class LibraryPool([FromKeyedServices("catalog")] BackendPool pool) : IPoolView, IPoolControl
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(20);

    public IReadOnlyList<BackendRow> Rows() => [.. pool.Backends.Select(Row)];

    public IDisposable OnChange(Action<BackendChange> observer) =>
        pool.Subscribe(item =>
        {
            if (item is BackendStateChanged { Backend.Name: var name, From: var from, To: var to })
            {
                observer(new BackendChange(name, Word(from.State), Word(to.State), to.Detail));
            }
        });

    public int AttemptsOf(HttpResponseMessage response) => Math.Max(1, response.GetAttempts().Count);

    public Task DrainAsync(string name, CancellationToken cancellationToken) =>
        Find(name).DrainAsync(Timeout.InfiniteTimeSpan, cancellationToken);

    public void Enable(string name) => Find(name).Enable();

    public Task WaitUntilHealthyAsync(string name, CancellationToken cancellationToken) =>
        UntilAsync(() => Find(name).IsAlive, cancellationToken);

    public Task WaitUntilUnhealthyAsync(string name, CancellationToken cancellationToken) =>
        UntilAsync(() => !Find(name).IsAlive, cancellationToken);

    private static async Task UntilAsync(Func<bool> condition, CancellationToken cancellationToken)
    {
        while (!condition())
        {
            await Task.Delay(PollInterval, cancellationToken);
        }
    }

    private static BackendRow Row(Backend backend)
    {
        var status = backend.Status;
        var reason = status.State == BackendState.Healthy ? "" : status.Detail;
        return new BackendRow(backend.Name, Word(status.State), reason, backend.InFlight);
    }

    private static string Word(BackendState state) =>
        state switch
        {
            BackendState.Healthy => BackendRow.Healthy,
            BackendState.Draining => BackendRow.Draining,
            _ => BackendRow.Unhealthy,
        };

    private Backend Find(string name) => pool.Find(name) ?? throw new KeyNotFoundException($"No backend '{name}'.");
}
