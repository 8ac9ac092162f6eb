using System.Globalization;
using Resilience.Retries;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Retries;

public sealed class RetryPolicyTests
{
    private static readonly RetryOptions Plain = new() { Jitter = 0 };

    private readonly FakeTime _time = new();
    private readonly List<RetryEvent> _retries = [];

    [Fact]
    public void Default_Is3AttemptsFrom100MillisecondsDoubled_S43_R89_R91()
    {
        var options = new RetryOptions();

        options.MaxAttempts.Should().Be(3);
        options.InitialDelay.Should().Be(TimeSpan.FromMilliseconds(100));
        options.Multiplier.Should().Be(2);
        RetryPolicy.Default.Should().BeSameAs(RetryPolicy.Default);
    }

    [Fact]
    public async Task ExecuteAsync_SucceedsAtOnce_IsOneAttemptWithoutWaiting_S44()
    {
        var attempts = 0;

        var result = await Policy().ExecuteAsync(_ => ValueTask.FromResult(++attempts));

        result.Should().Be(1);
        attempts.Should().Be(1);
        _retries.Should().BeEmpty();
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task ExecuteAsync_FailsTwiceOfFive_SucceedsAtTheThird_S45()
    {
        var attempts = 0;
        var policy = Policy(new RetryOptions { MaxAttempts = 5, Jitter = 0 });

        var result = await Run(policy, _ => ++attempts < 3 ? throw new IOException("down") : ValueTask.FromResult(7));

        result.Should().Be(7);
        attempts.Should().Be(3);
    }

    [Fact]
    public async Task ExecuteAsync_AlwaysFails_ThrowsTheLastFailureItself_S46_C23()
    {
        var failures = new List<Exception>();

        var act = () =>
            Run(
                Policy(),
                _ =>
                {
                    failures.Add(new IOException(failures.Count.ToString(CultureInfo.InvariantCulture)));
                    throw failures[^1];
                }
            );

        (await act.Should().ThrowExactlyAsync<IOException>()).Which.Should().BeSameAs(failures[2]);
        failures.Should().HaveCount(3);
    }

    [Fact]
    public async Task ExecuteAsync_PredicateSaysNo_IsOneAttempt_S47_R90()
    {
        var attempts = 0;
        var policy = Policy(shouldRetry: outcome => outcome.Exception is not InvalidDataException);

        var act = () =>
            Run(
                policy,
                _ =>
                {
                    attempts++;
                    throw new InvalidDataException();
                }
            );

        await act.Should().ThrowExactlyAsync<InvalidDataException>();
        attempts.Should().Be(1);
    }

    [Fact]
    public async Task ExecuteAsync_CancelledDuringAWait_StopsAtOnceAndKeepsTheLastFailure_S48_R92()
    {
        using var caller = new CancellationTokenSource();
        var attempts = 0;
        var failure = new IOException("down");
        var running = Policy(new RetryOptions { MaxAttempts = 10, Jitter = 0 })
            .ExecuteAsync(
                _ =>
                {
                    attempts++;
                    return ValueTask.FromException<int>(failure);
                },
                caller.Token
            )
            .AsTask();
        await _time.WhenTimersArmedAsync(1);

        await caller.CancelAsync();

        var thrown = await ((Func<Task>)(() => running)).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.InnerException.Should().BeSameAs(failure);
        thrown.Which.CancellationToken.Should().Be(caller.Token);
        attempts.Should().Be(1);
    }

    [Fact]
    public async Task ExecuteAsync_OperationEndsWithTheCallersCancellation_IsNeverRetried_Law3()
    {
        using var caller = new CancellationTokenSource();
        var attempts = 0;
        var act = () =>
            Run(
                Policy(),
                async token =>
                {
                    attempts++;
                    await caller.CancelAsync();
                    token.ThrowIfCancellationRequested();
                    return 1;
                },
                caller.Token
            );

        await act.Should().ThrowAsync<OperationCanceledException>();
        attempts.Should().Be(1);
        _retries.Should().BeEmpty();
    }

    [Fact]
    public async Task ExecuteAsync_FailsAfterTheCallerHasCancelled_ThrowsTheFailureWithoutRetry()
    {
        using var caller = new CancellationTokenSource();
        var act = () =>
            Run(
                Policy(),
                async _ =>
                {
                    await caller.CancelAsync();
                    throw new IOException();
                },
                caller.Token
            );

        await act.Should().ThrowExactlyAsync<IOException>();
        _retries.Should().BeEmpty();
    }

    [Fact]
    public async Task ExecuteAsync_CancellationThatIsNotTheCallers_IsAFailureLikeAnother()
    {
        var attempts = 0;

        var result = await Run(
            Policy(),
            _ => ++attempts == 1 ? throw new TaskCanceledException() : ValueTask.FromResult(attempts)
        );

        result.Should().Be(2);
    }

    [Fact]
    public async Task ExecuteAsync_TokenCancelledBefore_NeverCallsTheOperation()
    {
        var act = () => Run(Policy(), _ => throw new InvalidOperationException("called"), new CancellationToken(true));

        await act.Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task ExecuteAsync_FourAttemptsDoublingWithoutJitter_WaitsThreeTimesNeverShorter_S49()
    {
        var policy = Policy(
            new RetryOptions
            {
                MaxAttempts = 4,
                InitialDelay = TimeSpan.FromMilliseconds(10),
                Jitter = 0,
            }
        );

        var act = () => Run(policy, _ => throw new IOException());

        await act.Should().ThrowAsync<IOException>();
        _retries.Select(retry => retry.Delay.TotalMilliseconds).Should().Equal(10, 20, 40);
    }

    [Fact]
    public async Task ExecuteAsync_FailsTwice_TellsTheCallbackOfAttemptFailureAndDelay_S50_R93_R185()
    {
        var attempts = 0;

        await Run(Policy(), _ => ++attempts < 3 ? throw new IOException($"{attempts}") : ValueTask.FromResult(0));

        _retries.Select(retry => retry.Attempt).Should().Equal(1, 2);
        _retries.Select(retry => retry.Outcome.Exception!.Message).Should().Equal("1", "2");
        _retries.Should().OnlyContain(retry => retry.Delay >= TimeSpan.Zero);
    }

    [Fact]
    public void Execute_FailsOnce_SucceedsAtTheSecond_S52()
    {
        var attempts = 0;
        var policy = new RetryPolicy(new RetryOptions { InitialDelay = TimeSpan.Zero });

        var result = policy.Execute(_ => ++attempts == 1 ? throw new IOException() : attempts);

        result.Should().Be(2);
    }

    [Fact]
    public void Execute_AlwaysFails_ThrowsTheLastFailureItself()
    {
        var attempts = 0;
        var policy = new RetryPolicy(new RetryOptions { InitialDelay = TimeSpan.Zero });

        var act = () => policy.Execute(_ => throw new IOException($"{++attempts}"));

        act.Should().ThrowExactly<IOException>().WithMessage("3");
    }

    [Fact]
    public async Task ExecuteAsync_ResultThatIsAFailure_IsRetriedAndDisposed_TheLastOneReturned()
    {
        var results = new List<Disposable>();
        var policy = Policy(shouldRetry: outcome => outcome.Result is Disposable);

        var result = await Run(
            policy,
            _ =>
            {
                results.Add(new Disposable());
                return ValueTask.FromResult(results[^1]);
            }
        );

        result.Should().BeSameAs(results[2]);
        results.Select(each => each.IsDisposed).Should().Equal(true, true, false);
    }

    [Fact]
    public async Task ExecuteAsync_CallbackThrows_EndsTheCallWithIt()
    {
        var attempts = 0;
        var policy = new RetryPolicy(onRetry: _ => throw new InvalidOperationException("monitoring"));

        var act = () =>
            Run(
                policy,
                _ =>
                {
                    attempts++;
                    throw new IOException();
                }
            );

        await act.Should().ThrowExactlyAsync<InvalidOperationException>();
        attempts.Should().Be(1);
    }

    [Fact]
    public async Task ExecuteAsync_BudgetIsExhausted_StopsAndSaysSoInTheFailuresData_R96_Law9()
    {
        var budget = new RetryBudget(new RetryBudgetOptions { MinimumPerSecond = 0, Ratio = 0 }, _time);
        var policy = Policy(budget: budget);

        var act = () => Run(policy, _ => throw new IOException());

        var thrown = await act.Should().ThrowExactlyAsync<IOException>();
        ((string)thrown.Which.Data[RetryPolicy.BudgetExhaustedKey]!)
            .Should()
            .Be("The retry budget refused attempt 2 of at most 3: too large a share of recent calls were retries.");
        _retries.Should().BeEmpty();
    }

    /// <summary>Cancellation always gives back what the call held (law 3).</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Execute_CancelledDuringAWait_GivesThePriceOfTheRetryBack_Law3(bool isAsync)
    {
        using var caller = new CancellationTokenSource();
        var budget = new RetryBudget(new RetryBudgetOptions { MinimumPerSecond = 1 }, _time);
        var full = budget.Balance;
        var policy = Policy(budget: budget);
        var running = Start(policy, isAsync, () => throw new IOException("down"), caller.Token);
        await _time.WhenTimersArmedAsync(1);
        var during = budget.Balance;

        await caller.CancelAsync();

        await ((Func<Task>)(() => running)).Should().ThrowAsync<TaskCanceledException>();
        during.Should().Be(full - 1);
        budget.Balance.Should().Be(full);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Execute_CancelledByTheCallback_GivesThePriceOfTheRetryBack_Law3(bool isAsync)
    {
        using var caller = new CancellationTokenSource();
        var budget = new RetryBudget(new RetryBudgetOptions { MinimumPerSecond = 1 }, _time);
        var full = budget.Balance;
        var policy = new RetryPolicy(onRetry: _ => caller.Cancel(), budget: budget, timeProvider: _time);

        var act = () => Start(policy, isAsync, () => throw new IOException("down"), caller.Token);

        (await act.Should().ThrowAsync<TaskCanceledException>()).Which.InnerException.Should().BeOfType<IOException>();
        budget.Balance.Should().Be(full);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Execute_CallbackThrows_GivesThePriceOfTheRetryBack(bool isAsync)
    {
        var budget = new RetryBudget(new RetryBudgetOptions { MinimumPerSecond = 1 }, _time);
        var full = budget.Balance;
        var policy = new RetryPolicy(
            onRetry: _ => throw new InvalidOperationException("monitoring"),
            budget: budget,
            timeProvider: _time
        );

        var act = () => Start(policy, isAsync, () => throw new IOException(), CancellationToken.None);

        await act.Should().ThrowExactlyAsync<InvalidOperationException>();
        budget.Balance.Should().Be(full);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Execute_DisposalOfTheResultThrows_GivesThePriceOfTheRetryBack(bool isAsync)
    {
        var budget = new RetryBudget(new RetryBudgetOptions { MinimumPerSecond = 1 }, _time);
        var full = budget.Balance;
        var policy = Policy(shouldRetry: outcome => outcome.Result is Disposable, budget: budget);
        var result = new Disposable { DisposalFailure = new InvalidOperationException("disposal") };

        var act = () => Start(policy, isAsync, () => result, CancellationToken.None);

        await act.Should().ThrowExactlyAsync<InvalidOperationException>();
        budget.Balance.Should().Be(full);
    }

    [Fact]
    public async Task ExecuteAsync_RetriesThatAreMade_ArePaidFor()
    {
        var budget = new RetryBudget(new RetryBudgetOptions { MinimumPerSecond = 1 }, _time);
        var full = budget.Balance;

        var act = () => Run(Policy(budget: budget), _ => throw new IOException());

        await act.Should().ThrowExactlyAsync<IOException>();
        budget.Balance.Should().Be(full - 2);
    }

    [Fact]
    public async Task ExecuteAsync_Successes_DepositWithTheBudget()
    {
        var budget = new RetryBudget(new RetryBudgetOptions { MinimumPerSecond = 0, Ratio = 0.5 }, _time);
        var policy = Policy(budget: budget);

        await Run(policy, _ => ValueTask.FromResult(0));
        await Run(policy, _ => ValueTask.FromResult(0));

        budget.Balance.Should().Be(1);
    }

    [Fact]
    public async Task ExecuteAsync_Unlimited_GoesOnUntilItSucceeds_C9()
    {
        var attempts = 0;
        var policy = Policy(new RetryOptions { MaxAttempts = RetryOptions.Unlimited, Jitter = 0 });

        await Run(policy, _ => ++attempts < 250 ? throw new IOException() : ValueTask.FromResult(0));

        attempts.Should().Be(250);
        _retries[^1].Delay.Should().Be(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task ExecuteAsync_Disabled_IsOneAttempt()
    {
        var attempts = 0;
        var act = () => Run(Policy(new RetryOptions { Enabled = false }), _ => throw new IOException($"{++attempts}"));

        await act.Should().ThrowExactlyAsync<IOException>().WithMessage("1");
    }

    [Fact]
    public async Task EveryOverload_PassesStateAndToken_AndRetries()
    {
        using var caller = new CancellationTokenSource();
        var policy = new RetryPolicy(new RetryOptions { InitialDelay = TimeSpan.Zero });
        var seen = new List<string>();

        await policy.ExecuteAsync("a", (state, token) => Fail(state, token), caller.Token);
        await policy.ExecuteAsync(token => Fail("b", token), caller.Token);
        policy.Execute("c", (state, token) => FailNow(state, token), caller.Token);
        policy.Execute(token => FailNow("d", token), caller.Token);

        seen.Should().Equal("a", "a", "b", "b", "c", "c", "d", "d");

        ValueTask Fail(string state, CancellationToken token)
        {
            FailNow(state, token);
            return ValueTask.CompletedTask;
        }

        void FailNow(string state, CancellationToken token)
        {
            token.Should().Be(caller.Token);
            seen.Add(state);
            if (seen.Count % 2 == 1)
            {
                throw new IOException();
            }
        }
    }

    [Fact]
    public async Task ExecuteAsync_SucceedsAtOnce_AllocatesNothing()
    {
        // The first round makes what is kept: delegates, and the code itself.
        await Measure();

        (await Measure()).Should().Be(0);

        static async Task<long> Measure()
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 100; i++)
            {
                await RetryPolicy.Default.ExecuteAsync(i, static (state, _) => ValueTask.FromResult(state));
            }

            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public async Task Execute_NullOperation_IsRefused()
    {
        var policy = RetryPolicy.Default;
        Action[] synchronously =
        [
            () => policy.Execute((Action<CancellationToken>)null!),
            () => policy.Execute((Func<CancellationToken, int>)null!),
            () => policy.Execute(1, (Action<int, CancellationToken>)null!),
            () => policy.Execute(1, (Func<int, CancellationToken, int>)null!),
        ];
        Func<Task>[] asynchronously =
        [
            () => policy.ExecuteAsync((Func<CancellationToken, ValueTask>)null!).AsTask(),
            () => policy.ExecuteAsync((Func<CancellationToken, ValueTask<int>>)null!).AsTask(),
            () => policy.ExecuteAsync(1, (Func<int, CancellationToken, ValueTask>)null!).AsTask(),
            () => policy.ExecuteAsync(1, (Func<int, CancellationToken, ValueTask<int>>)null!).AsTask(),
        ];

        foreach (var executing in synchronously)
        {
            executing.Should().Throw<ArgumentNullException>().WithParameterName("operation");
        }

        foreach (var executing in asynchronously)
        {
            await executing.Should().ThrowAsync<ArgumentNullException>().WithParameterName("operation");
        }
    }

    [Fact]
    public void Execute_GivenRandom_IsTheSourceOfTheJitter()
    {
        var policy = new RetryPolicy(
            new RetryOptions { InitialDelay = TimeSpan.FromTicks(10) },
            onRetry: _retries.Add,
            random: new ScriptedRandom(0.5)
        );

        policy.Execute(_ => _retries.Count == 0 ? throw new IOException() : 1);

        _retries.Should().ContainSingle().Which.Delay.Should().Be(TimeSpan.FromTicks(5));
    }

    [Fact]
    public void Execute_TokenCancelledBefore_NeverCallsTheOperation()
    {
        var attempts = 0;
        var act = () => Policy().Execute(_ => ++attempts, new CancellationToken(canceled: true));

        act.Should().Throw<OperationCanceledException>();
        attempts.Should().Be(0);
    }

    [Fact]
    public async Task Execute_ResultThatIsAFailure_IsDisposedBeforeTheWait_WhichBlocks()
    {
        var results = new List<Disposable>();
        var policy = Policy(shouldRetry: outcome => outcome.Result is Disposable && results.Count < 2);
        var executing = Task.Run(() =>
            policy.Execute(_ =>
            {
                results.Add(new Disposable());
                return results[^1];
            })
        );

        await _time.WhenTimersArmedAsync(1);
        results.Should().ContainSingle().Which.IsDisposed.Should().BeTrue();
        executing.IsCompleted.Should().BeFalse("it waits before the second attempt");
        _time.Advance(TimeSpan.FromMilliseconds(100));

        (await executing.WaitAsync(TimeSpan.FromSeconds(15))).Should().BeSameAs(results[1]);
        results[1].IsDisposed.Should().BeFalse();
    }

    /// <summary>What was learnt from an attempt is its result or its failure, never both: a failed one has no result.</summary>
    [Fact]
    public async Task ExecuteAsync_FailureThenResult_ToldApart()
    {
        var seen = new List<RetryOutcome>();
        var attempts = 0;
        var failure = new IOException("down");
        var policy = Policy(shouldRetry: outcome =>
        {
            seen.Add(outcome);
            return attempts < 3;
        });

        await Run(policy, _ => ++attempts == 1 ? throw failure : ValueTask.FromResult(attempts));

        seen.Should().Equal(new RetryOutcome(null, failure), new RetryOutcome(2, null), new RetryOutcome(3, null));
        _retries.Select(retry => retry.Outcome).Should().Equal(seen.Take(2));
    }

    [Theory]
    [InlineData(true, "The call was cancelled while it waited to retry; the last failure: down")]
    [InlineData(false, "The call was cancelled while it waited to retry.")]
    public async Task ExecuteAsync_CancelledDuringAWait_SaysWhatItWaitedFor(bool fails, string message)
    {
        using var caller = new CancellationTokenSource();
        var running = Policy(shouldRetry: _ => true)
            .ExecuteAsync(
                _ => fails ? ValueTask.FromException<int>(new IOException("down")) : ValueTask.FromResult(1),
                caller.Token
            )
            .AsTask();
        await _time.WhenTimersArmedAsync(1);

        await caller.CancelAsync();

        await ((Func<Task>)(() => running)).Should().ThrowAsync<TaskCanceledException>().WithMessage(message);
    }

    /// <summary>A caller with a context of its own, a window's for instance, is not asked to run our continuations.</summary>
    [Fact]
    public async Task ExecuteAsync_CallersContext_IsNotUsed()
    {
        var context = new CountingContext();
        var attempts = 0;
        Task running;
        var former = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(context);
        try
        {
            running = Policy()
                .ExecuteAsync(
                    1,
                    async (_, _) =>
                    {
                        await Task.Delay(TimeSpan.FromSeconds(1), _time).ConfigureAwait(false);
                        if (++attempts == 1)
                        {
                            throw new IOException("down");
                        }
                    }
                )
                .AsTask();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(former);
        }

        while (!running.IsCompleted)
        {
            if (_time.NextDue is { } due)
            {
                _time.Advance(due);
            }

            await Task.Yield();
        }

        await running;
        attempts.Should().Be(2);
        context.Posts.Should().Be(0);
    }

    private RetryPolicy Policy(
        RetryOptions? options = null,
        Func<RetryOutcome, bool>? shouldRetry = null,
        RetryBudget? budget = null
    ) => new(options ?? Plain, shouldRetry, _retries.Add, budget, _time);

    /// <summary>Runs a call and lets time pass for each of its waits.</summary>
    private async Task<TResult> Run<TResult>(
        RetryPolicy policy,
        Func<CancellationToken, ValueTask<TResult>> operation,
        CancellationToken cancellationToken = default
    )
    {
        var running = policy.ExecuteAsync(operation, cancellationToken).AsTask();
        while (!running.IsCompleted && _time.NextDue is { } due)
        {
            _time.Advance(due);
        }

        return await running.WaitAsync(TimeSpan.FromSeconds(15));
    }

    /// <summary>Starts a call the way that is asked for; a synchronous one blocks a thread of its own.</summary>
    private static Task Start(RetryPolicy policy, bool isAsync, Func<object> operation, CancellationToken token) =>
        isAsync
            ? policy.ExecuteAsync(_ => ValueTask.FromResult(operation()), token).AsTask()
            : Task.Run(() => policy.Execute(_ => operation(), token), CancellationToken.None);

    private Task<int> Run(
        RetryPolicy policy,
        Func<CancellationToken, ValueTask<int>> operation,
        CancellationToken cancellationToken = default
    ) => Run<int>(policy, operation, cancellationToken);

    private sealed class Disposable : IDisposable
    {
        public bool IsDisposed { get; private set; }

        public Exception? DisposalFailure { get; init; }

        public void Dispose()
        {
            IsDisposed = true;
            if (DisposalFailure is not null)
            {
                throw DisposalFailure;
            }
        }
    }
}
