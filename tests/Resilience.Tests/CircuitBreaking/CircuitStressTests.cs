using System.Collections.Concurrent;
using Resilience.CircuitBreaking;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// Many threads on the real class, a bounded number of steps, invariants checked at rest. The clock is a plain number
/// that the threads push forward, without a lock that would hide races.
/// </summary>
[Trait("Category", "Slow")]
public sealed class CircuitStressTests
{
    private const int Threads = 4;

    [Fact]
    public void TryAcquire_ManyThreadsAtTheEndOfABreak_ExactlyOneOwnsTheTransition_I8()
    {
        var time = new PushedTime();
        var owner = new RecordingOwner();
        var circuit = Create(time, owner, options => options.ConsecutiveFailures = 1);
        var trials = new ConcurrentBag<CircuitTicket>();
        const int Rounds = 200;

        Race(
            Rounds,
            beforeRound: _ =>
            {
                circuit.TryAcquireTicket(out var permit);
                circuit.Report(permit, CircuitOutcome.Failure);
                time.Push(60_001);
                trials.Clear();
            },
            work: (_, _) =>
            {
                if (circuit.TryAcquireTicket(out var permit))
                {
                    trials.Add(permit);
                }
            },
            afterRound: _ =>
            {
                trials.Should().ContainSingle("one caller turns the circuit half-open and owns its one trial");
                CircuitWord.InFlightOf(circuit.Word).Should().Be(1);
                circuit.Reset();
            }
        );

        owner.Changes.Count(change => change.To == CircuitState.HalfOpen).Should().Be(Rounds);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Report_FailuresOnManyThreads_OpenAtTheThresholdAndNeverBefore_I6(int missing)
    {
        var time = new PushedTime();
        var circuit = Create(
            time,
            new RecordingOwner(),
            options => options.ConsecutiveFailures = (Threads * 5) + missing
        );

        Race(
            200,
            beforeRound: _ => circuit.Reset(),
            work: (_, _) =>
            {
                for (var i = 0; i < 5; i++)
                {
                    circuit.TryAcquireTicket(out var permit);
                    circuit.Report(permit, CircuitOutcome.Failure);
                }
            },
            afterRound: _ =>
            {
                circuit.State.Should().Be(missing == 0 ? CircuitState.Open : CircuitState.Closed);
                CircuitWord.ConsecutiveFailuresOf(circuit.Word).Should().Be(missing == 0 ? 0 : Threads * 5u);
            }
        );
    }

    [Theory]
    [InlineData(1, 2, 1)]
    [InlineData(2, 3, 2)]
    [InlineData(3, 2, 3)]
    public void Circuit_EverythingAtOnce_KeepsItsInvariantsAtRest(int trials, int successes, int seed)
    {
        const int Steps = 15_000;
        var time = new PushedTime();
        var owner = new RecordingOwner();
        var circuit = Create(
            time,
            owner,
            options =>
            {
                options.ConsecutiveFailures = 3;
                options.HalfOpenTrials = trials;
                options.SuccessThreshold = successes;
                options.BreakDuration = TimeSpan.FromMilliseconds(50);
                options.MaxBreakDuration = TimeSpan.FromMilliseconds(400);
                options.HalfOpenExpiry = TimeSpan.FromMilliseconds(1_000);
                options.Jitter = 0.5;
            }
        );
        var liveTrials = new int[0x10_0000];
        var leaked = new int[0x10_0000];
        var mostLive = 0;
        var (calls, reported, refused, lost) = (0L, 0L, 0L, 0L);
        var stale = new ConcurrentBag<CircuitTicket>();

        Race(
            1,
            beforeRound: _ => { },
            work: (thread, _) =>
            {
                var random = new Random((seed * 100) + thread);
                for (var i = 0; i < Steps; i++)
                {
                    time.Push(random.Next(4));
                    if (random.Next(200) == 0)
                    {
                        circuit.Hint();
                    }

                    Interlocked.Increment(ref calls);
                    if (!circuit.TryAcquireTicket(out var permit))
                    {
                        Interlocked.Increment(ref refused);
                        continue;
                    }

                    if (permit.IsTrial)
                    {
                        var live = Interlocked.Increment(ref liveTrials[permit.Generation]);
                        InterlockedMax(ref mostLive, live);
                    }

                    if (random.Next(8) == 0)
                    {
                        Thread.Yield();
                    }

                    if (permit.IsTrial && random.Next(10) == 0)
                    {
                        // A hung call: it holds its slot for ever.
                        Interlocked.Increment(ref leaked[permit.Generation]);
                        Interlocked.Increment(ref lost);
                        continue;
                    }

                    if (permit.IsTrial)
                    {
                        Interlocked.Decrement(ref liveTrials[permit.Generation]);
                    }

                    circuit.Report(permit, OutcomeOf(random.Next(10), permit));
                    Interlocked.Increment(ref reported);
                    if (i % 100 == 0)
                    {
                        stale.Add(permit);
                    }
                }
            },
            afterRound: _ => { }
        );

        var word = circuit.Word;
        var generation = CircuitWord.GenerationOf(word);
        // I-14: nothing is counted twice or forgotten; a call that was lost has not ended.
        calls.Should().Be(Threads * Steps).And.Be(reported + refused + lost);
        var snapshot = circuit.TakeSnapshot();
        snapshot.Requests.Should().Be(reported + refused);
        snapshot.Rejected.Should().Be(refused);
        // I-1: leaving before the report makes the count an under-estimate, so any excess is the circuit's.
        mostLive.Should().BeInRange(1, Math.Min(trials, successes));
        // I-2: at rest the slots taken are the leaked ones of this generation.
        CircuitWord.InFlightOf(word).Should().Be((uint)leaked[generation]);
        // I-5: one step of the generation for each change told, and each change goes on where one came from.
        var changes = owner.Changes;
        changes.Should().HaveCount((int)generation - 1, "every transition was told by its one winner");
        foreach (var state in Enum.GetValues<CircuitState>())
        {
            var balance = changes.Count(change => change.To == state) - changes.Count(change => change.From == state);
            var expected = (circuit.State == state ? 1 : 0) - (state == CircuitState.Closed ? 1 : 0);
            balance.Should().Be(expected, "the circuit has entered and left {0} in turns", state);
        }

        changes.Select(change => change.To).Distinct().Should().HaveCount(3, "the run went everywhere");
        // I-4: what is left of earlier generations changes nothing any more.
        foreach (var permit in stale.Where(permit => permit.Generation != generation))
        {
            circuit.Report(permit, CircuitOutcome.Failure);
            circuit.Report(permit, CircuitOutcome.Success);
        }

        circuit.Word.Should().Be(word);
        // I-3: whatever was lost on the way, the circuit can close.
        for (var i = 0; i < 200 && circuit.State != CircuitState.Closed; i++)
        {
            time.Push(1_200);
            if (circuit.TryAcquireTicket(out var permit))
            {
                circuit.Report(permit, CircuitOutcome.Success);
            }
        }

        circuit.State.Should().Be(CircuitState.Closed);
    }

    [Fact]
    public void Reset_AgainstAutomaticTransitions_WinsAndMakesEveryEarlierPermitStale_I10()
    {
        var time = new PushedTime();
        var circuit = Create(time, new RecordingOwner(), options => options.ConsecutiveFailures = 2);
        var before = new CircuitTicket[Threads];

        Race(
            200,
            beforeRound: _ =>
            {
                for (var i = 0; i < before.Length; i++)
                {
                    circuit.TryAcquireTicket(out before[i]);
                }
            },
            work: (thread, _) =>
            {
                if (thread == 0)
                {
                    circuit.Reset();
                }
                else
                {
                    circuit.Report(before[thread], CircuitOutcome.Failure);
                }
            },
            afterRound: _ =>
            {
                circuit.State.Should().Be(CircuitState.Closed, "the reset came before, after or between the failures");
                CircuitWord.ConsecutiveFailuresOf(circuit.Word).Should().Be(0);
            }
        );
    }

    [Fact]
    public void Force_AgainstAutomaticTransitions_WinsAndMakesEveryEarlierPermitStale_I10()
    {
        CircuitState[] states = [CircuitState.ForcedOpen, CircuitState.Disabled, CircuitState.MetricsOnly];
        var time = new PushedTime();
        var circuit = Create(time, new RecordingOwner(), options => options.ConsecutiveFailures = 2);
        var before = new CircuitTicket[Threads];

        Race(
            300,
            beforeRound: _ =>
            {
                circuit.Reset();
                for (var i = 0; i < before.Length; i++)
                {
                    circuit.TryAcquireTicket(out before[i]);
                }
            },
            work: (thread, round) =>
            {
                if (thread > 0)
                {
                    circuit.Report(before[thread], CircuitOutcome.Failure);
                    return;
                }

                switch (states[round % 3])
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
            },
            afterRound: round =>
            {
                circuit.State.Should().Be(states[round % 3], "the force came before, after or between the failures");
                CircuitWord.ConsecutiveFailuresOf(circuit.Word).Should().Be(0);
                var word = circuit.Word;
                circuit.Report(before[0], CircuitOutcome.Failure);
                circuit.Word.Should().Be(word);
            }
        );
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Report_MixedOutcomesOnManyThreads_OpenWhenTogetherTheyMakeTheRateAndNotBefore_I7(int missing)
    {
        const int Each = 10;
        var circuit = Create(
            new PushedTime(),
            new RecordingOwner(),
            options =>
            {
                options.ConsecutiveFailures = null;
                options.FailureRate = 0.5;
                options.MinimumThroughput = (Threads * Each) + missing;
            }
        );

        Race(
            300,
            beforeRound: _ => circuit.Reset(),
            work: (_, _) =>
            {
                for (var i = 0; i < Each; i++)
                {
                    circuit.TryAcquireTicket(out var ticket);
                    circuit.Report(ticket, i % 2 == 0 ? CircuitOutcome.Failure : CircuitOutcome.Success);
                }
            },
            afterRound: _ => circuit.State.Should().Be(missing == 0 ? CircuitState.Open : CircuitState.Closed)
        );
    }

    [Fact]
    public void Report_CopiesOfOneTrialOnManyThreads_CountOnce_I15()
    {
        var time = new PushedTime();
        var circuit = Create(
            time,
            new RecordingOwner(),
            options =>
            {
                options.ConsecutiveFailures = 1;
                options.HalfOpenTrials = 2;
                options.SuccessThreshold = 3;
            }
        );
        CircuitPermit trial = default;

        Race(
            300,
            beforeRound: _ =>
            {
                circuit.Reset();
                circuit.TryAcquireTicket(out var ticket);
                circuit.Report(ticket, CircuitOutcome.Failure);
                time.Push(60_001);
                circuit.TryAcquire(out trial);
                circuit.TryAcquire(out CircuitPermit other);
            },
            work: (_, _) =>
            {
                var copy = trial;
                copy.Report(CircuitOutcome.Success);
            },
            afterRound: _ =>
            {
                CircuitWord.TrialSuccessesOf(circuit.Word).Should().Be(1);
                CircuitWord.InFlightOf(circuit.Word).Should().Be(1, "the other trial is still out");
            }
        );
    }

    private static CircuitOutcome OutcomeOf(int draw, CircuitTicket permit) =>
        draw switch
        {
            < 2 => CircuitOutcome.Neutral,
            < 6 when permit.IsTrial => CircuitOutcome.Success,
            < 4 => CircuitOutcome.Success,
            _ => CircuitOutcome.Failure,
        };

    private static CircuitBreaker Create(
        PushedTime time,
        RecordingOwner owner,
        Action<CircuitBreakerOptions> configure
    ) => new("circuit", CircuitFixture.Rules(configure), new Clock(time), new SeededRandom(7), owner);

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while (value > (seen = Volatile.Read(ref target)))
        {
            Interlocked.CompareExchange(ref target, value, seen);
        }
    }

    private static void Race(int rounds, Action<int> beforeRound, Action<int, int> work, Action<int> afterRound)
    {
        for (var round = 0; round < rounds; round++)
        {
            beforeRound(round);
            Together.Run(Threads, thread => work(thread, round));
            afterRound(round);
        }
    }
}
