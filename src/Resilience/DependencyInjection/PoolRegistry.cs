using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Retries;

namespace Resilience.DependencyInjection;

/// <summary>
/// What has been registered in a service collection: pools and the clients that use them. Filled while services are
/// registered, only read afterwards.
/// </summary>
internal sealed class PoolRegistry
{
    private readonly Dictionary<string, PoolRegistration> _pools = new(StringComparer.Ordinal);
    private readonly List<(string Client, string Pool)> _clients = [];
    private readonly List<(string Check, string Pool)> _checks = [];

    public IReadOnlyCollection<PoolRegistration> Pools => _pools.Values;

    /// <summary>The registry of a service collection, added on first use.</summary>
    public static PoolRegistry Of(IServiceCollection services)
    {
        if (
            services.FirstOrDefault(each => each.ServiceType == typeof(PoolRegistry))?.ImplementationInstance
            is PoolRegistry registry
        )
        {
            return registry;
        }

        registry = new PoolRegistry();
        services.AddSingleton(registry);
        return registry;
    }

    public PoolRegistration GetOrAdd(string name)
    {
        if (!_pools.TryGetValue(name, out var pool))
        {
            _pools[name] = pool = new PoolRegistration(name);
        }

        return pool;
    }

    public PoolRegistration? Find(string? name) => name is null ? null : _pools.GetValueOrDefault(name);

    /// <exception cref="InvalidOperationException">The client uses a pool already.</exception>
    public void AddClient(string client, string pool)
    {
        if (_clients.FirstOrDefault(each => each.Client == client) is { Pool: { } other })
        {
            throw new InvalidOperationException(
                $"The client '{client}' uses the pool '{other}' already. Call UseResilientBackends once for each client."
            );
        }

        _clients.Add((client, pool));
    }

    public void AddCheck(string check, string pool) => _checks.Add((check, pool));

    /// <summary>Whatever is wrong with the registrations themselves.</summary>
    public IEnumerable<string> Problems() =>
        [
            .. _clients.Where(each => Find(each.Pool) is null).Select(each => UnknownPool(each.Client, each.Pool)),
            .. _checks.Where(each => Find(each.Pool) is null).Select(each => UnknownPoolOfCheck(each.Check, each.Pool)),
        ];

    public string UnknownPool(string client, string pool) => $"The client '{client}' uses the pool {Unknown(pool)}";

    public string UnknownPoolOfCheck(string check, string pool) =>
        $"The health check '{check}' is for the pool {Unknown(pool)}";

    private string Unknown(string pool) =>
        $"'{pool}', which is not registered. Call "
        + $"services.AddResilientBackends(\"{pool}\", ...). Registered: {Names()}.";

    private string Names() => _pools.Count == 0 ? "none" : string.Join(", ", _pools.Keys.Select(name => $"'{name}'"));
}

/// <summary>One pool's registration: its configuration, and the parts that only code can give.</summary>
internal sealed class PoolRegistration(string name)
{
    public string Name { get; } = name;

    public List<IConfiguration> Sections { get; } = [];

    public List<Action<SocketsHttpHandler>> TransportActions { get; } = [];

    public Func<IServiceProvider, IBackendSelector>? Selector { get; set; }

    public Func<IServiceProvider, IHealthProbe>? Probe { get; set; }

    public Func<IServiceProvider, Random>? Random { get; set; }

    public Func<IServiceProvider, HttpMessageHandler>? ProbeHandler { get; set; }

    public Action<RetryEvent>? OnRetry { get; set; }

    public Func<HttpResponseMessage?, Exception?, AttemptOutcome> Classifier { get; set; } = OutcomeClassifier.Classify;

    /// <summary>Where the pool's settings stand, for messages.</summary>
    public string Path => Sections is [IConfigurationSection { Path: var path }, ..] ? path : $"pool '{Name}'";

    public SocketsHttpHandler CreateTransport(ResilientBackendsOptions options)
    {
        var transport = ResilientTransport.Create(options.Transport, options.Timeouts);
        foreach (var configure in TransportActions)
        {
            configure(transport);
        }

        return transport;
    }
}
