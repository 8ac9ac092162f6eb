using System.Runtime.InteropServices;

namespace Resilience.CircuitBreaking;

/// <summary>
/// One call that a circuit makes for its caller: begun with leave, and ended exactly once by whoever has begun it.
/// </summary>
[StructLayout(LayoutKind.Auto)]
internal readonly struct CircuitCall
{
    private readonly CircuitBreaker _circuit;
    private readonly CircuitTicket _ticket;
    private readonly long _startedAt;

    private CircuitCall(CircuitBreaker circuit, CircuitTicket ticket)
    {
        _circuit = circuit;
        _ticket = ticket;
        _startedAt = circuit.StartedAt();
    }

    private long Ticks => _circuit.TicksSince(_startedAt);

    public static bool TryBegin(CircuitBreaker circuit, out CircuitCall call)
    {
        var isAdmitted = circuit.TryAcquireTicket(out var ticket);
        call = isAdmitted ? new CircuitCall(circuit, ticket) : default;
        return isAdmitted;
    }

    /// <exception cref="CircuitOpenException">The circuit refuses the call.</exception>
    /// <exception cref="OperationCanceledException">The caller has cancelled already; nothing is recorded.</exception>
    public static CircuitCall Begin(CircuitBreaker circuit, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return TryBegin(circuit, out var call) ? call : throw circuit.Refusal();
    }

    /// <summary>The call returned.</summary>
    public void End<TResult>(TResult result)
    {
        // A result is put into an object only for who asks about it.
        if (_circuit.Rules.Classify is { } classify)
        {
            EndAs(classify, result, exception: null);
        }
        else
        {
            _circuit.Report(_ticket, CircuitOutcome.Success, Ticks);
        }
    }

    /// <summary>The call threw. The caller's own cancellation says nothing of the resource (law 3).</summary>
    public void EndBy(Exception exception, CancellationToken cancellationToken)
    {
        if (exception is OperationCanceledException && cancellationToken.IsCancellationRequested)
        {
            _circuit.Report(_ticket, CircuitOutcome.Neutral);
        }
        else if (_circuit.Rules.Classify is { } classify)
        {
            EndAs(classify, result: null, exception);
        }
        else
        {
            _circuit.Report(_ticket, CircuitOutcome.Failure, Ticks, exception);
        }
    }

    private void EndAs(Func<object?, Exception?, CircuitOutcome> classify, object? result, Exception? exception)
    {
        // If the function throws, the permit must come back all the same, and nothing has been learnt.
        var outcome = CircuitOutcome.Neutral;
        try
        {
            outcome = classify(result, exception);
        }
        finally
        {
            _circuit.Report(_ticket, outcome, Ticks, exception, result);
        }
    }
}
