using System.Net;
using System.Net.Http.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Http;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/how-to.md, compiled; <see cref="HowToPageTests"/> runs it.</summary>
internal static class HowToCode
{
    public static void NamedClient(IServiceCollection services)
    {
        #region named
        services.AddHttpClient("reports").UseResilientBackends("catalog");
        #endregion
    }

    public static async Task<string> UseNamedAsync(IHttpClientFactory clients)
    {
        #region use-named
        using var http = clients.CreateClient("reports");
        var report = await http.GetStringAsync("reports/today");
        #endregion
        return report;
    }

    public static void SeveralPools(IServiceCollection services, IConfiguration configuration)
    {
        #region several
        services.AddResilientBackends("catalog", configuration.GetSection("Backends:Catalog"));
        services.AddResilientBackends("orders", configuration.GetSection("Backends:Orders"));
        services.AddHttpClient<CatalogClient>().UseResilientBackends("catalog");
        services.AddHttpClient<OrderClient>().UseResilientBackends("orders");
        #endregion
    }

    public static void LogicalAddress(IServiceCollection services)
    {
        #region logical
        services.AddResilientBackends(
            "Product catalogue",
            options =>
            {
                options.AddBackend("http://10.0.0.1:8080");
                options.LogicalAddress = new Uri("http://catalog/");
            }
        );
        #endregion
    }

    public static async Task<Order?> OneRequestAsync(HttpClient http, int id, CancellationToken token)
    {
        #region one-request
        using var request = new HttpRequestMessage(HttpMethod.Get, $"orders/{id}").ConfigureResilience(options =>
        {
            options.TotalTimeout = TimeSpan.FromSeconds(2);
            options.Retry = false;
        });
        using var response = await http.SendAsync(request, token);
        response.EnsureSuccessStatusCode();
        return await response.Content.ReadFromJsonAsync<Order>(token);
        #endregion
    }

    public static void Correlation(IServiceCollection services)
    {
        #region correlation
        services.AddTransient<CorrelationHandler>();
        services
            .AddHttpClient<OrderClient>(http => http.DefaultRequestHeaders.Add("X-Api-Version", "2"))
            .AddHttpMessageHandler<CorrelationHandler>() // Once for each request, since it stands before ...
            .UseResilientBackends("orders"); // ... and what stands after this runs once for each attempt.
        #endregion
    }

    public static void Replace(IServiceCollection services, HttpMessageHandler fake, TimeProvider time)
    {
        #region testing
        services.AddHttpClient<CatalogClient>().ConfigurePrimaryHttpMessageHandler(() => fake);
        services.AddResilientBackends("catalog", options => options.HealthCheck.Enabled = false);
        services.AddSingleton<TimeProvider>(time);
        #endregion
    }

    public static void HealthEndpoint(IServiceCollection services)
    {
        #region health
        services
            .AddHealthChecks()
            .AddResilientBackends("catalog", options => options.UnhealthyBelow = 0.3, tags: ["ready"]);
        #endregion
    }

    public static void OverHttp2(IServiceCollection services)
    {
        #region h2c
        services
            .AddHttpClient<CatalogClient>(http =>
            {
                http.DefaultRequestVersion = HttpVersion.Version20;
                http.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
            })
            .UseResilientBackends("catalog");
        #endregion
    }

    public static async Task<List<string>> StreamAsync(HttpClient http, CancellationToken token)
    {
        var lines = new List<string>();
        #region stream
        using var response = await http.GetAsync("events", HttpCompletionOption.ResponseHeadersRead, token);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(token));
        while (await reader.ReadLineAsync(token) is { } line)
        {
            lines.Add(line);
        }
        #endregion
        return lines;
    }

    public sealed record Order(int Id);

    public sealed class CatalogClient(HttpClient http)
    {
        public HttpClient Http => http;
    }

    public sealed class OrderClient(HttpClient http)
    {
        public HttpClient Http => http;
    }

    #region handler
    public sealed class CorrelationHandler : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            request.Headers.TryAddWithoutValidation("X-Correlation-Id", Guid.NewGuid().ToString());
            return base.SendAsync(request, cancellationToken);
        }
    }
    #endregion
}
