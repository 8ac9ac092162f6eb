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
    public HttpClient Http => http;

    public BackendPool Pool => pool;

    /// <exception cref="InvalidOperationException">It was made by constructors.</exception>
    public IServiceProvider Services => services ?? throw new InvalidOperationException("It has no services.");

    /// <summary>The pool's backend of that name.</summary>
    public Backend this[string name] =>
        pool.Find(name) ?? throw new ArgumentException($"The pool has no '{name}'.", nameof(name));

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        await dispose();
    }
}
