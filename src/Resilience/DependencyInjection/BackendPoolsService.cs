using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace Resilience.DependencyInjection;

/// <summary>
/// With a generic host: checks every pool's configuration and every client's pool before anything starts, then probes
/// until the host has stopped.
/// </summary>
internal sealed class BackendPoolsService(IServiceProvider services, PoolRegistry registry) : IHostedLifecycleService
{
    private readonly List<PoolHost> _hosts = [];

    /// <exception cref="OptionsValidationException">Something is wrong; names every problem of every pool.</exception>
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        var problems = registry.Problems().ToList();
        foreach (var pool in registry.Pools)
        {
            try
            {
                _hosts.Add(services.GetRequiredKeyedService<PoolHost>(pool.Name));
            }
            catch (OptionsValidationException exception)
            {
                problems.AddRange(exception.Failures);
            }
        }

        return problems.Count == 0
            ? Task.CompletedTask
            : throw new OptionsValidationException(Options.DefaultName, typeof(ResilientBackendsOptions), problems);
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var host in _hosts)
        {
            host.EnsureStarted();
        }

        return Task.WhenAll(_hosts.Select(host => host.WhenProbedOnceAsync(cancellationToken)));
    }

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>After all other services: while they finish their work, it still goes to healthy backends.</summary>
    public Task StoppedAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(_hosts.Select(host => host.StopAsync()));
}
