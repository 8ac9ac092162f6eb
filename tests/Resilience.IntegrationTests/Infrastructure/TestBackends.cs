using Resilience.DependencyInjection;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>Adds the tests' servers to a pool, and sets the times that let tests see recovery soon.</summary>
internal static class TestBackends
{
    public static ResilientBackendsOptions Add(
        this ResilientBackendsOptions options,
        params IEnumerable<BackendProcess> backends
    )
    {
        foreach (var backend in backends)
        {
            options.AddBackend(backend.Address.ToString(), backend.Name);
        }

        return options;
    }

    public static ResilientBackendsOptions Add(this ResilientBackendsOptions options, string name, RawServer server) =>
        options.AddBackend(server.Address.ToString(), name);

    /// <summary>A backend on whose port nobody listens, so that connections are refused.</summary>
    public static ResilientBackendsOptions AddRefusing(this ResilientBackendsOptions options, string name) =>
        options.AddBackend($"http://127.0.0.1:{TestPorts.Next()}", name);

    /// <summary>Ejections and breaks that end soon, so that a test need not wait for the defaults.</summary>
    public static ResilientBackendsOptions ForgiveSoon(this ResilientBackendsOptions options)
    {
        options.PassiveHealth.EjectionTime = TimeSpan.FromMilliseconds(100);
        options.PassiveHealth.MaxEjectionTime = TimeSpan.FromMilliseconds(500);
        options.CircuitBreaker.BreakDuration = TimeSpan.FromMilliseconds(100);
        options.CircuitBreaker.MaxBreakDuration = TimeSpan.FromMilliseconds(500);
        return options;
    }

    /// <summary>Probes at a pace that lets a test see their verdict soon.</summary>
    public static ResilientBackendsOptions ProbeOften(this ResilientBackendsOptions options)
    {
        options.HealthCheck.Enabled = true;
        options.HealthCheck.Interval = TimeSpan.FromMilliseconds(50);
        options.HealthCheck.Timeout = TimeSpan.FromSeconds(1);
        options.HealthCheck.FailureBackoff = false;
        return options;
    }
}
