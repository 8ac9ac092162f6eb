using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>
/// An application's services on a fake clock, with its log and its transport collected: register with
/// <see cref="Services"/>, then use <see cref="Provider"/>. Pools probe with <see cref="Probe"/> and draw from
/// <see cref="Random"/> unless told otherwise.
/// </summary>
internal sealed class Scene : IAsyncDisposable
{
    private ServiceProvider? _provider;

    public Scene()
    {
        Services.AddSingleton<TimeProvider>(Time);
        Services.AddSingleton<ILoggerFactory>(Logs);
    }

    public FakeTime Time { get; } = new();

    public CollectingLoggerFactory Logs { get; } = new();

    public StubHandler Stub { get; } = new();

    public RecordingProbe Probe { get; } = new();

    public Random Random { get; } = new SeededRandom(1);

    public ServiceCollection Services { get; } = new();

    /// <summary>Built on first use.</summary>
    public ServiceProvider Provider =>
        _provider ??= Services.BuildServiceProvider(
            new ServiceProviderOptions { ValidateScopes = true, ValidateOnBuild = true }
        );

    public IHttpClientFactory Clients => Provider.GetRequiredService<IHttpClientFactory>();

    /// <summary>A pool that never touches a socket.</summary>
    public IResilientBackendsBuilder AddPool(string name, params string[] addresses) =>
        Services
            .AddResilientBackends(name, options => Add(options, addresses))
            .UseHealthProbe(_ => Probe)
            .UseRandom(_ => Random);

    /// <summary>A pool of one backend.</summary>
    public IResilientBackendsBuilder AddPool(string name, Action<ResilientBackendsOptions> configure) =>
        Services
            .AddResilientBackends(
                name,
                options =>
                {
                    Add(options, [$"http://{name}-1:80"]);
                    configure(options);
                }
            )
            .UseHealthProbe(_ => Probe)
            .UseRandom(_ => Random);

    /// <summary>A named client of a pool, whose transport is <see cref="Stub"/>.</summary>
    public IHttpClientBuilder AddClient(string name, string pool) =>
        Services.AddHttpClient(name).ConfigurePrimaryHttpMessageHandler(() => Stub).UseResilientBackends(pool);

    public BackendPool Pool(string name) => Provider.GetRequiredKeyedService<BackendPool>(name);

    public PoolHost Host(string name) => Provider.GetRequiredKeyedService<PoolHost>(name);

    public async ValueTask DisposeAsync()
    {
        if (_provider is not null)
        {
            await _provider.DisposeAsync();
        }
    }

    private static void Add(ResilientBackendsOptions options, string[] addresses)
    {
        foreach (var address in addresses)
        {
            options.AddBackend(address);
        }
    }
}
