namespace Resilience.CircuitBreaking;

/// <summary>Why a circuit changed.</summary>
public enum CircuitChangeReason
{
    /// <summary>Somebody called <see cref="CircuitBreaker.Reset"/> or one of the methods that force a state.</summary>
    Operator,

    /// <summary>New options start circuits in another state.</summary>
    Configuration,

    /// <summary>So many failures in a row; see <see cref="CircuitBreakerOptions.ConsecutiveFailures"/>.</summary>
    ConsecutiveFailures,

    /// <summary>Too large a share of failures; see <see cref="CircuitBreakerOptions.FailureRate"/>.</summary>
    FailureRate,

    /// <summary>Too large a share of slow calls; see <see cref="CircuitBreakerOptions.SlowCallRate"/>.</summary>
    SlowCallRate,

    /// <summary>The break was over, or a hint ended it, and a call came to test.</summary>
    BreakEnded,

    /// <summary>Enough trials succeeded.</summary>
    TrialsSucceeded,

    /// <summary>Too many trials failed.</summary>
    TrialsFailed,

    /// <summary>The trials never reported; see <see cref="CircuitBreakerOptions.HalfOpenExpiry"/>.</summary>
    TrialsLost,
}
