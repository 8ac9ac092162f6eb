using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;

namespace Resilience.Tests.Documentation;

/// <summary>The code of docs/backends.md, compiled; <see cref="DocumentCodeTests"/> runs it.</summary>
internal static class BackendsCode
{
    public static void Register(IServiceCollection services)
    {
        #region register
        services.AddResilientBackends(
            "catalog",
            options => options.AddBackend("http://catalog.example.com", "fallback")
        );
        #endregion
    }

    public static void Apply(BackendPool pool, IReadOnlyList<string> addresses)
    {
        #region apply
        pool.Apply(addresses.Select(address => new BackendDefinition(address)), source: "discovery");
        #endregion
    }
}
