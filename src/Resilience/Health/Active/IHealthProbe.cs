using Resilience.Backends;

namespace Resilience.Health.Active;

/// <summary>One active check of one backend. Called from several threads at once, never twice at a time for one backend.</summary>
public interface IHealthProbe
{
    /// <summary>
    /// Checks the backend. Must end when its token does: until it has ended its worker and its backend wait for it, and
    /// a stop gives it up after 5 seconds, with a warning. Its result is dropped then, and while it is still under way
    /// its backend is not probed again.
    /// </summary>
    /// <param name="backend">The backend.</param>
    /// <param name="cancellationToken">Ends with the probe's timeout, or when checking stops.</param>
    /// <returns>
    /// What was found. An exception counts as a failed probe and is logged; <see langword="null"/> counts as one too.
    /// </returns>
    ValueTask<ProbeResult> ProbeAsync(Backend backend, CancellationToken cancellationToken);
}
