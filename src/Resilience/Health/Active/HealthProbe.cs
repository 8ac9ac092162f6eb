using Resilience.Backends;

namespace Resilience.Health.Active;

/// <summary>Makes probes.</summary>
public static class HealthProbe
{
    /// <summary>A probe from a function.</summary>
    /// <param name="check">Checks one backend; as <see cref="IHealthProbe.ProbeAsync"/>.</param>
    public static IHealthProbe From(Func<Backend, CancellationToken, ValueTask<ProbeResult>> check)
    {
        ArgumentNullException.ThrowIfNull(check);
        return new FunctionProbe(check);
    }

    private sealed class FunctionProbe(Func<Backend, CancellationToken, ValueTask<ProbeResult>> check) : IHealthProbe
    {
        public ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken) =>
            check(backend, cancellationToken);
    }
}
