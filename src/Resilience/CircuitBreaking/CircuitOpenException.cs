using System.Globalization;

namespace Resilience.CircuitBreaking;

/// <summary>
/// A circuit refused a call, so it was not made: use a fallback, or try again after <see cref="RetryAfter"/>. The inner
/// exception is the last failure that the circuit has seen, if that was an exception.
/// </summary>
public sealed class CircuitOpenException : Exception
{
    private readonly string? _message;

    /// <summary>Creates the exception without a circuit; for tests of those who catch it.</summary>
    public CircuitOpenException()
        : this("The circuit refused the call.") { }

    /// <inheritdoc cref="CircuitOpenException()"/>
    public CircuitOpenException(string message)
        : this(message, null) { }

    /// <inheritdoc cref="CircuitOpenException()"/>
    public CircuitOpenException(string message, Exception? innerException)
        : base(message, innerException)
    {
        _message = message;
        Circuit = "";
        State = CircuitState.Open;
    }

    internal CircuitOpenException(string circuit, CircuitState state, TimeSpan retryAfter, Exception? lastFailure)
        : base(null, lastFailure)
    {
        Circuit = circuit;
        State = state;
        RetryAfter = retryAfter;
    }

    /// <summary>The circuit's name.</summary>
    public string Circuit { get; }

    /// <summary>The circuit's state just after it refused the call.</summary>
    public CircuitState State { get; }

    /// <summary>
    /// How long the circuit goes on refusing; zero if it does no more, <see cref="Timeout.InfiniteTimeSpan"/> if time alone
    /// ends nothing.
    /// </summary>
    public TimeSpan RetryAfter { get; }

    /// <summary>What the last failed call threw, as far as it was reported.</summary>
    public Exception? LastFailure => InnerException;

    /// <summary>In words; put together when somebody reads it, since refusals are many and mostly counted only.</summary>
    public override string Message => _message ?? Describe();

    private string Describe()
    {
        var why = State switch
        {
            CircuitState.HalfOpen => "it is half-open and its trials are out",
            CircuitState.ForcedOpen => "it was forced open, until somebody resets it",
            _ => "it is open",
        };
        var wait =
            RetryAfter > TimeSpan.Zero
                ? string.Create(CultureInfo.InvariantCulture, $" for another {RetryAfter.TotalSeconds:0.###} s")
                : "";
        return $"The circuit '{Circuit}' refused the call: {why}{wait}.";
    }
}
