using Microsoft.Extensions.DependencyInjection;

namespace Resilience.DependencyInjection;

/// <summary>Goes on with the registration of a pool. Not thread-safe, as service registration is not.</summary>
public interface IResilientBackendsBuilder
{
    /// <summary>The pool's name.</summary>
    string Name { get; }

    /// <summary>The services that it is registered in.</summary>
    IServiceCollection Services { get; }
}

internal sealed class ResilientBackendsBuilder(IServiceCollection services, PoolRegistration registration)
    : IResilientBackendsBuilder
{
    public string Name => Registration.Name;

    public IServiceCollection Services => services;

    public PoolRegistration Registration => registration;
}
