using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Health.Active;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/getting-started.md, compiled.</summary>
internal static class GettingStartedCode
{
    public static HostApplicationBuilder Register()
    {
        #region register
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddResilientBackends(
            "catalog",
            options => options.AddBackend("http://10.0.0.1:8080", "a").AddBackend("http://10.0.0.2:8080", "b")
        );
        builder.Services.AddHttpClient<CatalogClient>().UseResilientBackends("catalog");
        #endregion
        return builder;
    }

    public static void Run(HostApplicationBuilder builder)
    {
        #region run
        builder.Services.AddHostedService<Worker>();
        builder.Build().Run();
        #endregion
    }

    public static (BackendPool Pool, HealthChecker Checker, IBackendPools Pools) Resolve(IHost host)
    {
        #region resolve
        var pool = host.Services.GetRequiredKeyedService<BackendPool>("catalog");
        var checker = host.Services.GetRequiredKeyedService<HealthChecker>("catalog"); // Probes, by the same key.
        var pools = host.Services.GetRequiredService<IBackendPools>(); // All that are registered.
        #endregion
        return (pool, checker, pools);
    }

    public static void Print(BackendPool pool)
    {
        #region look
        var report = pool.GetSnapshot();
        foreach (var backend in report.Backends.Where(backend => backend.State != BackendState.Healthy))
        {
            Console.WriteLine($"{backend.Name}: {backend.State} since {backend.Since:u}, {backend.Detail}");
        }
        #endregion
    }

    public static void AddCheck(HostApplicationBuilder builder)
    {
        #region check
        builder.Services.AddHealthChecks().AddResilientBackends("catalog", options => options.UnhealthyBelow = 0.5);
        #endregion
    }

    /// <summary>How a constructor asks for a pool.</summary>
    public sealed class StatusPage([FromKeyedServices("catalog")] BackendPool pool)
    {
        public BackendPool Pool => pool;
    }

    #region worker
    public sealed class Worker(CatalogClient catalog, ILogger<Worker> logger) : BackgroundService
    {
        protected override async Task ExecuteAsync(CancellationToken stoppingToken)
        {
            while (!stoppingToken.IsCancellationRequested)
            {
                logger.LogInformation("{Name}", await catalog.NameOfAsync(42));
                await Task.Delay(TimeSpan.FromSeconds(1), stoppingToken);
            }
        }
    }
    #endregion

    #region client
    public sealed class CatalogClient(HttpClient http)
    {
        public Task<string> NameOfAsync(int product) => http.GetStringAsync($"products/{product}/name");
    }
    #endregion
}
