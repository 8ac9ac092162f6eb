using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Resilience.Backends;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/getting-started.md, compiled.</summary>
internal static class GettingStartedCode
{
    public static IHost Register()
    {
        #region register
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddResilientBackends(
            "catalog",
            options => options.AddBackend("http://10.0.0.1:8080", "a").AddBackend("http://10.0.0.2:8080", "b")
        );
        builder.Services.AddHttpClient<CatalogClient>().UseResilientBackends("catalog");
        #endregion
        AddCheck(builder.Services);
        return builder.Build();
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

    private static void AddCheck(IServiceCollection services)
    {
        #region check
        services.AddHealthChecks().AddResilientBackends("catalog", options => options.UnhealthyBelow = 0.5);
        #endregion
    }

    #region client
    public sealed class CatalogClient(HttpClient http)
    {
        public Task<string> NameOfAsync(int product) => http.GetStringAsync($"products/{product}/name");
    }
    #endregion
}
