using Resilience.Backends;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>A client over a pool, and whatever was made for the two. Disposing it ends them all.</summary>
internal sealed class ResilientClient(
    HttpClient http,
    BackendPool pool,
    IServiceProvider? services,
    Func<ValueTask> dispose
) : IAsyncDisposable
{
    private Parts? _parts = new(http, pool, services, dispose);

    public HttpClient Http => Held.Http;

    public BackendPool Pool => Held.Pool;

    /// <exception cref="InvalidOperationException">It was made by constructors.</exception>
    public IServiceProvider Services => Held.Services ?? throw new InvalidOperationException("It has no services.");

    private Parts Held =>
        _parts ?? throw new ObjectDisposedException(nameof(ResilientClient), "The test has let go of it.");

    /// <summary>The pool's backend of that name.</summary>
    public Backend this[string name] =>
        Pool.Find(name) ?? throw new ArgumentException($"The pool has no '{name}'.", nameof(name));

    public ValueTask DisposeAsync() => _parts is null ? ValueTask.CompletedTask : EndAsync(_parts);

    /// <summary>Disposes it and keeps nothing of it: whatever holds the pool from then on is no longer the test.</summary>
    /// <returns>Tells whether anything does.</returns>
    public async Task<WeakReference> LetGoAsync()
    {
        var parts = Held;
        _parts = null;
        await EndAsync(parts);
        return new WeakReference(parts.Pool);
    }

    private static async ValueTask EndAsync(Parts parts)
    {
        parts.Http.Dispose();
        await parts.Dispose();
    }

    private sealed record Parts(HttpClient Http, BackendPool Pool, IServiceProvider? Services, Func<ValueTask> Dispose);
}
