using System.Runtime.ExceptionServices;
using Resilience.Primitives;

namespace Resilience.Retries;

/// <summary>
/// Attempts an operation again while it fails, after growing delays with full jitter, within a number of attempts and,
/// if it is given one, a <see cref="RetryBudget"/>. Usable without any other part of the library. Immutable and
/// thread-safe.
/// </summary>
/// <remarks>
/// <para>
/// When no attempt is left, the last failure itself surfaces: the last result is returned, the last exception thrown as it
/// was. A result that is retried is disposed if it can be.
/// </para>
/// <para>
/// The caller's own cancellation ends everything at once, a wait included, and is never retried; an exception that is
/// waited over when it comes is the inner one of the <see cref="TaskCanceledException"/>.
/// </para>
/// <para>
/// Every overload passes the caller's token to the operation. Those with a state need no closure, and allocate nothing
/// while the operation succeeds at once.
/// </para>
/// </remarks>
/// <example>
/// <code>
/// var policy = new RetryPolicy(shouldRetry: outcome => outcome.Exception is IOException);
/// var text = await policy.ExecuteAsync(
///     path,
///     static (path, token) => new ValueTask&lt;string&gt;(File.ReadAllTextAsync(path, token)),
///     token
/// );
/// </code>
/// </example>
public sealed class RetryPolicy
{
    /// <summary>The key under which an exception's <see cref="Exception.Data"/> says that the budget refused its retry.</summary>
    public const string BudgetExhaustedKey = "Resilience.RetryBudgetExhausted";

    private readonly RetryRules _rules;
    private readonly Func<RetryOutcome, bool>? _shouldRetry;
    private readonly Action<RetryEvent>? _onRetry;
    private readonly RetryBudget? _budget;
    private readonly Clock _clock;
    private readonly Random _random;

    /// <summary>Creates a policy.</summary>
    /// <param name="options">
    /// Attempts and delays; the defaults if <see langword="null"/> (3 attempts, 100 ms doubling to 10 s, full jitter).
    /// Read once, here. Its <see cref="RetryOptions.Budget"/> and <see cref="RetryOptions.MaxRetryAfter"/> are for pools.
    /// </param>
    /// <param name="shouldRetry">
    /// Whether another attempt may help; if <see langword="null"/>, after every exception and no result. What it throws
    /// ends the call.
    /// </param>
    /// <param name="onRetry">Called before each wait, for monitoring. What it throws ends the call.</param>
    /// <param name="budget">The allowance that retries draw on; none if <see langword="null"/>. Share one among all who call the same service.</param>
    /// <param name="timeProvider">The clock of the delays; the system's if <see langword="null"/>.</param>
    /// <param name="random">The source of jitter, thread-safe; the shared one if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public RetryPolicy(
        RetryOptions? options = null,
        Func<RetryOutcome, bool>? shouldRetry = null,
        Action<RetryEvent>? onRetry = null,
        RetryBudget? budget = null,
        TimeProvider? timeProvider = null,
        Random? random = null
    )
    {
        _rules = new RetryRules(options ?? new RetryOptions());
        _shouldRetry = shouldRetry;
        _onRetry = onRetry;
        _budget = budget;
        _clock = Clock.Of(timeProvider);
        _random = random ?? RandomSource.Default;
    }

    /// <summary>The defaults: 3 attempts in total after every exception, 100 ms doubling to 10 s, full jitter, no budget.</summary>
    public static RetryPolicy Default { get; } = new();

    /// <summary>Executes an operation that returns a result.</summary>
    /// <exception cref="TaskCanceledException">The caller cancelled during a wait; the inner exception is the last failure.</exception>
    public async ValueTask<TResult> ExecuteAsync<TState, TResult>(
        TState state,
        Func<TState, CancellationToken, ValueTask<TResult>> operation,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(operation);
        cancellationToken.ThrowIfCancellationRequested();
        for (var attempt = 1; ; attempt++)
        {
            var result = default(TResult)!;
            ExceptionDispatchInfo? failure = null;
            try
            {
                result = await operation(state, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception exception) when (!IsCancellation(exception, cancellationToken))
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }

            // Outside the try: what predicate and callback throw is no failure of the operation.
            if (!MayTryAgain(attempt, result, failure?.SourceException, cancellationToken, out var withdrawnAt))
            {
                failure?.Throw();
                return result;
            }

            try
            {
                var delay = Tell(attempt, result, failure?.SourceException);
                await DisposeAsync(result).ConfigureAwait(false);
                await WaitAsync(delay, failure?.SourceException, cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                _budget?.GiveBack(withdrawnAt);
                throw;
            }
        }
    }

    /// <inheritdoc cref="ExecuteAsync{TState, TResult}"/>
    public ValueTask<TResult> ExecuteAsync<TResult>(
        Func<CancellationToken, ValueTask<TResult>> operation,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(operation);
        return ExecuteAsync(operation, static (operation, token) => operation(token), cancellationToken);
    }

    /// <summary>Executes an operation that returns nothing.</summary>
    /// <inheritdoc cref="ExecuteAsync{TState, TResult}"/>
    public async ValueTask ExecuteAsync<TState>(
        TState state,
        Func<TState, CancellationToken, ValueTask> operation,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(operation);
        await ExecuteAsync(
                (state, operation),
                static async (call, token) =>
                {
                    await call.operation(call.state, token).ConfigureAwait(false);
                    return default(Nothing);
                },
                cancellationToken
            )
            .ConfigureAwait(false);
    }

    /// <summary>Executes an operation that returns nothing.</summary>
    /// <inheritdoc cref="ExecuteAsync{TState, TResult}"/>
    public ValueTask ExecuteAsync(
        Func<CancellationToken, ValueTask> operation,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(operation);
        return ExecuteAsync(operation, static (operation, token) => operation(token), cancellationToken);
    }

    /// <summary>Executes a synchronous operation that returns a result; waits block the calling thread.</summary>
    /// <exception cref="TaskCanceledException">The caller cancelled during a wait; the inner exception is the last failure.</exception>
    public TResult Execute<TState, TResult>(
        TState state,
        Func<TState, CancellationToken, TResult> operation,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(operation);
        cancellationToken.ThrowIfCancellationRequested();
        for (var attempt = 1; ; attempt++)
        {
            var result = default(TResult)!;
            ExceptionDispatchInfo? failure = null;
            try
            {
                result = operation(state, cancellationToken);
            }
            catch (Exception exception) when (!IsCancellation(exception, cancellationToken))
            {
                failure = ExceptionDispatchInfo.Capture(exception);
            }

            if (!MayTryAgain(attempt, result, failure?.SourceException, cancellationToken, out var withdrawnAt))
            {
                failure?.Throw();
                return result;
            }

            try
            {
                var delay = Tell(attempt, result, failure?.SourceException);
                (result as IDisposable)?.Dispose();
                // Blocking is what a synchronous caller has asked for.
                WaitAsync(delay, failure?.SourceException, cancellationToken).GetAwaiter().GetResult();
            }
            catch
            {
                _budget?.GiveBack(withdrawnAt);
                throw;
            }
        }
    }

    /// <inheritdoc cref="Execute{TState, TResult}"/>
    public TResult Execute<TResult>(
        Func<CancellationToken, TResult> operation,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(operation);
        return Execute(operation, static (operation, token) => operation(token), cancellationToken);
    }

    /// <summary>Executes a synchronous operation that returns nothing; waits block the calling thread.</summary>
    /// <inheritdoc cref="Execute{TState, TResult}"/>
    public void Execute<TState>(
        TState state,
        Action<TState, CancellationToken> operation,
        CancellationToken cancellationToken = default
    )
    {
        ArgumentNullException.ThrowIfNull(operation);
        Execute(
            (state, operation),
            static (call, token) =>
            {
                call.operation(call.state, token);
                return default(Nothing);
            },
            cancellationToken
        );
    }

    /// <summary>Executes a synchronous operation that returns nothing; waits block the calling thread.</summary>
    /// <inheritdoc cref="Execute{TState, TResult}"/>
    public void Execute(Action<CancellationToken> operation, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(operation);
        Execute(operation, static (operation, token) => operation(token), cancellationToken);
    }

    /// <summary>Whose cancellation it is tells the caller's token, not the exception's: libraries link tokens.</summary>
    private static bool IsCancellation(Exception exception, CancellationToken cancellationToken) =>
        exception is OperationCanceledException && cancellationToken.IsCancellationRequested;

    private static ValueTask DisposeAsync<TResult>(TResult result)
    {
        switch (result)
        {
            case IAsyncDisposable disposable:
                return disposable.DisposeAsync();
            case IDisposable disposable:
                disposable.Dispose();
                break;
            default:
                break;
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Whether another attempt may follow, and is paid for; deposits with the budget what has succeeded.</summary>
    /// <param name="withdrawnAt">When its price was withdrawn, which is given back if it does not begin after all.</param>
    private bool MayTryAgain<TResult>(
        int attempt,
        TResult result,
        Exception? failure,
        CancellationToken cancellationToken,
        out long withdrawnAt
    )
    {
        withdrawnAt = 0;
        var mayHelp = _shouldRetry is null
            ? failure is not null
            : _shouldRetry(new RetryOutcome(failure is null ? result : null, failure));
        if (!mayHelp)
        {
            if (failure is null)
            {
                _budget?.RecordRequest();
            }

            return false;
        }

        return _rules.IsEnabled
            && attempt < _rules.MaxAttempts
            && !cancellationToken.IsCancellationRequested
            && TryWithdraw(attempt, failure, out withdrawnAt);
    }

    /// <summary>Tells the application of the next attempt.</summary>
    /// <returns>The wait before it.</returns>
    private TimeSpan Tell<TResult>(int attempt, TResult result, Exception? failure)
    {
        var delay = _rules.DelayBefore(attempt + 1, _random.NextDouble());
        _onRetry?.Invoke(new RetryEvent(attempt, new RetryOutcome(failure is null ? result : null, failure), delay));
        return delay;
    }

    private bool TryWithdraw(int attempt, Exception? failure, out long withdrawnAt)
    {
        withdrawnAt = 0;
        if (_budget is null || _budget.TryWithdraw(out withdrawnAt))
        {
            return true;
        }

        if (failure is not null)
        {
            failure.Data[BudgetExhaustedKey] =
                $"The retry budget refused attempt {attempt + 1} of at most {_rules.MaxAttempts}: "
                + "too large a share of recent calls were retries.";
        }

        return false;
    }

    private async Task WaitAsync(TimeSpan delay, Exception? failure, CancellationToken cancellationToken)
    {
        try
        {
            await _clock.Delay(delay, cancellationToken).ConfigureAwait(false);
            // The caller may have left just as the time was up.
            cancellationToken.ThrowIfCancellationRequested();
        }
        catch (OperationCanceledException cancelled)
        {
            throw new TaskCanceledException(
                failure is null
                    ? "The call was cancelled while it waited to retry."
                    : $"The call was cancelled while it waited to retry; the last failure: {failure.Message}",
                failure ?? cancelled,
                cancellationToken
            );
        }
    }

    /// <summary>The result of what has none.</summary>
    private readonly struct Nothing;
}
