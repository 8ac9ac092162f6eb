using System.Threading.Channels;
using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>Every change is told once, in order, and whoever listens harms nobody (R83, I-5, hazard 9).</summary>
public sealed class CircuitEventsTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);
    private readonly CircuitFixture _fixture = new(options => options.SuccessThreshold = 1);

    [Fact]
    public async Task Subscribe_WholeRound_TellsEveryChangeWithItsReason_S40_R83()
    {
        var told = new Listener(_fixture.Circuit);

        _fixture.Circuit.Report(_fixture.HalfOpen(), CircuitOutcome.Failure);
        _fixture.Circuit.Report(_fixture.FirstTrial(), CircuitOutcome.Success);
        _fixture.Circuit.Reset();
        _fixture.Circuit.ForceOpen();

        var changes = await told.TakeAsync(7);
        changes
            .Select(change => (change.From, change.To, change.Reason, change.Generation))
            .Should()
            .Equal(
                (CircuitState.Closed, CircuitState.Open, CircuitChangeReason.ConsecutiveFailures, 2),
                (CircuitState.Open, CircuitState.HalfOpen, CircuitChangeReason.BreakEnded, 3),
                (CircuitState.HalfOpen, CircuitState.Open, CircuitChangeReason.TrialsFailed, 4),
                (CircuitState.Open, CircuitState.HalfOpen, CircuitChangeReason.BreakEnded, 5),
                (CircuitState.HalfOpen, CircuitState.Closed, CircuitChangeReason.TrialsSucceeded, 6),
                (CircuitState.Closed, CircuitState.Closed, CircuitChangeReason.Operator, 7),
                (CircuitState.Closed, CircuitState.ForcedOpen, CircuitChangeReason.Operator, 8)
            );
    }

    [Fact]
    public async Task Subscribe_Opening_TellsTheFigures()
    {
        var told = new Listener(_fixture.Circuit);
        var exception = new TimeoutException();
        _fixture.Fail(times: 2);
        _fixture.Circuit.TryAcquire(out var permit);
        permit.Report(CircuitOutcome.Failure, exception);

        var change = (await told.TakeAsync(1))[0];

        change.Circuit.Should().Be("circuit");
        change.Time.Should().Be(_fixture.Time.GetUtcNow());
        change.Failures.Should().Be(3);
        change.Calls.Should().Be(3);
        change.BreakDuration.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
        change.LastFailure.Should().BeSameAs(exception);
    }

    [Fact]
    public async Task Subscribe_TrialLost_SaysSo()
    {
        var told = new Listener(_fixture.Circuit);
        _fixture.HalfOpen();
        _fixture.Advance(31);
        _fixture.IsRefused();

        var changes = await told.TakeAsync(3);

        changes[2].Reason.Should().Be(CircuitChangeReason.TrialsLost);
    }

    [Fact]
    public async Task Subscribe_DryRun_TellsThatItWouldOpen()
    {
        var told = new Listener(_fixture.Circuit);
        _fixture.Circuit.MeasureOnly();
        _fixture.Fail(times: 3);

        var changes = await told.TakeAsync(2);

        changes[0].WouldOpen.Should().BeFalse();
        changes[1].WouldOpen.Should().BeTrue();
        changes[1].Reason.Should().Be(CircuitChangeReason.ConsecutiveFailures);
        changes[1].BreakDuration.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public async Task Subscribe_InTheMiddle_TellsWhatComesAfter()
    {
        _fixture.Open();
        var told = new Listener(_fixture.Circuit);

        _fixture.FirstTrial();

        (await told.TakeAsync(1))[0].To.Should().Be(CircuitState.HalfOpen);
    }

    [Fact]
    public async Task Publish_LaterGenerationFirst_IsHeldBackUntilTheEarlierCame_H9()
    {
        var events = new CircuitEvents();
        var told = new Listener(events);
        events.Begin(1);

        events.Publish(Change(4));
        events.Publish(Change(3));
        events.Publish(Change(2));

        (await told.TakeAsync(3)).Select(change => change.Generation).Should().Equal(2, 3, 4);
    }

    [Fact]
    public async Task Publish_BeforeTheFirstGenerationIsKnown_TellsOnlyWhatCameAfterIt()
    {
        // The first subscriber has shown the events to everybody and not yet looked at the word.
        var events = new CircuitEvents();
        var told = new Listener(events);
        events.Publish(Change(6));
        events.Publish(Change(5));
        events.Begin(5);

        events.Publish(Change(7));

        (await told.TakeAsync(2)).Select(change => change.Generation).Should().Equal(6, 7);
    }

    [Fact]
    public async Task Begin_SecondSubscriberLooksLater_TheFirstMissesNothing()
    {
        // One of the two has returned, and the circuit has moved on since; the thread that did it has not told of it yet.
        var events = new CircuitEvents();
        var told = new Listener(events);
        events.Begin(5);
        events.Begin(6);

        events.Publish(Change(6));
        events.Publish(Change(7));

        (await told.TakeAsync(2)).Select(change => change.Generation).Should().Equal(6, 7);
    }

    [Fact]
    public async Task Subscribe_ClosedAgain_ToldWithoutABreak()
    {
        var told = new Listener(_fixture.Circuit);
        _fixture.Advance(1000);
        _fixture.Circuit.Report(_fixture.HalfOpen(), CircuitOutcome.Success);

        var changes = await told.TakeAsync(3);

        changes[0].BreakDuration.Should().BeCloseTo(TimeSpan.FromSeconds(5), TimeSpan.FromMilliseconds(8));
        changes[1].BreakDuration.Should().Be(TimeSpan.Zero);
        changes[2].BreakDuration.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public async Task Subscribe_OpenedByAnotherFailureThanTheLast_TellsTheOneThatOpenedIt()
    {
        var told = new Listener(_fixture.Circuit);
        var first = new TimeoutException();
        var last = new InvalidOperationException();
        Fail(first);
        Fail(first);
        Fail(last);

        (await told.TakeAsync(1))[0].LastFailure.Should().BeSameAs(last);
    }

    [Fact]
    public async Task Subscribe_OpenedByAFailureWithoutException_TellsTheLastOneThatHadOne()
    {
        var told = new Listener(_fixture.Circuit);
        var exception = new TimeoutException();
        Fail(exception);
        _fixture.Fail(times: 2);

        (await told.TakeAsync(1))[0].LastFailure.Should().BeSameAs(exception);
    }

    [Theory]
    [InlineData(CircuitOutcome.Success, CircuitState.Closed, 5, 2)]
    [InlineData(CircuitOutcome.Failure, CircuitState.Open, 5, 3)]
    public async Task Subscribe_TrialsHaveDecided_TellsHowManyThereWereAndHowManyFailed(
        CircuitOutcome last,
        CircuitState to,
        int calls,
        int failures
    )
    {
        var fixture = new CircuitFixture(options =>
        {
            options.HalfOpenTrialCount = 5;
            options.SuccessThreshold = 3;
        });
        var told = new Listener(fixture.Circuit);
        fixture.Circuit.Report(fixture.HalfOpen(), CircuitOutcome.Success);
        fixture.Report(CircuitOutcome.Failure);
        fixture.Report(CircuitOutcome.Success);
        fixture.Report(CircuitOutcome.Failure);
        fixture.Report(last);

        var decided = (await told.TakeAsync(3))[2];

        decided.To.Should().Be(to);
        decided.Calls.Should().Be(calls);
        decided.Failures.Should().Be(failures);
    }

    [Fact]
    public void Subscribe_NoHandler_IsRefused() =>
        _fixture
            .Circuit.Invoking(circuit => circuit.Subscribe(null!))
            .Should()
            .Throw<ArgumentNullException>()
            .WithParameterName("handler");

    [Fact]
    public async Task Publish_GenerationsBeginAnew_GoesOnInOrder_H2()
    {
        var events = new CircuitEvents();
        var told = new Listener(events);
        events.Begin(1_048_574);

        events.Publish(Change(1));
        events.Publish(Change(0));
        events.Publish(Change(1_048_575));

        (await told.TakeAsync(3)).Select(change => change.Generation).Should().Equal(1_048_575, 0, 1);
    }

    [Fact]
    public async Task Subscribe_HandlerThrows_TheOthersAndTheNextChangesAreTold_Law13()
    {
        var errors = Channel.CreateUnbounded<Exception>();
        using var throwing = _fixture.Circuit.Subscribe(
            _ => throw new InvalidOperationException("listener"),
            error => errors.Writer.TryWrite(error)
        );
        using var silent = _fixture.Circuit.Subscribe(_ => throw new InvalidOperationException("nobody is told"));
        var told = new Listener(_fixture.Circuit);

        _fixture.HalfOpen();

        await told.TakeAsync(2);
        for (var i = 0; i < 2; i++)
        {
            var error = await errors.Reader.ReadAsync().AsTask().WaitAsync(Limit);
            error.Message.Should().Be("listener");
        }
    }

    [Fact]
    public async Task Subscribe_HandlerBlocks_NeitherCallsNorOtherSubscribersWait_Law13()
    {
        using var gate = new ManualResetEventSlim();
        using var blocked = _fixture.Circuit.Subscribe(_ => gate.Wait(Limit));
        var told = new Listener(_fixture.Circuit);

        _fixture.Circuit.Report(_fixture.HalfOpen(), CircuitOutcome.Success);

        (await told.TakeAsync(3)).Should().HaveCount(3);
        gate.Set();
    }

    [Fact]
    public async Task Dispose_Subscription_TellsThatOneNothingMore()
    {
        var calls = 0;
        _fixture.Circuit.Subscribe(_ => Interlocked.Increment(ref calls)).Dispose();
        var told = new Listener(_fixture.Circuit);

        _fixture.Open();

        await told.TakeAsync(1);
        Volatile.Read(ref calls).Should().Be(0);
    }

    [Fact]
    public async Task Subscribe_ManyThreadsChangeIt_TellsEachOnceInOrderAndJoined_I5()
    {
        const int Rounds = 150;
        var told = new Listener(_fixture.Circuit);

        Together.Run(
            4,
            number =>
            {
                for (var i = 0; i < Rounds; i++)
                {
                    switch ((number + i) % 4)
                    {
                        case 0:
                            _fixture.Circuit.Reset();
                            break;
                        case 1:
                            _fixture.Circuit.ForceOpen();
                            break;
                        case 2:
                            _fixture.Circuit.MeasureOnly();
                            break;
                        default:
                            _fixture.Circuit.Disable();
                            break;
                    }
                }
            }
        );

        var last = (int)CircuitWord.GenerationOf(_fixture.Circuit.Word);
        var changes = await told.TakeAsync(last - 1);
        changes.Select(change => change.Generation).Should().Equal(Enumerable.Range(2, last - 1));
        changes.Zip(changes.Skip(1)).Should().OnlyContain(pair => pair.First.To == pair.Second.From);
        changes[^1].To.Should().Be(_fixture.Circuit.State);
        changes.Should().OnlyContain(change => change.Missed == 0);
        _fixture.Circuit.TakeSnapshot().LastChange.Should().Be(changes[^1]);
    }

    private static CircuitChanged Change(int generation) =>
        new("circuit", default, CircuitState.Closed, CircuitState.Closed, CircuitChangeReason.Operator, generation);

    private void Fail(Exception exception)
    {
        _fixture.Circuit.TryAcquire(out var permit);
        permit.Report(CircuitOutcome.Failure, exception);
    }

    private sealed class Listener
    {
        private readonly Channel<CircuitChanged> _told = Channel.CreateUnbounded<CircuitChanged>();

        public Listener(CircuitBreaker circuit) => circuit.Subscribe(change => _told.Writer.TryWrite(change));

        public Listener(CircuitEvents events) =>
            events.Subscribe(change => _told.Writer.TryWrite(change), error => throw error);

        public async Task<List<CircuitChanged>> TakeAsync(int count)
        {
            var changes = new List<CircuitChanged>();
            while (changes.Count < count)
            {
                changes.Add(await _told.Reader.ReadAsync().AsTask().WaitAsync(Limit));
            }

            return changes;
        }
    }
}
