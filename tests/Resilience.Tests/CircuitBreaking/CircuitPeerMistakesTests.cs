using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// What other libraries get wrong, each as their users met it: through the public calls, from the opening to the recovery.
/// Points 1 to 4 of "What the peers get wrong".
/// </summary>
public sealed class CircuitPeerMistakesTests
{
    private static readonly TimeSpan Break = TimeSpan.FromSeconds(5.1);
    private static readonly TimeSpan Expiry = TimeSpan.FromSeconds(30.2);

    private readonly FakeTime _time = new();

    [Fact]
    public async Task Peers1_TrialsCancelledByTheirCallers_NeitherCloseTheCircuitNorKeepTheirSlots()
    {
        var circuit = Create();
        await OpenAsync(circuit);
        _time.Advance(Break);

        for (var i = 0; i < 70; i++)
        {
            // More than any count in the word holds.
            using var caller = new CancellationTokenSource();
            var trial = circuit.ExecuteAsync(token => new ValueTask(Task.Delay(Timeout.Infinite, token)), caller.Token);
            circuit.State.Should().Be(CircuitState.HalfOpen);
            await caller.CancelAsync();
            await FluentActions.Awaiting(() => trial.AsTask()).Should().ThrowAsync<OperationCanceledException>();
            circuit.State.Should().Be(CircuitState.HalfOpen, "a cancelled trial has shown nothing");
        }

        await SucceedAsync(circuit);
        circuit.State.Should().Be(CircuitState.HalfOpen, "none of the cancelled ones has counted");
        await SucceedAsync(circuit);
        circuit.State.Should().Be(CircuitState.Closed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Peers2_TrialHangs_OthersTestAgainAndItsLateEndChangesNothing(bool endsWell)
    {
        var circuit = Create();
        await OpenAsync(circuit);
        _time.Advance(Break);
        var hung = new TaskCompletionSource();
        var trial = circuit.ExecuteAsync(_ => new ValueTask(hung.Task));

        _time.Advance(Expiry);
        (await IsRefusedAsync(circuit)).Should().BeTrue("the lost trial has opened the circuit again");
        _time.Advance(2 * Break);
        await SucceedAsync(circuit);
        End(hung, endsWell);
        await ((Task)trial.AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        circuit.State.Should().Be(CircuitState.HalfOpen, "what the hung trial came to is of the past");
        await SucceedAsync(circuit);
        circuit.State.Should().Be(CircuitState.Closed);
        circuit.TakeSnapshot().Stale.Should().Be(1);
    }

    [Fact]
    public async Task Peers2_EveryCallbackThrows_TheCircuitOpensAndClosesAllTheSame()
    {
        var isClassifierBroken = false;
        var circuit = Create(options =>
        {
            options.BreakDurationGenerator = _ => throw new InvalidOperationException("generator");
            options.Classify = (_, exception) =>
                isClassifierBroken ? throw new InvalidOperationException("classifier")
                : exception is null ? CircuitOutcome.Success
                : CircuitOutcome.Failure;
        });
        using var subscription = circuit.Subscribe(_ => throw new InvalidOperationException("listener"));
        await OpenAsync(circuit);
        _time.Advance(Break);

        isClassifierBroken = true;
        for (var i = 0; i < 3; i++)
        {
            var thrown = await FluentActions
                .Awaiting(() => SucceedAsync(circuit))
                .Should()
                .ThrowAsync<InvalidOperationException>();
            thrown.WithMessage("classifier");
        }

        circuit.State.Should().Be(CircuitState.HalfOpen, "the trials whose classification failed were given back");
        isClassifierBroken = false;
        await SucceedAsync(circuit);
        await SucceedAsync(circuit);
        circuit.State.Should().Be(CircuitState.Closed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Peers3_CallFromBeforeTheBreakEndsDuringTheTrial_TheTrialDecides(bool endsWell)
    {
        var circuit = Create(options => options.SuccessThreshold = 1);
        var old = new TaskCompletionSource();
        var slow = circuit.ExecuteAsync(_ => new ValueTask(old.Task));
        await OpenAsync(circuit);
        _time.Advance(Break);
        var current = new TaskCompletionSource();
        var trial = circuit.ExecuteAsync(_ => new ValueTask(current.Task));

        End(old, endsWell);
        await ((Task)slow.AsTask()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        circuit.State.Should().Be(CircuitState.HalfOpen);
        (await IsRefusedAsync(circuit)).Should().BeTrue("the trial is still out");
        current.SetResult();
        await trial;
        circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public async Task Peers4_RecoveriesOneAfterAnother_EachCountsFromZero()
    {
        var circuit = Create(options => options.HalfOpenTrials = 2);

        for (var i = 0; i < 100; i++)
        {
            await OpenAsync(circuit);
            _time.Advance(Break);
            // A recovery that comes half the way and fails, with a second trial still out when it does.
            await SucceedAsync(circuit);
            circuit.TryAcquire(out var other).Should().BeTrue();
            (await IsRefusedAsync(circuit)).Should().BeTrue("one success and one trial out are as many as decide");
            other.Report(CircuitOutcome.Failure);
            circuit.State.Should().Be(CircuitState.Open);
            _time.Advance(2 * Break);

            circuit.TryAcquire(out var first).Should().BeTrue();
            circuit.TryAcquire(out var second).Should().BeTrue();
            (await IsRefusedAsync(circuit)).Should().BeTrue("recovery {0} has two trials at once like every other", i);
            first.Report(CircuitOutcome.Success);
            circuit.State.Should().Be(CircuitState.HalfOpen);
            second.Report(CircuitOutcome.Success);
            circuit.State.Should().Be(CircuitState.Closed);
        }
    }

    [Fact]
    public void Peers4_ManyCallersAtTheEndOfTheBreak_OnlyTheTrialsPass_R154()
    {
        var circuit = Create(options => options.HalfOpenTrials = 2);
        const int Callers = 16;

        for (var round = 0; round < 50; round++)
        {
            circuit.Reset();
            Fail(circuit);
            _time.Advance(Break);
            var passed = 0;

            Together.Run(Callers, _ => Interlocked.Add(ref passed, circuit.TryAcquire(out var _) ? 1 : 0));

            passed.Should().Be(2);
        }

        circuit.TakeSnapshot().Rejected.Should().Be(50 * (Callers - 2));
    }

    private static void End(TaskCompletionSource call, bool endsWell)
    {
        if (endsWell)
        {
            call.SetResult();
        }
        else
        {
            call.SetException(new TimeoutException());
        }
    }

    private static async Task SucceedAsync(CircuitBreaker circuit) =>
        await circuit.ExecuteAsync(static async _ => await Task.Yield());

    private static async Task<bool> IsRefusedAsync(CircuitBreaker circuit)
    {
        try
        {
            await SucceedAsync(circuit);
            return false;
        }
        catch (CircuitOpenException)
        {
            return true;
        }
    }

    private static async Task OpenAsync(CircuitBreaker circuit)
    {
        await FluentActions
            .Awaiting(async () => await circuit.ExecuteAsync(_ => throw new TimeoutException()))
            .Should()
            .ThrowAsync<TimeoutException>();
        circuit.State.Should().Be(CircuitState.Open);
    }

    private static void Fail(CircuitBreaker circuit)
    {
        circuit.TryAcquire(out var permit);
        permit.Report(CircuitOutcome.Failure);
    }

    private CircuitBreaker Create(Action<CircuitBreakerOptions>? configure = null)
    {
        var options = new CircuitBreakerOptions { ConsecutiveFailures = 1, Jitter = 0 };
        configure?.Invoke(options);
        return new CircuitBreaker("peers", options, _time, new ScriptedRandom(0));
    }
}
