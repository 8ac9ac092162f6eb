using System.Collections.Concurrent;
using Resilience.CircuitBreaking;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// The real class under two threads on a core each, hundreds of thousands of rounds or millions of calls, bounded in
/// time; its invariants are checked whenever nothing runs.
/// </summary>
[Trait("Category", "Slow")]
public sealed class CircuitPinnedStressTests(ITestOutputHelper output)
{
    private const int Rounds = 60_000;
    private const int PerThread = 5;

    private static readonly TimeSpan RaceLimit = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan DeliveryLimit = TimeSpan.FromSeconds(20);

    private readonly PushedTime _time = new(yieldsEvery: 0);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Report_FailuresOnBothCores_OpenAtTheThresholdAndNeverBefore_I6(int missing)
    {
        var total = PinnedTogether.Threads * PerThread;
        var circuit = Create(options => options.ConsecutiveFailures = total + missing);

        Race(
            Rounds,
            _ => circuit.Reset(),
            (_, _) => Report(circuit, PerThread, CircuitOutcome.Failure),
            _ =>
            {
                Expect(circuit.State, missing == 0 ? CircuitState.Open : CircuitState.Closed);
                Expect(CircuitWord.ConsecutiveFailuresOf(circuit.Word), missing == 0 ? 0 : (uint)total);
            }
        );
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(true, 1)]
    [InlineData(false, 0)]
    [InlineData(false, 1)]
    public void Report_CallsThatTogetherMakeTheRate_NeverMissTheTripNorMakeItUp_I7_H1(bool isByFailures, int missing)
    {
        // Half of the calls are bad and exactly as many as make a rate: only whoever comes last can see it.
        var total = 2 * PinnedTogether.Threads * PerThread;
        var circuit = Create(options =>
        {
            options.ConsecutiveFailures = null;
            options.FailureRate = isByFailures ? 0.5 : null;
            options.SlowCallDuration = isByFailures ? null : TimeSpan.FromSeconds(1);
            options.MinimumThroughput = total + missing;
        });
        var bad = isByFailures ? (CircuitOutcome.Failure, 0) : (CircuitOutcome.Success, TimeSpan.TicksPerSecond);

        Race(
            Rounds,
            _ =>
            {
                _time.Push(700);
                circuit.Reset();
            },
            (thread, round) =>
            {
                for (var i = 0; i < 2 * PerThread; i++)
                {
                    circuit.TryAcquireTicket(out var ticket);
                    // Good and bad ones in turns, in another order for each thread and round.
                    var (outcome, ticks) = ((i + thread + round) & 1) == 0 ? bad : (CircuitOutcome.Success, 0);
                    circuit.Report(ticket, outcome, ticks);
                }
            },
            _ => Expect(circuit.State, missing == 0 ? CircuitState.Open : CircuitState.Closed)
        );
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void TryAcquire_BothCoresAtTheEndOfABreak_LetsExactlyTheAllowedTrialsThrough_I1_I8(int trials)
    {
        var circuit = Create(options =>
        {
            options.ConsecutiveFailures = 1;
            options.HalfOpenTrials = trials;
            options.SuccessThreshold = 2;
        });
        var admitted = 0;

        Race(
            Rounds,
            _ =>
            {
                circuit.Reset();
                Report(circuit, 1, CircuitOutcome.Failure);
                _time.Push(5_000);
                admitted = 0;
            },
            (_, _) =>
            {
                // Each asks twice, so that refusals race with grants.
                for (var i = 0; i < 2; i++)
                {
                    if (circuit.TryAcquireTicket(out var ticket) && ticket.IsTrial)
                    {
                        Interlocked.Increment(ref admitted);
                    }
                }
            },
            _ =>
            {
                Expect(admitted, trials);
                Expect(CircuitWord.InFlightOf(circuit.Word), (uint)trials);
            }
        );
    }

    [Theory]
    [InlineData(CircuitState.ForcedOpen)]
    [InlineData(CircuitState.Disabled)]
    [InlineData(CircuitState.MetricsOnly)]
    public void Force_AgainstAutomaticTransitions_Wins_I10(CircuitState forced)
    {
        var circuit = Create(options =>
        {
            options.ConsecutiveFailures = 1;
            options.SuccessThreshold = 1;
        });

        Race(
            Rounds,
            round =>
            {
                circuit.Reset();
                if ((round & 1) == 0)
                {
                    Report(circuit, 1, CircuitOutcome.Failure);
                    _time.Push(5_000);
                }
            },
            (thread, _) =>
            {
                if (thread == 0)
                {
                    Force(circuit, forced);
                    return;
                }

                for (var i = 0; i < 3; i++)
                {
                    Report(circuit, 1, i == 1 ? CircuitOutcome.Failure : CircuitOutcome.Success);
                    circuit.Hint();
                }
            },
            _ => Expect(circuit.State, forced)
        );
    }

    [Fact]
    public void Report_CopiesOfOneTrialOnBothCores_CountOnce_I15()
    {
        var circuit = Create(options =>
        {
            options.ConsecutiveFailures = 1;
            options.HalfOpenTrials = 3;
            options.SuccessThreshold = 3;
        });
        CircuitPermit trial = default;

        Race(
            Rounds,
            _ =>
            {
                circuit.Reset();
                Report(circuit, 1, CircuitOutcome.Failure);
                _time.Push(5_000);
                circuit.TryAcquire(out trial);
                circuit.TryAcquireTicket(out var _);
            },
            (thread, _) =>
            {
                var copy = trial;
                copy.Report(thread == 0 ? CircuitOutcome.Success : CircuitOutcome.Neutral);
                copy.Report(CircuitOutcome.Failure);
            },
            _ =>
            {
                Expect(circuit.State, CircuitState.HalfOpen);
                Expect(CircuitWord.InFlightOf(circuit.Word), 1u);
            }
        );
    }

    [Theory]
    [InlineData(1, 2, 1)]
    [InlineData(2, 3, 2)]
    [InlineData(3, 2, 3)]
    public async Task Circuit_EverythingAtOnce_AddsUpAndTellsEachChangeInOrder_I1_I2_I5_I13_I14(
        int trials,
        int successes,
        int seed
    )
    {
        var owner = new RecordingOwner();
        void Configure(CircuitBreakerOptions options)
        {
            options.ConsecutiveFailures = 4;
            options.FailureRate = 0.6;
            options.SlowCallDuration = TimeSpan.FromMilliseconds(100);
            options.MinimumThroughput = 10;
            options.SamplingDuration = TimeSpan.FromSeconds(1);
            options.HalfOpenTrials = trials;
            options.SuccessThreshold = successes;
            options.BreakDuration = TimeSpan.FromMilliseconds(50);
            options.MaxBreakDuration = TimeSpan.FromMilliseconds(200);
            options.HalfOpenExpiry = TimeSpan.FromMilliseconds(1_000);
            options.Jitter = 0.5;
        }

        var circuit = Create(Configure, owner);
        var told = new ConcurrentQueue<CircuitChanged>();
        using var subscription = circuit.Subscribe(told.Enqueue);
        var tally = new Tally(trials);
        const int CallsARound = 500;

        var rounds = PinnedTogether.Run(
            3_000,
            Limit,
            _ => { },
            (thread, round) =>
            {
                var random = new Random(HashCode.Combine(seed, thread, round));
                for (var i = 0; i < CallsARound; i++)
                {
                    _time.Push(random.Next(3) == 0 ? 1 : 0);
                    if (random.Next(500) == 0)
                    {
                        circuit.Hint();
                    }

                    tally.Call(circuit, random);
                }
            },
            _ => CheckAtRest(circuit, tally)
        );

        output.WriteLine(
            $"{tally.Calls:N0} calls in {rounds:N0} rounds, {circuit.TakeSnapshot().Generation:N0} generations"
        );
        rounds.Should().BePositive();
        tally
            .MostLive.Should()
            .BeInRange(1, Math.Min(trials, successes), "of one generation so many trials ran at once (I-1)");
        var last = circuit.TakeSnapshot().Generation;
        owner.Changes.Should().HaveCount(last - 1, "each transition was told by its one winner");
        await WaitForAsync(told, last);
        var before = (To: CircuitState.Closed, Generation: 1);
        foreach (var change in told)
        {
            if (change.Missed == 0)
            {
                change.From.Should().Be(before.To);
            }

            change
                .Generation.Should()
                .Be(before.Generation + 1 + change.Missed, "each is told once and in order (I-5)");
            before = (change.To, change.Generation);
        }

        told.Select(change => change.Reason)
            .Should()
            .Contain([
                CircuitChangeReason.BreakEnded,
                CircuitChangeReason.TrialsSucceeded,
                CircuitChangeReason.TrialsFailed,
            ]);
        CanClose(circuit);
    }

    private static void CheckAtRest(CircuitBreaker circuit, Tally tally)
    {
        var snapshot = circuit.TakeSnapshot();
        var word = circuit.Word;
        // I-14: nothing is counted twice or forgotten.
        Expect(snapshot.Requests, tally.Calls - tally.Lost);
        Expect(snapshot.Rejected, tally.Refused);
        Expect(snapshot.Successes + snapshot.Failures + snapshot.Ignored + snapshot.Stale, tally.Reported);
        // I-2: the slots taken are those of the lost trials of this generation.
        if (CircuitWord.StateOf(word) == CircuitState.HalfOpen)
        {
            Expect(CircuitWord.InFlightOf(word), (uint)tally.LostOf(CircuitWord.GenerationOf(word)));
        }

        // What was told last is what is.
        Expect(snapshot.LastChange?.Generation ?? 1, snapshot.Generation);
    }

    /// <summary>I-3: whatever was lost on the way.</summary>
    private void CanClose(CircuitBreaker circuit)
    {
        for (var i = 0; i < 200 && circuit.State != CircuitState.Closed; i++)
        {
            _time.Push(1_200);
            Report(circuit, 1, CircuitOutcome.Success);
        }

        circuit.State.Should().Be(CircuitState.Closed);
    }

    private static async Task WaitForAsync(ConcurrentQueue<CircuitChanged> told, int generation)
    {
        using var limit = new CancellationTokenSource(DeliveryLimit);
        while (told.LastOrDefault()?.Generation != generation)
        {
            limit
                .IsCancellationRequested.Should()
                .BeFalse("the last change must be told, however busy the circuit was (I-13)");
            await Task.Yield();
        }
    }

    private static void Force(CircuitBreaker circuit, CircuitState state)
    {
        switch (state)
        {
            case CircuitState.ForcedOpen:
                circuit.ForceOpen();
                break;
            case CircuitState.Disabled:
                circuit.Disable();
                break;
            default:
                circuit.MeasureOnly();
                break;
        }
    }

    private static void Report(CircuitBreaker circuit, int times, CircuitOutcome outcome)
    {
        for (var i = 0; i < times; i++)
        {
            if (circuit.TryAcquireTicket(out var ticket))
            {
                circuit.Report(ticket, outcome);
            }
        }
    }

    /// <summary>Cheap while it holds: this runs some hundred thousand times.</summary>
    private static void Expect<T>(T actual, T expected)
    {
        if (!EqualityComparer<T>.Default.Equals(actual, expected))
        {
            actual.Should().Be(expected);
        }
    }

    private CircuitBreaker Create(Action<CircuitBreakerOptions> configure, RecordingOwner? owner = null) =>
        new("circuit", CircuitFixture.Rules(configure), new Clock(_time), new SeededRandom(7), owner);

    private void Race(int rounds, Action<int> before, Action<int, int> work, Action<int> after)
    {
        var done = PinnedTogether.Run(rounds, RaceLimit, before, work, after);
        output.WriteLine($"{done:N0} rounds");
        done.Should().BePositive();
    }

    /// <summary>What the calls themselves know of how they ended. Thread-safe.</summary>
    private sealed class Tally(int trials)
    {
        private readonly int[] _live = new int[1 << 20];
        private readonly int[] _lost = new int[1 << 20];
        private long _calls;
        private long _refused;
        private long _reported;
        private long _lostCalls;
        private int _mostLive;

        public long Calls => _calls;

        public long Refused => _refused;

        public long Reported => _reported;

        public long Lost => _lostCalls;

        public int MostLive => _mostLive;

        public int LostOf(uint generation) => _lost[generation];

        public void Call(CircuitBreaker circuit, Random random)
        {
            Interlocked.Increment(ref _calls);
            if (!circuit.TryAcquireTicket(out var ticket))
            {
                Interlocked.Increment(ref _refused);
                return;
            }

            if (!ticket.IsTrial)
            {
                Report(circuit, ticket, random.Next(10), random.Next(20) == 0);
                return;
            }

            // It leaves the count before its report, so that any excess is the circuit's.
            var live = Interlocked.Increment(ref _live[ticket.Generation]);
            if (live > _mostLive)
            {
                _mostLive = live;
            }

            Expect(live <= trials, true);
            if (random.Next(10) == 0)
            {
                // A hung call: it holds its slot until the circuit gives it up.
                Interlocked.Increment(ref _lost[ticket.Generation]);
                Interlocked.Increment(ref _lostCalls);
                return;
            }

            Interlocked.Decrement(ref _live[ticket.Generation]);
            Report(circuit, ticket, random.Next(8), isSlow: false);
        }

        private void Report(CircuitBreaker circuit, CircuitTicket ticket, int draw, bool isSlow)
        {
            var outcome =
                draw < 5 ? CircuitOutcome.Success
                : draw < 9 ? CircuitOutcome.Failure
                : CircuitOutcome.Neutral;
            circuit.Report(ticket, outcome, isSlow ? TimeSpan.TicksPerSecond : 0);
            Interlocked.Increment(ref _reported);
        }
    }
}
