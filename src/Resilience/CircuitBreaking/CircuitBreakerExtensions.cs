namespace Resilience.CircuitBreaking;

/// <summary>
/// Makes calls through a circuit: each asks for leave, makes the call, reports what came of it, and hands on its result or
/// its exception unchanged. What counts as a failure is <see cref="CircuitBreakerOptions.Classify"/>; the caller's own
/// cancellation never does. Give a state to a static function where a closure would cost. Thread-safe.
/// </summary>
public static class CircuitBreakerExtensions
{
    /// <summary>Makes a call.</summary>
    /// <exception cref="CircuitOpenException">The circuit refuses; the call was not made.</exception>
    public static void Execute(this CircuitBreaker circuit, Action callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        circuit.Execute(static (callback, _) => callback(), callback);
    }

    /// <summary>Makes a call that can be cancelled.</summary>
    /// <param name="cancellationToken">Handed to the call, which is not begun if it is cancelled already.</param>
    /// <exception cref="CircuitOpenException">The circuit refuses; the call was not made.</exception>
    public static void Execute(
        this CircuitBreaker circuit,
        Action<CancellationToken> callback,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(callback);
        circuit.Execute(static (callback, token) => callback(token), callback, cancellationToken);
    }

    /// <summary>Makes a call that is given a state and can be cancelled.</summary>
    /// <inheritdoc cref="Execute(CircuitBreaker, Action{CancellationToken}, CancellationToken)"/>
    public static void Execute<TState>(
        this CircuitBreaker circuit,
        Action<TState, CancellationToken> callback,
        TState state,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(circuit);
        ArgumentNullException.ThrowIfNull(callback);
        var call = CircuitCall.Begin(circuit, cancellationToken);
        try
        {
            callback(state, cancellationToken);
        }
        catch (Exception exception)
        {
            call.EndBy(exception, cancellationToken);
            throw;
        }

        call.End<object?>(null);
    }

    /// <summary>Makes a call that returns a result.</summary>
    /// <exception cref="CircuitOpenException">The circuit refuses; the call was not made.</exception>
    public static TResult Execute<TResult>(this CircuitBreaker circuit, Func<TResult> callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        return circuit.Execute(static (callback, _) => callback(), callback);
    }

    /// <summary>Makes a call that returns a result and can be cancelled.</summary>
    /// <inheritdoc cref="Execute(CircuitBreaker, Action{CancellationToken}, CancellationToken)"/>
    public static TResult Execute<TResult>(
        this CircuitBreaker circuit,
        Func<CancellationToken, TResult> callback,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(callback);
        return circuit.Execute(static (callback, token) => callback(token), callback, cancellationToken);
    }

    /// <summary>Makes a call that is given a state, returns a result and can be cancelled.</summary>
    /// <inheritdoc cref="Execute(CircuitBreaker, Action{CancellationToken}, CancellationToken)"/>
    public static TResult Execute<TState, TResult>(
        this CircuitBreaker circuit,
        Func<TState, CancellationToken, TResult> callback,
        TState state,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(circuit);
        ArgumentNullException.ThrowIfNull(callback);
        var call = CircuitCall.Begin(circuit, cancellationToken);
        TResult result;
        try
        {
            result = callback(state, cancellationToken);
        }
        catch (Exception exception)
        {
            call.EndBy(exception, cancellationToken);
            throw;
        }

        call.End(result);
        return result;
    }

    /// <summary>Makes an asynchronous call.</summary>
    /// <inheritdoc cref="Execute(CircuitBreaker, Action{CancellationToken}, CancellationToken)"/>
    public static ValueTask ExecuteAsync(
        this CircuitBreaker circuit,
        Func<CancellationToken, ValueTask> callback,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(callback);
        return circuit.ExecuteAsync(static (callback, token) => callback(token), callback, cancellationToken);
    }

    /// <summary>Makes an asynchronous call that is given a state.</summary>
    /// <inheritdoc cref="Execute(CircuitBreaker, Action{CancellationToken}, CancellationToken)"/>
    public static ValueTask ExecuteAsync<TState>(
        this CircuitBreaker circuit,
        Func<TState, CancellationToken, ValueTask> callback,
        TState state,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(circuit);
        ArgumentNullException.ThrowIfNull(callback);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        if (!CircuitCall.TryBegin(circuit, out var call))
        {
            return ValueTask.FromException(circuit.Refusal());
        }

        ValueTask running;
        try
        {
            running = callback(state, cancellationToken);
        }
#pragma warning disable CA1031 // It is the caller's: handed on in the task, where it would be if it came later.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            running = ValueTask.FromException(exception);
        }

        if (running.IsCompletedSuccessfully && circuit.Rules.Classify is null)
        {
#pragma warning disable CA1849 // It has completed; a pooled source must be asked once all the same.
            running.GetAwaiter().GetResult();
#pragma warning restore CA1849
            call.End<object?>(null);
            return ValueTask.CompletedTask;
        }

        return EndAsync(call, running, cancellationToken);
    }

    /// <summary>Makes an asynchronous call that returns a result.</summary>
    /// <inheritdoc cref="Execute(CircuitBreaker, Action{CancellationToken}, CancellationToken)"/>
    public static ValueTask<TResult> ExecuteAsync<TResult>(
        this CircuitBreaker circuit,
        Func<CancellationToken, ValueTask<TResult>> callback,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(callback);
        return circuit.ExecuteAsync(static (callback, token) => callback(token), callback, cancellationToken);
    }

    /// <summary>Makes an asynchronous call that is given a state and returns a result.</summary>
    /// <inheritdoc cref="Execute(CircuitBreaker, Action{CancellationToken}, CancellationToken)"/>
    public static ValueTask<TResult> ExecuteAsync<TState, TResult>(
        this CircuitBreaker circuit,
        Func<TState, CancellationToken, ValueTask<TResult>> callback,
        TState state,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(circuit);
        ArgumentNullException.ThrowIfNull(callback);
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<TResult>(cancellationToken);
        }

        if (!CircuitCall.TryBegin(circuit, out var call))
        {
            return ValueTask.FromException<TResult>(circuit.Refusal());
        }

        ValueTask<TResult> running;
        try
        {
            running = callback(state, cancellationToken);
        }
#pragma warning disable CA1031 // It is the caller's: handed on in the task, where it would be if it came later.
        catch (Exception exception)
#pragma warning restore CA1031
        {
            running = ValueTask.FromException<TResult>(exception);
        }

        if (running.IsCompletedSuccessfully && circuit.Rules.Classify is null)
        {
            var result = running.Result;
            call.End(result);
            return new ValueTask<TResult>(result);
        }

        return EndAsync(call, running, cancellationToken);
    }

    private static async ValueTask EndAsync(CircuitCall call, ValueTask running, CancellationToken cancellationToken)
    {
        try
        {
            await running.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            call.EndBy(exception, cancellationToken);
            throw;
        }

        call.End<object?>(null);
    }

    private static async ValueTask<TResult> EndAsync<TResult>(
        CircuitCall call,
        ValueTask<TResult> running,
        CancellationToken cancellationToken
    )
    {
        TResult result;
        try
        {
            result = await running.ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            call.EndBy(exception, cancellationToken);
            throw;
        }

        call.End(result);
        return result;
    }
}
