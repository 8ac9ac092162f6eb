using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>Law 8: a half-open circuit never fails a call that could have waited.</summary>
public sealed class HalfOpenWaitingTests
{
    private static readonly AttemptOutcome Success = new(OutcomeKind.Success, StatusCode: 200);
    private static readonly AttemptOutcome Failure = new(OutcomeKind.Failure, FailureKind.Connect);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_TrialIsOut_WaitsForItsEndAndGoesThen(bool isAsync)
    {
        using var rig = HalfOpenRig();
        var trial = rig.Lease("b1");

        var sending = rig.SendAsync(isAsync: isAsync);
        await WhenWaitingAsync(rig);
        var sentWhileOut = rig.Sent.Count;
        trial.Report(Success);
        trial.Return();
        rig.Settle();
        using var response = await sending;

        sentWhileOut.Should().Be(0);
        rig.Sent.Should().Equal("b1");
        rig["b1"].Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public async Task Send_ManyWait_AllGoOneAfterAnother()
    {
        using var rig = HalfOpenRig(successes: 3);
        var trial = rig.Lease("b1");
        var sendings = Enumerable.Range(0, 20).Select(_ => rig.SendAsync()).ToArray();

        trial.Report(Success);
        trial.Return();
        while (!sendings.All(sending => sending.IsCompleted))
        {
            rig.Settle();
            await Task.WhenAny(Task.WhenAll(sendings), Task.Delay(1));
        }

        rig.Sent.Should().HaveCount(20);
        rig["b1"].Circuit.State.Should().Be(CircuitState.Closed);
        foreach (var sending in sendings)
        {
            (await sending).Dispose();
        }

        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_TrialFails_FailsWithWhatIsLeft()
    {
        using var rig = HalfOpenRig();
        var trial = rig.Lease("b1");

        var sending = rig.SendAsync();
        trial.Report(Failure);
        trial.Return();
        rig.Settle();

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>();
        thrown.Which.Refusals.CircuitOpen.Should().Be(1);
    }

    [Fact]
    public async Task Send_TrialNeverEnds_FailsWithinTheDeadline()
    {
        using var rig = HalfOpenRig(options =>
            options.Timeouts.Total = options.Timeouts.Attempt = TimeSpan.FromSeconds(2)
        );
        var trial = rig.Lease("b1");

        var sending = rig.SendAsync();
        rig.Time.Advance(TimeSpan.FromMilliseconds(1_989));
        var isEarly = sending.IsCompleted;
        rig.Time.Advance(TimeSpan.FromMilliseconds(1));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>();
        isEarly.Should().BeFalse();
        thrown.Which.Refusals.AwaitingTrial.Should().Be(1);
        rig.Time.Advance(TimeSpan.FromMinutes(1));
        trial.Return();
    }

    [Fact]
    public async Task Send_AttemptAfterTheWait_IsCutToWhatTheWaitHasLeft() // law 10
    {
        using var rig = HalfOpenRig(options => options.Timeouts.Total = TimeSpan.FromSeconds(12));
        var arrival = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        rig.On(
            "b1",
            (request, token) =>
            {
                arrival.SetResult();
                return Answers.Hang(request, token);
            }
        );
        var trial = rig.Lease("b1");
        var started = rig.Time.GetTimestamp();

        var sending = rig.SendAsync();
        rig.Time.Advance(TimeSpan.FromSeconds(9));
        trial.Report(Success);
        trial.Return();
        rig.Settle();
        await arrival.Task.WaitAsync(TimeSpan.FromSeconds(15));
        // To the end of the total time, not to the next timer: that of the wait which is over may still be there.
        var left = TimeSpan.FromSeconds(12) - TimeSpan.FromTicks(rig.Time.GetTimestamp() - started);
        rig.Time.Advance(left);

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>();
        thrown.Which.Message.Should().Contain("total timeout");
        // The waiting call may go on before the pool has settled, or after it: on a thread of its own.
        var duration = thrown.Which.GetAttempts().Should().ContainSingle().Which.Duration;
        new[] { TimeSpan.FromSeconds(3), left }.Should().Contain(duration);
    }

    [Fact]
    public async Task Send_TrialIsLost_TheCircuitOpensAgainAndTestsAfterTheNextBreak()
    {
        using var rig = HalfOpenRig(options => options.Timeouts.Total = Timeout.InfiniteTimeSpan);
        _ = rig.Lease("b1");

        var sending = rig.SendAsync();
        rig.Time.Advance(TimeSpan.FromSeconds(31));

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>();
        rig.Time.Advance(thrown.Which.RetryAfter!.Value);
        using var response = await rig.SendAsync();
        rig["b1"].Circuit.State.Should().Be(CircuitState.Closed);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_CancelledWhileWaiting_EndsAtOnceAndFreesItsPlace(bool isAsync) // law 3
    {
        using var rig = HalfOpenRig();
        var trial = rig.Lease("b1");
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(isAsync: isAsync, token: source.Token);
        await WhenWaitingAsync(rig);
        await source.CancelAsync();

        await sending.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        rig.Sent.Should().BeEmpty();
        rig["b1"].Circuit.State.Should().Be(CircuitState.HalfOpen);
        trial.Return();
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_TooManyWait_FailsTheRest()
    {
        using var rig = HalfOpenRig();
        var trial = rig.Lease("b1");
        using var source = new CancellationTokenSource();
        var waiting = Enumerable
            .Range(0, 1_024)
            .Select(_ => rig.Client.SendAsync(HttpRig.Get(), source.Token))
            .ToArray();

        var oneMore = () => rig.SendAsync();

        await oneMore.Should().ThrowAsync<NoBackendAvailableException>();
        waiting.Should().OnlyContain(task => !task.IsCompleted);
        await source.CancelAsync();
        await Task.WhenAny(Task.WhenAll(waiting));
        rig.Pool.WaitingRequests.Should().Be(0);
        trial.Return();
    }

    [Fact]
    public async Task Send_PoolDisposedWhileWaiting_SaysSo()
    {
        using var rig = HalfOpenRig();
        _ = rig.Lease("b1");

        var sending = rig.SendAsync();
        rig.Pool.Dispose();

        await sending.Invoking(task => task).Should().ThrowAsync<ObjectDisposedException>();
    }

    [Fact]
    public async Task Send_AnotherCircuitIsOpenOnly_DoesNotWait()
    {
        using var rig = new HttpRig();
        rig.OpenCircuit("b1");

        var sending = () => rig.SendAsync();

        await sending.Should().ThrowAsync<NoBackendAvailableException>();
    }

    [Fact]
    public async Task Send_PinnedToAnOpenCircuitWhileAnotherIsHalfOpen_FailsAtOnce()
    {
        using var rig = new HttpRig(2);
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(5));
        var trial = rig.Lease("b1");
        rig.OpenCircuit("b2");
        rig.Settle();
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b2");

        var sending = rig.SendAsync(request);
        var isOver = sending.IsCompleted;
        rig.Time.Advance(TimeSpan.FromMinutes(1));

        await sending.Invoking(task => task).Should().ThrowAsync<NoBackendAvailableException>();
        isOver.Should().BeTrue();
        trial.Return();
    }

    [Fact]
    public async Task Send_PinnedToAWeightlessBackendWhoseTrialIsOut_Waits()
    {
        using var rig = new HttpRig(
            [HttpRig.Define(1) with { Weight = 0 }, HttpRig.Define(2)],
            configurePool: pool => pool.CircuitBreaker.SuccessThreshold = 1
        );
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(5));
        var trial = rig.Lease("b1");
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b1");

        var sending = rig.SendAsync(request);
        trial.Report(Success);
        trial.Return();
        rig.Settle();
        using var response = await sending;

        rig.Sent.Should().Equal("b1");
    }

    /// <summary>
    /// The race: one thread has taken the trial, and is on its way to the pool's critical section to tell it, while
    /// another looks for a backend. The snapshot shows a backend that takes traffic, its circuit refuses.
    /// </summary>
    [Fact]
    public async Task Send_TrialTakenButNotYetInTheSnapshot_WaitsAllTheSame()
    {
        using var rig = HalfOpenRig();
        var isInside = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var leave = new ManualResetEventSlim();
        var holding = Task.Run(() =>
            rig.Pool.Change(
                rig["b1"],
                0,
                (_, _, _) =>
                {
                    isInside.SetResult();
                    leave.Wait(TimeSpan.FromSeconds(15));
                    return false;
                }
            )
        );
        await isInside.Task.WaitAsync(TimeSpan.FromSeconds(15));
        var taking = Task.Run(() => rig.Lease("b1"));
        SpinWait.SpinUntil(() => rig["b1"].Circuit.State == CircuitState.HalfOpen, TimeSpan.FromSeconds(15));

        var sending = rig.SendAsync();
        var isOver = sending.IsCompleted;
        leave.Set();
        await holding;
        var trial = await taking;
        trial.Report(Success);
        trial.Return();
        rig.Settle();
        using var response = await sending;

        isOver.Should().BeFalse();
        rig.Sent.Should().Equal("b1");
    }

    private static HttpRig HalfOpenRig(Action<ResilientHandlerOptions>? configure = null, int successes = 1)
    {
        var rig = new HttpRig(1, configure, pool => pool.CircuitBreaker.SuccessThreshold = successes);
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(5));
        return rig;
    }

    /// <summary>The expiry of the trial, held by the pool, and the deadline of the wait.</summary>
    private static Task WhenWaitingAsync(HttpRig rig) => rig.Time.WhenTimersArmedAsync(2);
}
