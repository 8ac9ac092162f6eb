using System.Runtime.CompilerServices;

namespace Resilience.CircuitBreaking;

/// <summary>
/// Leave to make one call through a circuit, bound to the circuit's generation at that moment: a report that comes after
/// the circuit has moved on changes nothing. Report it once; a second report does nothing. A permit that is never
/// reported harms nothing either: the trial of a half-open circuit that it may be expires. Keep it in one variable: a copy
/// of it is a permit of its own, except of a trial, which counts once however it was copied. Not thread-safe.
/// </summary>
public struct CircuitPermit
{
    private readonly CircuitTicket _ticket;
    private readonly CircuitTrial? _trial;
    private readonly long _startedAt;
    private CircuitBreaker? _circuit;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal CircuitPermit(CircuitBreaker circuit, CircuitTicket ticket, long startedAt)
    {
        _circuit = circuit;
        _ticket = ticket;
        _startedAt = startedAt;
        _trial = ticket.IsTrial ? new CircuitTrial() : null;
    }

    /// <summary>Whether this call is one of the few that decide if a half-open circuit closes.</summary>
    public readonly bool IsTrial => _ticket.IsTrial;

    /// <summary>Says how the call ended. A permit that was refused, reported already or never given does nothing.</summary>
    /// <param name="outcome">What the call showed of the protected resource.</param>
    /// <param name="exception">What it threw: the circuit's last failure, if that was one.</param>
    /// <param name="result">What it returned, for <see cref="CircuitBreakerOptions.BreakDurationGenerator"/>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Report(CircuitOutcome outcome, Exception? exception = null, object? result = null)
    {
        if (_circuit is not { } circuit)
        {
            return;
        }

        _circuit = null;
        if (!circuit.IsTraceless(_ticket, outcome) && (_trial is null || _trial.TryEnd()))
        {
            circuit.Report(_ticket, outcome, circuit.TicksSince(_startedAt), exception, result);
        }
    }
}
