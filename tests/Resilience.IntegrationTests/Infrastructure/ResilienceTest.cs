using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// The base of the tests that use the library as an application would. Whatever a test did, its end asserts that no
/// backend of any of its pools, removed ones included, has anything left in flight (law 4), then disposes what the test
/// owns, the last first.
/// </summary>
public abstract class ResilienceTest : IAsyncLifetime
{
    private protected const string PoolName = "catalog";

    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly ConcurrentDictionary<Backend, byte> _seen = new();

    /// <summary>The pool's own address, as clients made by constructors and foreign ones must spell it out.</summary>
    private protected static Uri Logical => new($"http://{PoolName}/");

    public virtual Task InitializeAsync() => Task.CompletedTask;

    public virtual async Task DisposeAsync()
    {
        try
        {
            await AssertNothingInFlightAsync();
        }
        finally
        {
            await DisposeOwnedAsync();
        }
    }

    private protected static Uri Relative(string path) => new(path, UriKind.Relative);

    /// <summary>On any backend that any of its pools has had; those on which nothing is are no longer held.</summary>
    private protected async Task AssertNothingInFlightAsync()
    {
        foreach (var backend in _seen.Keys)
        {
            await Eventually.BecomesTrueAsync(
                () => backend.InFlight == 0,
                Limits.Wait,
                () => $"nothing is in flight on {backend.Name}, which has {backend.InFlight}"
            );
            _seen.TryRemove(backend, out _);
        }
    }

    /// <summary>Disposes it when the test ends.</summary>
    private protected T Own<T>(T owned)
        where T : IAsyncDisposable
    {
        _owned.Push(owned);
        return owned;
    }

    /// <summary>A server of its own for this test.</summary>
    private protected RawServer Server(WireFault fault = WireFault.Ok) => Own(RawServer.Start(fault));

    /// <summary>A process of its own for this test.</summary>
    private protected async Task<BackendProcess> StartAsync(
        string name,
        bool https = false,
        BackendProtocols protocols = BackendProtocols.Http1And2
    ) => Own(await BackendProcess.StartAsync(name, https: https, protocols: protocols));

    /// <summary>Asserts at the end that nothing is in flight on any backend that the pool has had.</summary>
    private protected BackendPool Watch(BackendPool pool)
    {
        pool.Subscribe(item =>
        {
            if (item is BackendAdded added)
            {
                _seen.TryAdd(added.Backend, 0);
            }
        });
        foreach (var backend in pool.Backends)
        {
            _seen.TryAdd(backend, 0);
        }

        return pool;
    }

    /// <summary>A client whose pool is not probed unless <paramref name="configure"/> says so.</summary>
    private protected Task<ResilientClient> ConnectAsync(SetUp setUp, Action<ResilientBackendsOptions> configure) =>
        setUp switch
        {
            SetUp.Services => Task.FromResult(Connect(configure)),
            SetUp.Host => ConnectByHostAsync(configure),
            _ => Task.FromResult(ConnectByConstructors(configure)),
        };

    /// <summary>A client from a service collection, not probed unless <paramref name="configure"/> says so.</summary>
    private protected ResilientClient Connect(
        Action<ResilientBackendsOptions> configure,
        Action<IResilientBackendsBuilder>? configurePool = null,
        Action<IHttpClientBuilder>? configureClient = null
    )
    {
        var services = new ServiceCollection();
        Register(services, configure, configurePool, configureClient);
        return Own(Made(services.BuildServiceProvider()));
    }

    /// <summary>A client of the backends "a" and "b", or of "a" alone where both are one.</summary>
    private protected ResilientClient Connect(
        ScriptServer a,
        ScriptServer b,
        Action<ResilientBackendsOptions>? configure = null
    ) =>
        Connect(options =>
        {
            options.AddBackend(a.Address.ToString(), "a");
            if (!ReferenceEquals(a, b))
            {
                options.AddBackend(b.Address.ToString(), "b");
            }

            configure?.Invoke(options);
        });

    /// <summary>
    /// A client whose pool lives on a clock that only the test moves: its attempts time out when the test says so, and
    /// never because the machine is busy.
    /// </summary>
    private protected ResilientClient Connect(FakeTime time, Action<ResilientBackendsOptions> configure) =>
        Connect(configure, pool => pool.Services.AddSingleton<TimeProvider>(time));

    /// <summary>
    /// Sends, and lets an attempt's time pass when the request has come to that server and it does not answer.
    /// </summary>
    private protected static Task<HttpResponseMessage> SendPastAsync(
        RawServer silent,
        FakeTime time,
        Func<Task<HttpResponseMessage>> send
    )
    {
        var before = silent.RequestCount;
        return SendPastAsync(
            () => Task.FromResult(silent.Fault == WireFault.AcceptAndNeverAnswer && silent.RequestCount > before),
            time,
            send
        );
    }

    /// <summary>Sends, and lets an attempt's time pass when the request has come to where it is never answered.</summary>
    private protected static async Task<HttpResponseMessage> SendPastAsync(
        Func<Task<bool>> isStuck,
        FakeTime time,
        Func<Task<HttpResponseMessage>> send
    )
    {
        var sending = send();
        var hasStuck = false;
        await Eventually.BecomesTrueAsync(
            async () => sending.IsCompleted || (hasStuck = await isStuck()),
            Limits.Wait,
            "the request is answered, or waits where it never will be"
        );
        if (hasStuck)
        {
            time.Advance(new ResilientBackendsOptions().Timeouts.Attempt);
        }

        return await sending.WaitAsync(Limits.Wait);
    }

    /// <summary>Lets time pass until whoever waits has lost patience.</summary>
    private protected static Task PastAsync(FakeTime time, Task waiting) =>
        Eventually.BecomesTrueAsync(
            () =>
            {
                time.Advance(TimeSpan.FromSeconds(1));
                return waiting.IsCompleted;
            },
            Limits.Wait,
            "the wait has ended"
        );

    /// <summary>Sends, and when the request has arrived lets time pass until whoever waits for it has lost patience.</summary>
    private protected static async Task<HttpResponseMessage> SendToTheEndAsync(
        Func<Task<bool>> hasArrived,
        FakeTime time,
        Func<Task<HttpResponseMessage>> send
    )
    {
        var sending = send();
        await Eventually.BecomesTrueAsync(
            async () => sending.IsCompleted || await hasArrived(),
            Limits.Wait,
            "the request is answered, or has arrived"
        );
        await PastAsync(time, sending);
        return await sending;
    }

    private protected async Task<ResilientClient> ConnectByHostAsync(Action<ResilientBackendsOptions> configure)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        Register(builder.Services, configure);
        var host = builder.Build();
        var client = Own(
            Made(
                host.Services,
                async () =>
                {
                    await host.StopAsync();
                    await ((IAsyncDisposable)host).DisposeAsync();
                }
            )
        );
        await host.StartAsync();
        return client;
    }

    private protected ResilientClient ConnectByConstructors(Action<ResilientBackendsOptions> configure)
    {
        var options = NotProbed();
        configure(options);
        var pool = new BackendPool(
            PoolName,
            options.Backends.Select(each => new BackendDefinition(each.Address!)
            {
                Name = each.Name,
                Host = each.Host,
                Weight = each.Weight,
            }),
            new RoundRobinSelector(),
            new BackendPoolOptions { CircuitBreaker = options.CircuitBreaker, RetryBudget = options.Retry.Budget }
        );
        _ = new PassiveHealthChecker(pool, options.PassiveHealth);
        var checker = new HealthChecker(pool, options.HealthCheck);
        checker.Start();
        var handler = new ResilientHandler(
            pool,
            ResilientTransport.Create(options.Transport, options.Timeouts),
            new ResilientHandlerOptions { Retry = options.Retry, Timeouts = options.Timeouts }
        );
        var http = new HttpClient(handler) { BaseAddress = Logical, Timeout = Limits.Wait };
        return Own(
            new ResilientClient(
                http,
                Watch(pool),
                services: null,
                async () =>
                {
                    await checker.DisposeAsync();
                    await pool.DisposeAsync();
                }
            )
        );
    }

    /// <summary>Registers the pool and the client <c>test</c> that uses it.</summary>
    private protected static void Register(
        IServiceCollection services,
        Action<ResilientBackendsOptions> configure,
        Action<IResilientBackendsBuilder>? configurePool = null,
        Action<IHttpClientBuilder>? configureClient = null
    )
    {
        var pool = services.AddResilientBackends(
            PoolName,
            options =>
            {
                options.HealthCheck.Enabled = false;
                configure(options);
            }
        );
        configurePool?.Invoke(pool);
        var client = services.AddHttpClient("test", http => http.Timeout = Limits.Wait).UseResilientBackends(PoolName);
        configureClient?.Invoke(client);
        services.AddLogging(logging => logging.SetMinimumLevel(LogLevel.Debug));
    }

    /// <summary>The client <c>test</c> of these services.</summary>
    private protected ResilientClient Made(IServiceProvider services, Func<ValueTask> dispose) =>
        new(
            services.GetRequiredService<IHttpClientFactory>().CreateClient("test"),
            Watch(services.GetRequiredKeyedService<BackendPool>(PoolName)),
            services,
            dispose
        );

    /// <summary>The client <c>test</c> of these services, which end with it.</summary>
    private protected ResilientClient Made(ServiceProvider services) => Made(services, services.DisposeAsync);

    /// <summary>All of it, whichever of it fails to: what one leaves behind would disturb the next test.</summary>
    private async Task DisposeOwnedAsync()
    {
        try
        {
            if (_owned.TryPop(out var owned))
            {
                await owned.DisposeAsync();
            }
        }
        finally
        {
            if (_owned.Count > 0)
            {
                await DisposeOwnedAsync();
            }
        }
    }

    private static ResilientBackendsOptions NotProbed()
    {
        var options = new ResilientBackendsOptions();
        options.HealthCheck.Enabled = false;
        return options;
    }
}
