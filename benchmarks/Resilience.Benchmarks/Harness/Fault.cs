namespace Resilience.Benchmarks.Harness;

/// <summary>What becomes of the first sending of a request. The second one succeeds.</summary>
public enum Fault
{
    /// <summary>It succeeds; there is no second one.</summary>
    None,

    /// <summary>The backend answers 503.</summary>
    Answer503,

    /// <summary>The task of the sending ends with an <see cref="HttpRequestException"/>.</summary>
    FaultedSend,
}
