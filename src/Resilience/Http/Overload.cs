namespace Resilience.Http;

/// <summary>Why a request was not let wait, or no longer, for a place on a backend that is at its limit.</summary>
internal enum Overload
{
    /// <summary>It was not for that.</summary>
    None,

    /// <summary>As many waited already as may.</summary>
    QueueFull,

    /// <summary>It has waited as long as it may.</summary>
    QueueTimeout,

    /// <summary>Its own time was up.</summary>
    Deadline,
}
