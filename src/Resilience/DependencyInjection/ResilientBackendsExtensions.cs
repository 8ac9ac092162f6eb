using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Http;
using Microsoft.Extensions.Options;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Health;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Primitives;
using Resilience.Retries;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers pools of backends, and makes HTTP clients use them.</summary>
public static class ResilientBackendsExtensions
{
    /// <summary>
    /// Registers the pool <paramref name="name"/>: a <see cref="BackendPool"/> as a keyed singleton, listed by
    /// <see cref="IBackendPools"/>. The same name again adds configuration to it.
    /// </summary>
    /// <param name="configure">Sets its backends and whatever should differ from the defaults.</param>
    /// <exception cref="OptionsValidationException">
    /// At start, or when the pool is first resolved: the configuration is invalid; names every problem with its path.
    /// </exception>
    public static IResilientBackendsBuilder AddResilientBackends(
        this IServiceCollection services,
        string name,
        Action<ResilientBackendsOptions> configure
    )
    {
        ArgumentNullException.ThrowIfNull(configure);
        var builder = AddPool(services, name);
        services.AddOptions<ResilientBackendsOptions>(name).Configure(configure);
        return builder;
    }

    /// <inheritdoc cref="AddResilientBackends(IServiceCollection, string, Action{ResilientBackendsOptions})"/>
    /// <param name="configuration">
    /// The pool's section. When it is reloaded, the new configuration is applied whole, keeping all state, or refused
    /// whole with an error line.
    /// </param>
    public static IResilientBackendsBuilder AddResilientBackends(
        this IServiceCollection services,
        string name,
        IConfiguration configuration
    )
    {
        ArgumentNullException.ThrowIfNull(configuration);
        var builder = AddPool(services, name);
        builder.Registration.Sections.Add(configuration);
        services
            .AddOptions<ResilientBackendsOptions>(name)
            .Configure(options => ConfigurationReader.Read(configuration, options));
        return builder;
    }

    /// <summary>
    /// Sends this client's requests through the pool. Its base address becomes the pool's logical one if it has none.
    /// Handlers added before this run once per request, those added after it once per attempt.
    /// </summary>
    /// <param name="pool">The name of a pool registered with <c>AddResilientBackends</c>, before or after this.</param>
    public static IHttpClientBuilder UseResilientBackends(this IHttpClientBuilder builder, string pool)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(pool);
        // The defaults of all clients have no name; they would send every request of the application to this pool.
        var client =
            builder.Name
            ?? throw new ArgumentException(
                "UseResilientBackends is for one client at a time, not for ConfigureHttpClientDefaults.",
                nameof(builder)
            );
        AddCore(builder.Services).AddClient(client, pool);
        builder.ConfigureHttpClient(
            (services, httpClient) =>
                httpClient.BaseAddress ??= HostOf(services, client, pool).Policy.Current.LogicalAddress
        );
        builder.AddHttpMessageHandler(services =>
        {
            var host = HostOf(services, client, pool);
            host.EnsureStarted();
            return new ResilientHandler(host.Pool, host.Policy);
        });
        builder.Services.AddSingleton<IPostConfigureOptions<HttpClientFactoryOptions>>(
            services => new ResilientClientSetup(services, client, pool)
        );
        return builder;
    }

    /// <summary>
    /// Lets the application's health endpoint say how the pool is; see <see cref="BackendPoolHealthCheck"/>.
    /// </summary>
    /// <param name="pool">The name of a pool registered with <c>AddResilientBackends</c>, before or after this.</param>
    /// <param name="configure">Where the lines between healthy, degraded and unhealthy are; the defaults if absent.</param>
    /// <param name="name">The check's name; the pool's if <see langword="null"/>.</param>
    /// <param name="failureStatus">What is said instead of unhealthy, if anything.</param>
    /// <param name="tags">Tags to choose checks by.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    /// <exception cref="OptionsValidationException">
    /// At the host's start: the pool is not registered. Without a host the first check says so.
    /// </exception>
    public static IHealthChecksBuilder AddResilientBackends(
        this IHealthChecksBuilder builder,
        string pool,
        Action<BackendPoolHealthCheckOptions>? configure = null,
        string? name = null,
        HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null
    )
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(pool);
        var options = new BackendPoolHealthCheckOptions();
        configure?.Invoke(options);
        Ranges.ThrowIfAny("health check's options", options.Problems());
        var check = name ?? pool;
        var registry = AddCore(builder.Services);
        registry.AddCheck(check, pool);
        return builder.Add(
            new HealthCheckRegistration(
                check,
                services => new BackendPoolHealthCheck(
                    services.GetKeyedService<BackendPool>(pool)
                        ?? throw new InvalidOperationException(registry.UnknownPoolOfCheck(check, pool)),
                    options
                ),
                failureStatus,
                tags
            )
        );
    }

    /// <summary>Chooses backends with a selector of the application's own instead of round-robin.</summary>
    public static IResilientBackendsBuilder UseSelector(
        this IResilientBackendsBuilder builder,
        Func<IServiceProvider, IBackendSelector> create
    )
    {
        ArgumentNullException.ThrowIfNull(create);
        RegistrationOf(builder).Selector = create;
        return builder;
    }

    /// <summary>Checks backends with a probe of the application's own instead of an HTTP GET.</summary>
    public static IResilientBackendsBuilder UseHealthProbe(
        this IResilientBackendsBuilder builder,
        Func<IServiceProvider, IHealthProbe> create
    )
    {
        ArgumentNullException.ThrowIfNull(create);
        RegistrationOf(builder).Probe = create;
        return builder;
    }

    /// <summary>
    /// Makes every random draw of the pool (selection, jitter, spreading) from a source of the application's own, such as
    /// a seeded one in tests. It must be thread-safe, which an instance of <see cref="Random"/> by itself is not.
    /// </summary>
    public static IResilientBackendsBuilder UseRandom(
        this IResilientBackendsBuilder builder,
        Func<IServiceProvider, Random> create
    )
    {
        ArgumentNullException.ThrowIfNull(create);
        RegistrationOf(builder).Random = create;
        return builder;
    }

    /// <summary>
    /// Classifies attempts with a function of the application's own; see <see cref="ResilientHandlerOptions.Classifier"/>.
    /// </summary>
    public static IResilientBackendsBuilder UseClassifier(
        this IResilientBackendsBuilder builder,
        Func<HttpResponseMessage?, Exception?, AttemptOutcome> classify
    )
    {
        ArgumentNullException.ThrowIfNull(classify);
        RegistrationOf(builder).Classifier = classify;
        return builder;
    }

    /// <summary>
    /// Calls the application before each further attempt of a request; see <see cref="ResilientHandlerOptions.OnRetry"/>.
    /// </summary>
    public static IResilientBackendsBuilder OnRetry(this IResilientBackendsBuilder builder, Action<RetryEvent> callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        RegistrationOf(builder).OnRetry += callback;
        return builder;
    }

    /// <summary>
    /// Configures what the options do not cover of the pool's transport, such as TLS; probes use it too. Clients with a
    /// primary handler of their own do not.
    /// </summary>
    public static IResilientBackendsBuilder ConfigureTransport(
        this IResilientBackendsBuilder builder,
        Action<SocketsHttpHandler> configure
    )
    {
        ArgumentNullException.ThrowIfNull(configure);
        RegistrationOf(builder).TransportActions.Add(configure);
        return builder;
    }

    /// <summary>
    /// Sends probes with a handler of the application's own; it is disposed with the pool. A redirect that it follows is no
    /// success.
    /// </summary>
    public static IResilientBackendsBuilder ConfigureProbeHandler(
        this IResilientBackendsBuilder builder,
        Func<IServiceProvider, HttpMessageHandler> create
    )
    {
        ArgumentNullException.ThrowIfNull(create);
        RegistrationOf(builder).ProbeHandler = create;
        return builder;
    }

    internal static PoolHost HostOf(IServiceProvider services, string client, string pool) =>
        services.GetKeyedService<PoolHost>(pool)
        ?? throw new InvalidOperationException(services.GetRequiredService<PoolRegistry>().UnknownPool(client, pool));

    private static ResilientBackendsBuilder AddPool(IServiceCollection services, string name)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        var registry = AddCore(services);
        var isNew = registry.Find(name) is null;
        var registration = registry.GetOrAdd(name);
        if (isNew)
        {
            services.AddKeyedSingleton(name, (provider, _) => new PoolHost(provider, registration));
            services.AddKeyedSingleton(
                name,
                static (provider, name) => provider.GetRequiredKeyedService<PoolHost>(name).Pool
            );
            services.AddKeyedSingleton(
                name,
                static (provider, name) => provider.GetRequiredKeyedService<PoolHost>(name).Checker
            );
        }

        return new ResilientBackendsBuilder(services, registration);
    }

    private static PoolRegistry AddCore(IServiceCollection services)
    {
        var registry = PoolRegistry.Of(services);
        services.AddOptions();
        services.TryAddSingleton<IBackendPools, BackendPools>();
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IValidateOptions<ResilientBackendsOptions>, ResilientBackendsValidator>()
        );
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, BackendPoolsService>());
        return registry;
    }

    private static PoolRegistration RegistrationOf(IResilientBackendsBuilder builder)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder is ResilientBackendsBuilder { Registration: var registration }
            ? registration
            : throw new ArgumentException("The builder is not one of AddResilientBackends.", nameof(builder));
    }
}
