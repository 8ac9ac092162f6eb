namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>How long a wait may take before it counts as failed. Spent only by a test that fails.</summary>
internal static class Limits
{
    /// <summary>For starting a process on a busy machine.</summary>
    public static readonly TimeSpan ProcessStart = TimeSpan.FromSeconds(30);

    /// <summary>
    /// An attempt's timeout in tests where a hung backend must be given up for one that answers: short against the
    /// default, and long enough for the one that answers on a machine with ten times the work that it can do.
    /// </summary>
    public static readonly TimeSpan Attempt = TimeSpan.FromSeconds(2);

    /// <summary>For everything else.</summary>
    public static readonly TimeSpan Wait = TimeSpan.FromSeconds(15);
}
