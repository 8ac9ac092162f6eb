using System.Net.Http.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Http;
using Resilience.Selection;

namespace Resilience.Tests.Documentation;

/// <summary>The code of README.md, compiled; <see cref="ReadmeTests"/> holds the two against each other and runs this.</summary>
internal static class ReadmeCode
{
    public static IHost QuickStart()
    {
        #region quick-start
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddResilientBackends(
            "catalog",
            options => options.AddBackend("http://10.0.0.1:8080").AddBackend("http://10.0.0.2:8080")
        );
        builder.Services.AddHttpClient<CatalogClient>().UseResilientBackends("catalog");
        #endregion
        return builder.Build();
    }

    public static IHost FromConfiguration(HostApplicationBuilder builder)
    {
        #region configuration
        builder.Services.AddResilientBackends("catalog", builder.Configuration.GetSection("Backends:Catalog"));
        #endregion
        return builder.Build();
    }

    public static async Task<string> WithoutContainerAsync(Uri first, Uri second)
    {
        #region without-container
        await using var pool = new BackendPool("catalog", [new(first), new(second)], new RoundRobinSelector());
        _ = new PassiveHealthChecker(pool);
        await using var checker = new HealthChecker(pool);
        checker.Start();
        using var client = new HttpClient(new ResilientHandler(pool, ResilientTransport.Create()));
        var answer = await client.GetStringAsync(new Uri("http://catalog/products/42"));
        #endregion
        return answer;
    }

    public static HttpRequestMessage PerRequest()
    {
        #region per-request
        var request = new HttpRequestMessage(HttpMethod.Post, "orders").ConfigureResilience(options =>
        {
            options.IsIdempotent = true; // The server recognises a repeated order.
            options.TotalTimeout = TimeSpan.FromSeconds(2);
        });
        #endregion
        return request;
    }

    #region client
    public sealed class CatalogClient(HttpClient http)
    {
        // A path is enough: the client's base address is the pool.
        public Task<Product?> FindAsync(int id) => http.GetFromJsonAsync<Product>($"products/{id}");
    }
    #endregion

    public sealed record Product(int Id, string Name);
}
