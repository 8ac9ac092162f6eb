namespace Resilience.Benchmarks.Harness;

/// <summary>When the transport's answer is there.</summary>
public enum Completion
{
    /// <summary>After the sending has returned, as over a network: every awaited layer really suspends.</summary>
    Async,

    /// <summary>Before the sending returns: no layer suspends.</summary>
    Sync,
}
