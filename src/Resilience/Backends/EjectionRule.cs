namespace Resilience.Backends;

/// <summary>Which rule of passive detection found a backend wanting.</summary>
public enum EjectionRule
{
    /// <summary>So many failures in a row.</summary>
    ConsecutiveFailures,

    /// <summary>Too large a share of its requests failed within the window.</summary>
    FailureRate,

    /// <summary>Too large a share of its responses was slow within the window.</summary>
    SlowResponses,

    /// <summary>Requests wait on it, and it answers nothing while others do.</summary>
    Silence,

    /// <summary>It fails markedly more often than the rest of the pool.</summary>
    RelativeFailures,

    /// <summary>It answers markedly slower than the rest of the pool.</summary>
    RelativeTime,

    /// <summary>It asked to be left alone: 429 or 503 with <c>Retry-After</c>.</summary>
    Cooling,
}
