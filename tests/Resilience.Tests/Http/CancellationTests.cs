using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Passive;
using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>Law 3: the caller's cancellation is nobody's fault, and gives back everything.</summary>
public sealed class CancellationTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_CancelledBefore_IsNeutral(bool isAsync)
    {
        using var rig = OneStrikeRig().On("b1", Answers.Hang);
        var token = new CancellationToken(canceled: true);

        var sending = () => rig.SendAsync(isAsync: isAsync, token: token);

        (await sending.Should().ThrowAsync<OperationCanceledException>()).Which.CancellationToken.Should().Be(token);
        ShouldBeUntouched(rig);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_CancelledDuringTheAttempt_IsNeutral(bool isAsync)
    {
        using var rig = OneStrikeRig().On("b1", Answers.Hang);
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(isAsync: isAsync, token: source.Token);
        await rig.Time.WhenTimersArmedAsync(1);
        await source.CancelAsync();

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        thrown.Which.CancellationToken.Should().Be(source.Token);
        thrown.Which.GetAttempts().Should().ContainSingle().Which.Outcome.Kind.Should().Be(OutcomeKind.Neutral);
        ShouldBeUntouched(rig);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Send_CancelledInTheBackoff_EndsAtOnceAndGivesEverythingBack(bool isAsync) // R92
    {
        using var rig = new HttpRig().On("b1", Answers.Status(503));
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(isAsync: isAsync, token: source.Token);
        await HttpRig.UntilAsync(() => rig.Time.NextDue == TimeSpan.FromMilliseconds(100));
        await source.CancelAsync();

        var thrown = await sending.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        thrown.Which.CancellationToken.Should().Be(source.Token);
        rig.Sent.Should().HaveCount(1);
        rig.InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData("answer")]
    [InlineData("exception")]
    public async Task Send_CancelledInTheBackoff_KeepsTheLastFailure(string failure) // R92
    {
        using var rig = new HttpRig().On("b1", failure == "answer" ? Answers.Status(503) : Answers.Break);
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(source.Token);
        await source.CancelAsync();

        var thrown = (await sending.Invoking(task => task).Should().ThrowAsync<TaskCanceledException>()).Which;
        thrown
            .Message.Should()
            .StartWith("The request to pool 'catalog' was cancelled while it waited")
            .And.Contain("b1");
        thrown.CancellationToken.Should().Be(source.Token);
        thrown.GetAttempts().Should().ContainSingle().Which.Outcome.Kind.Should().Be(OutcomeKind.Failure);
        (thrown.InnerException is HttpRequestException).Should().Be(failure == "exception");
    }

    [Fact]
    public async Task Send_FailsBecauseTheCallerCancelled_IsNotBlamedOnTheBackend()
    {
        using var source = new CancellationTokenSource();
        using var rig = OneStrikeRig();
        rig.On(
            "b1",
            (_, _) =>
            {
                source.Cancel();
                throw new HttpRequestException(HttpRequestError.ConnectionError, "torn down");
            }
        );

        var sending = () => rig.SendAsync(source.Token);

        await sending.Should().ThrowAsync<OperationCanceledException>();
        rig.Sent.Should().Equal("b1");
        ShouldBeUntouched(rig);
    }

    [Fact]
    public async Task Send_TrialCancelled_GivesTheTrialBackAndStaysHalfOpen()
    {
        using var rig = OneStrikeRig().On("b1", Answers.Hang);
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(5));
        using var source = new CancellationTokenSource();

        var sending = rig.SendAsync(source.Token);
        await source.CancelAsync();
        await Task.WhenAny(sending);

        rig["b1"].Circuit.State.Should().Be(CircuitState.HalfOpen);
        rig["b1"].Circuit.TryAcquire(out _).Should().BeTrue();
        rig.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Read_CancelledInTheBody_IsNeutral()
    {
        var body = new ScriptedStream(new OperationCanceledException());
        using var rig = OneStrikeRig().On("b1", Answers.Body(new StreamContent(body)));
        using var source = new CancellationTokenSource();
        using var response = await rig.SendAsync();
        var stream = await response.Content.ReadAsStreamAsync();
        await source.CancelAsync();

        var reading = () => stream.ReadAsync(new byte[8], source.Token).AsTask();

        await reading.Should().ThrowAsync<OperationCanceledException>();
        ShouldBeUntouched(rig);
    }

    [Fact]
    public async Task HttpClient_CancelledWhileItBuffersTheBody_IsNeutral()
    {
        var body = new ScriptedStream { IsHanging = true };
        using var rig = OneStrikeRig().On("b1", Answers.Body(new StreamContent(body)));
        using var source = new CancellationTokenSource();
        using var client = new HttpClient(new ResilientHandler(rig.Pool, rig.Transport), disposeHandler: false);

        var getting = client.GetStringAsync("http://catalog/", source.Token);
        await body.WhenHanging;
        await source.CancelAsync();

        await getting.Invoking(task => task).Should().ThrowAsync<OperationCanceledException>();
        ShouldBeUntouched(rig);
    }

    /// <summary>One failure is enough to open the circuit and to eject.</summary>
    private static HttpRig OneStrikeRig()
    {
        var rig = new HttpRig(2, configurePool: pool => pool.CircuitBreaker.ConsecutiveFailures = 1);
        _ = new PassiveHealthChecker(rig.Pool, new PassiveHealthOptions { ConsecutiveFailures = 1, Silence = false });
        return rig;
    }

    private static void ShouldBeUntouched(HttpRig rig)
    {
        rig["b1"].Circuit.State.Should().Be(CircuitState.Closed);
        rig["b1"].PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        rig["b1"].ActiveVerdict.Should().Be(ActiveVerdict.Unknown);
        rig["b1"].Failures.Should().Be(0);
        rig.Pool.Budget.Balance.Should().Be(100);
        rig.InFlight.Should().Be(0);
        rig.Time.ArmedTimers.Should().Be(0);
    }
}
