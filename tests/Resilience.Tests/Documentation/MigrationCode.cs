using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Resilience.CircuitBreaking;
using Resilience.Http;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/migration.md, compiled.</summary>
internal static class MigrationCode
{
    public static IHost FromTheStandardHandler()
    {
        var builder = Host.CreateApplicationBuilder();
        #region standard
        builder.Services.AddResilientBackends(
            "catalog",
            options =>
            {
                options.AddBackend("http://10.0.0.1:8080").AddBackend("http://10.0.0.2:8080");
                options.Timeouts.Total = TimeSpan.FromSeconds(30); // TotalRequestTimeout
                options.Timeouts.Attempt = TimeSpan.FromSeconds(10); // AttemptTimeout
                options.Retry.MaxAttempts = 4; // MaxRetryAttempts = 3
                options.CircuitBreaker.FailureRate = 0.1; // FailureRatio
                options.CircuitBreaker.MinimumThroughput = 100;
            }
        );
        builder.Services.AddHttpClient<CatalogClient>().UseResilientBackends("catalog");
        #endregion
        return builder.Build();
    }

    public static async Task<string> FallbackAsync(HttpClient http, CancellationToken token)
    {
        #region fallback
        try
        {
            using var response = await http.GetAsync("products/42/name", token);
            return response.IsSuccessStatusCode ? await response.Content.ReadAsStringAsync(token) : "unknown";
        }
        catch (NoBackendAvailableException exception)
        {
            return $"unknown, ask again in {exception.RetryAfter ?? TimeSpan.FromSeconds(5)}"; // Nobody could be asked.
        }
        catch (Exception exception)
            when (exception is HttpRequestException or TaskCanceledException { InnerException: TimeoutException })
        {
            return "unknown";
        }
        #endregion
    }

    public static async Task<int> FromPollyAsync(OrderClient client, CancellationToken token)
    {
        #region polly
        var circuit = new CircuitBreaker("orders", new CircuitBreakerOptions { ConsecutiveFailures = 5 });
        var order = await circuit.ExecuteAsync(static (client, token) => client.LoadAsync(token), client, token);
        #endregion
        return order;
    }

    public sealed class OrderClient
    {
        public ValueTask<int> LoadAsync(CancellationToken cancellationToken) => ValueTask.FromResult(42);
    }

    private sealed class CatalogClient(HttpClient http)
    {
        public HttpClient Http => http;
    }
}
