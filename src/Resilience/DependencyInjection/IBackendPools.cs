using System.Collections;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;

namespace Resilience.DependencyInjection;

/// <summary>All pools that are registered. Thread-safe.</summary>
[SuppressMessage("Naming", "CA1710", Justification = "It is the pools; a suffix would say less.")]
public interface IBackendPools : IReadOnlyCollection<BackendPool>
{
    /// <summary>The pool of that name.</summary>
    /// <exception cref="KeyNotFoundException">No pool of that name is registered; the message lists those that are.</exception>
    BackendPool this[string name] { get; }
}

internal sealed class BackendPools(IServiceProvider services, PoolRegistry registry) : IBackendPools
{
    public int Count => registry.Pools.Count;

    public BackendPool this[string name] =>
        registry.Find(name) is not null
            ? services.GetRequiredKeyedService<BackendPool>(name)
            : throw new KeyNotFoundException(
                $"No pool '{name}' is registered. Registered: {string.Join(", ", registry.Pools.Select(each => $"'{each.Name}'"))}."
            );

    public IEnumerator<BackendPool> GetEnumerator() => registry.Pools.Select(each => this[each.Name]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
