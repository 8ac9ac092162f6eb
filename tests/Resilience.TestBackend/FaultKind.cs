namespace Resilience.TestBackend;

/// <summary>The kinds of <see cref="Fault"/>.</summary>
internal enum FaultKind
{
    /// <summary>Requests get their usual answer.</summary>
    None,

    /// <summary>Every request gets one status code.</summary>
    Status,

    /// <summary>No request is ever answered.</summary>
    Hang,

    /// <summary>Every answer ends after its first byte, and its connection stays open.</summary>
    FirstByte,

    /// <summary>Every answer ends within its body, and its connection stays open.</summary>
    Stall,

    /// <summary>Every connection is aborted within the body of the answer.</summary>
    Break,

    /// <summary>Every connection is aborted without an answer.</summary>
    Abort,

    /// <summary>The usual answer comes late.</summary>
    Delay,
}
