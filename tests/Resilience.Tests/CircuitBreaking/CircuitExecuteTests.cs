using System.Threading.Tasks.Sources;
using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>Calls made through a circuit (R82, S32, S33, S38), each in every form that there is.</summary>
public sealed class CircuitExecuteTests
{
    private readonly CircuitFixture _fixture = new(options => options.SuccessThreshold = 1);

    private CircuitBreaker Circuit => _fixture.Circuit;

    /// <summary>Every overload, told what the call does; the call's result where it has one.</summary>
    private static readonly Dictionary<string, Func<CircuitBreaker, Func<int>, CancellationToken, Task<int>>> AllForms =
        new()
        {
            ["action"] = (circuit, call, _) => Done(() => circuit.Execute(() => Ignore(call()))),
            ["action, token"] = (circuit, call, token) => Done(() => circuit.Execute(_ => Ignore(call()), token)),
            ["action, state"] = (circuit, call, token) =>
                Done(() => circuit.Execute(static (call, _) => Ignore(call()), call, token)),
            ["function"] = (circuit, call, _) => Done(() => Ignore(circuit.Execute(call))),
            ["function, token"] = (circuit, call, token) => Done(() => Ignore(circuit.Execute(_ => call(), token))),
            ["function, state"] = (circuit, call, token) =>
                Done(() => Ignore(circuit.Execute(static (call, _) => call(), call, token))),
            ["task"] = async (circuit, call, token) =>
            {
                await circuit.ExecuteAsync(
                    _ =>
                    {
                        call();
                        return ValueTask.CompletedTask;
                    },
                    token
                );
                return 0;
            },
            ["task, state"] = async (circuit, call, token) =>
            {
                await circuit.ExecuteAsync(
                    static async (call, _) =>
                    {
                        await Task.Yield();
                        call();
                    },
                    call,
                    token
                );
                return 0;
            },
            ["task with result"] = async (circuit, call, token) =>
                await circuit.ExecuteAsync(_ => new ValueTask<int>(call()), token),
            ["task with result, state"] = async (circuit, call, token) =>
                await circuit.ExecuteAsync(
                    static async (call, _) =>
                    {
                        await Task.Yield();
                        return call();
                    },
                    call,
                    token
                ),
        };

    public static TheoryData<string> Forms => [.. AllForms.Keys];

    public static TheoryData<string> CancellableForms =>
        [.. AllForms.Keys.Where(form => form.Contains(' ') || form == "task")];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Execute_CallSucceeds_CountsASuccess_S38(string form)
    {
        await AllForms[form](Circuit, () => 42, default);

        Circuit.TakeSnapshot().Should().Match<CircuitSnapshot>(each => each.Successes == 1 && each.Requests == 1);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Execute_CallFails_ThrowsTheOriginalEachTimeAndOpensAtTheThreshold_S32(string form)
    {
        var original = new InvalidOperationException("broken");
        var states = new List<CircuitState>();

        for (var i = 0; i < 3; i++)
        {
            var thrown = await Awaiting(form, () => throw original).Should().ThrowAsync<InvalidOperationException>();
            thrown.Which.Should().BeSameAs(original);
            states.Add(Circuit.State);
        }

        states.Should().Equal(CircuitState.Closed, CircuitState.Closed, CircuitState.Open);
        Circuit.TakeSnapshot().LastFailure.Should().BeSameAs(original);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Execute_Open_ThrowsWithoutMakingTheCall_S33_R82_R153(string form)
    {
        var original = new InvalidOperationException("broken");
        Circuit.Invoking(circuit => circuit.Execute(() => throw original)).Should().Throw<InvalidOperationException>();
        _fixture.Fail(times: 2);
        var calls = 0;

        var thrown = await Awaiting(form, () => ++calls).Should().ThrowAsync<CircuitOpenException>();

        calls.Should().Be(0);
        thrown.Which.Circuit.Should().Be("circuit");
        thrown.Which.State.Should().Be(CircuitState.Open);
        thrown.Which.RetryAfter.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
        thrown.Which.LastFailure.Should().BeSameAs(original);
        Circuit.TakeSnapshot().Rejected.Should().Be(1);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Execute_BreakEnded_TheTrialsResultDecides_S34_S35(string form)
    {
        _fixture.Open();
        _fixture.Time.Advance(Circuit.RetryAfter);
        await Awaiting(form, () => throw new TimeoutException()).Should().ThrowAsync<TimeoutException>();
        Circuit.State.Should().Be(CircuitState.Open);
        _fixture.Time.Advance(Circuit.RetryAfter);

        await AllForms[form](Circuit, () => 1, default);

        Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Theory]
    [MemberData(nameof(CancellableForms))]
    public async Task Execute_TrialCancelledByItsCaller_IsNeutral_Law3(string form)
    {
        // Point 1 of what the peers get wrong: it neither closes the circuit nor keeps its slot.
        _fixture.Open();
        _fixture.Time.Advance(Circuit.RetryAfter);
        using var caller = new CancellationTokenSource();

        await Awaiting(form, Cancel, caller.Token).Should().ThrowAsync<OperationCanceledException>();

        Circuit.State.Should().Be(CircuitState.HalfOpen);
        _fixture.IsRefused().Should().BeFalse();
        Circuit.TakeSnapshot().Ignored.Should().Be(1);

        int Cancel()
        {
            caller.Cancel();
            throw new OperationCanceledException(caller.Token);
        }
    }

    [Theory]
    [MemberData(nameof(CancellableForms))]
    public async Task Execute_CancelledBySomebodyElse_IsAFailure(string form)
    {
        // Point 5: a timeout arrives as a cancellation that the caller has not asked for.
        using var caller = new CancellationTokenSource();

        await Awaiting(form, () => throw new TaskCanceledException("timeout"), caller.Token)
            .Should()
            .ThrowAsync<TaskCanceledException>();

        Circuit.TakeSnapshot().Failures.Should().Be(1);
    }

    [Theory]
    [MemberData(nameof(CancellableForms))]
    public async Task Execute_CancelledBefore_MakesNoCallAndRecordsNothing(string form)
    {
        var calls = 0;

        await Awaiting(form, () => ++calls, new CancellationToken(canceled: true))
            .Should()
            .ThrowAsync<OperationCanceledException>();

        calls.Should().Be(0);
        Circuit.TakeSnapshot().Requests.Should().Be(0);
    }

    [Fact]
    public async Task Execute_Function_ReturnsItsResult()
    {
        foreach (var form in AllForms.Keys.Where(form => form.Contains("result", StringComparison.Ordinal)))
        {
            (await AllForms[form](Circuit, () => 42, default)).Should().Be(42);
        }

        Circuit.Execute(() => "text").Should().Be("text");
        Circuit.Execute(static (state, _) => state + 1, 41).Should().Be(42);
    }

    [Fact]
    public async Task ExecuteAsync_CallsAreRunning_AreNotReportedBeforeTheyEnd()
    {
        var ends = new TaskCompletionSource<int>();
        var call = Circuit.ExecuteAsync(static (ends, _) => new ValueTask<int>(ends.Task), ends).AsTask();
        Circuit.TakeSnapshot().Requests.Should().Be(0);

        ends.SetResult(7);

        (await call).Should().Be(7);
        Circuit.TakeSnapshot().Successes.Should().Be(1);
    }

    [Fact]
    public async Task ExecuteAsync_TrialHangsForEver_TheCircuitTestsAgain_Law8()
    {
        // Point 2 of what the peers get wrong.
        _fixture.Open();
        _fixture.Time.Advance(Circuit.RetryAfter);
        var never = new TaskCompletionSource();
        _ = Circuit.ExecuteAsync(static (never, _) => new ValueTask(never.Task), never).AsTask();
        _fixture.Advance(31);
        _fixture.IsRefused().Should().BeTrue();
        _fixture.Time.Advance(Circuit.RetryAfter);

        await Circuit.ExecuteAsync(static _ => ValueTask.CompletedTask);

        Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public async Task Execute_ClassifiedByResult_FailuresOpenAndTheResultsAreHandedOn()
    {
        var fixture = new CircuitFixture(options =>
            options.Classify = static (result, _) =>
                result is >= 500 ? CircuitOutcome.Failure
                : result is 408 ? CircuitOutcome.Neutral
                : CircuitOutcome.Success
        );

        fixture.Circuit.Execute(() => 503).Should().Be(503);
        (await fixture.Circuit.ExecuteAsync(static _ => new ValueTask<int>(408))).Should().Be(408);
        (await fixture.Circuit.ExecuteAsync(static _ => new ValueTask<int>(502))).Should().Be(502);
        fixture.Circuit.Execute(static (status, _) => status, 500);

        fixture.Circuit.State.Should().Be(CircuitState.Open);
        fixture.Circuit.TakeSnapshot().Ignored.Should().Be(1);
    }

    [Fact]
    public void Execute_ClassifiedByException_CanIgnoreOneOrTakeItForSuccess()
    {
        var fixture = new CircuitFixture(options =>
            options.Classify = static (_, exception) =>
                exception switch
                {
                    ArgumentException => CircuitOutcome.Neutral,
                    KeyNotFoundException or null => CircuitOutcome.Success,
                    _ => CircuitOutcome.Failure,
                }
        );

        fixture.Circuit.Invoking(Throw<ArgumentException>()).Should().Throw<ArgumentException>();
        fixture.Circuit.Invoking(Throw<KeyNotFoundException>()).Should().Throw<KeyNotFoundException>();
        fixture.Circuit.Invoking(Throw<TimeoutException>()).Should().Throw<TimeoutException>();

        fixture
            .Circuit.TakeSnapshot()
            .Should()
            .Match<CircuitSnapshot>(each => each.Ignored == 1 && each.Successes == 1 && each.Failures == 1);

        static Action<CircuitBreaker> Throw<T>()
            where T : Exception, new() => circuit => circuit.Execute(static () => throw new T());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Execute_ClassifyThrowsOnATrial_TheTrialComesBack_H8(bool isAsync)
    {
        var fixture = new CircuitFixture(options =>
            options.Classify = static (_, _) => throw new InvalidOperationException("classify")
        );
        fixture.Open();
        fixture.Time.Advance(fixture.Circuit.RetryAfter);

        var calling = async () =>
            isAsync
                ? await fixture.Circuit.ExecuteAsync(static _ => new ValueTask<int>(1))
                : fixture.Circuit.Execute(static () => 1);

        (await calling.Should().ThrowAsync<InvalidOperationException>()).Which.Message.Should().Be("classify");
        fixture.Circuit.State.Should().Be(CircuitState.HalfOpen);
        fixture.IsRefused().Should().BeFalse();
    }

    [Fact]
    public async Task ExecuteAsync_CallThrowsBeforeItsFirstAwait_ThrowsInTheTask()
    {
        var call = Circuit.ExecuteAsync(static _ => throw new TimeoutException());

        Circuit.TakeSnapshot().Failures.Should().Be(1);
        await FluentActions.Awaiting(() => call.AsTask()).Should().ThrowAsync<TimeoutException>();
    }

    [Fact]
    public void Execute_Arguments_AreChecked()
    {
        var circuit = Circuit;
        CircuitBreaker none = null!;
        Check("callback", () => circuit.Execute((Action)null!));
        Check("callback", () => circuit.Execute((Action<CancellationToken>)null!));
        Check("callback", () => circuit.Execute((Action<int, CancellationToken>)null!, 1));
        Check("callback", () => circuit.Execute((Func<int>)null!));
        Check("callback", () => circuit.Execute((Func<CancellationToken, int>)null!));
        Check("callback", () => circuit.Execute((Func<int, CancellationToken, int>)null!, 1));
        Check("callback", () => circuit.ExecuteAsync((Func<CancellationToken, ValueTask>)null!));
        Check("callback", () => circuit.ExecuteAsync((Func<int, CancellationToken, ValueTask>)null!, 1));
        Check("callback", () => circuit.ExecuteAsync((Func<CancellationToken, ValueTask<int>>)null!));
        Check("callback", () => circuit.ExecuteAsync((Func<int, CancellationToken, ValueTask<int>>)null!, 1));
        Check("circuit", () => none.Execute(static (_, _) => { }, 1));
        Check("circuit", () => none.Execute(static (number, _) => number, 1));
        Check("circuit", () => none.ExecuteAsync(static (_, _) => ValueTask.CompletedTask, 1));
        Check("circuit", () => none.ExecuteAsync(static (number, _) => new ValueTask<int>(number), 1));
        Check("name", () => new CircuitBreaker(null!));

        static void Check(string parameter, Action call) =>
            call.Should().Throw<ArgumentNullException>().WithParameterName(parameter);
    }

    [Fact]
    public async Task ExecuteAsync_PooledSourceHasCompleted_IsAskedOnceForItsResult()
    {
        var source = new CountingSource();

        await Circuit.ExecuteAsync(static (source, _) => new ValueTask(source, 0), source);

        source.Asked.Should().Be(1);
    }

    [Fact]
    public async Task ExecuteAsync_ClassifyThrows_ThrowsInTheTask()
    {
        var circuit = new CircuitBreaker(
            "c",
            new CircuitBreakerOptions { Classify = (_, _) => throw new NotSupportedException("mine") }
        );

        var call = circuit.ExecuteAsync(_ => ValueTask.CompletedTask);
        var withResult = circuit.ExecuteAsync(_ => new ValueTask<int>(1));

        await FluentActions.Awaiting(() => call.AsTask()).Should().ThrowAsync<NotSupportedException>();
        await FluentActions.Awaiting(() => withResult.AsTask()).Should().ThrowAsync<NotSupportedException>();
    }

    [Fact]
    public async Task ExecuteAsync_CallersContext_IsNotUsed()
    {
        var before = SynchronizationContext.Current;
        var context = new CountingContext();
        SynchronizationContext.SetSynchronizationContext(context);
        ValueTask call;
        ValueTask<int> withResult;
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        try
        {
            call = Circuit.ExecuteAsync(_ => new ValueTask(gate.Task));
            withResult = Circuit.ExecuteAsync(_ => new ValueTask<int>(
                gate.Task.ContinueWith(
                    static _ => 1,
                    CancellationToken.None,
                    TaskContinuationOptions.None,
                    TaskScheduler.Default
                )
            ));
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }

        gate.SetResult();
        await call;
        await withResult;

        context.Posts.Should().Be(0);
    }

    [Fact]
    public void Execute_StateAndStaticFunction_AllocatesNothing_Law11()
    {
        Run();

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run();

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        void Run()
        {
            for (var i = 0; i < 100; i++)
            {
                Circuit.Execute(static (number, _) => number + 1, i);
                var call = Circuit.ExecuteAsync(static (number, _) => new ValueTask<int>(number + 1), i);
                if (!call.IsCompletedSuccessfully)
                {
                    throw new InvalidOperationException("It has nothing to wait for.");
                }
            }
        }
    }

    private static void Ignore(int result) => _ = result;

    /// <summary>A source that has completed, as pooled ones do: whoever has it must ask it once.</summary>
    private sealed class CountingSource : IValueTaskSource
    {
        public int Asked { get; private set; }

        public ValueTaskSourceStatus GetStatus(short token) => ValueTaskSourceStatus.Succeeded;

        public void OnCompleted(
            Action<object?> continuation,
            object? state,
            short token,
            ValueTaskSourceOnCompletedFlags flags
        ) => continuation(state);

        public void GetResult(short token) => Asked++;
    }

    private static Task<int> Done(Action call)
    {
        call();
        return Task.FromResult(0);
    }

    private Func<Task> Awaiting(string form, Func<int> call, CancellationToken token = default) =>
        async () => await AllForms[form](Circuit, call, token);
}
