using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>Law 4: every lease is returned exactly once, and in-flight is never negative.</summary>
public sealed class BackendLeaseTests
{
    private static readonly AttemptOutcome Success = new(OutcomeKind.Success, StatusCode: 200);
    private static readonly AttemptOutcome Failure = new(OutcomeKind.Failure, FailureKind.Connect);

    private readonly FakeTime _time = new();

    [Fact]
    public void Return_Twice_CountsOnce()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;
        var other = backend.Lease();
        var lease = backend.Lease();

        lease.Return();
        lease.Return();

        backend.InFlight.Should().Be(1);
        other.Return();
        backend.InFlight.Should().Be(0);
        backend.Attempts.Should().Be(2);
    }

    [Fact]
    public void TryAcquire_Refused_HoldsNothingAndIsNoAttempt()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        var (open, disabled) = (pool.Find("a")!, pool.Find("b")!);
        open.Fail();
        disabled.Disable();

        open.TryLease().Should().BeNull();
        disabled.TryLease().Should().BeNull();

        open.InFlight.Should().Be(0);
        open.Attempts.Should().Be(1);
        disabled.InFlight.Should().Be(0);
        disabled.Attempts.Should().Be(0);
    }

    [Fact]
    public void Report_Failure_KeepsTheLeaseUntilItIsReturned()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        lease.Report(Failure);
        backend.InFlight.Should().Be(1);
        backend.Failures.Should().Be(1);

        lease.Return();
        backend.InFlight.Should().Be(0);
    }

    [Fact]
    public void Report_FailureTwice_CountsOnce()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(2), "a");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        lease.Report(Failure);
        lease.Report(Failure);
        lease.Return();

        backend.Failures.Should().Be(1);
        backend.Circuit.State.Should().Be(CircuitState.Closed);
    }

    /// <summary>A body that breaks after the lease has reported success is a failure without a permit.</summary>
    [Fact]
    public void Report_FailureAfterSuccess_CountsAsLateFailure()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        lease.Report(Success);
        lease.Report(Failure with { Failure = FailureKind.Body });
        lease.Report(Failure with { Failure = FailureKind.Body });
        lease.Return();

        backend.Failures.Should().Be(1);
        backend.Circuit.State.Should().Be(CircuitState.Open);
    }

    [Fact]
    public void Report_SuccessAfterFailure_ChangesNothing()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        lease.Report(Failure);
        lease.Report(Success);
        lease.Return();

        lease.Outcome.Kind.Should().Be(OutcomeKind.Failure);
        backend.Failures.Should().Be(1);
    }

    /// <summary>Law 3: who gives up without a result has learnt nothing, and gives back what he held.</summary>
    [Fact]
    public void Return_WithoutReport_IsNeutralAndGivesBackTheTrial()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a");
        var backend = pool.Find("a")!;
        backend.Fail();
        _time.Advance(Pools.Break);
        var trial = backend.Lease();
        backend.TryLease().Should().BeNull();

        trial.Return();

        trial.Outcome.Kind.Should().Be(OutcomeKind.Neutral);
        backend.Failures.Should().Be(1);
        backend.Circuit.State.Should().Be(CircuitState.HalfOpen);
        backend.Lease().IsTrial.Should().BeTrue("the trial is free again");
    }

    [Fact]
    public void Previous_ChainsTheRequestsAttempts()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var first = pool.TryLease()!;

        var second = pool.TryLease(first)!;
        var third = pool.TryLease(second);

        second.Previous.Should().BeSameAs(first);
        second.Backend.Should().NotBeSameAs(first.Backend);
        third.Should().BeNull("every backend has been tried");
        first.Return();
        second.Return();
    }

    [Fact]
    public void StartedAt_StaysWhateverBecomesOfTheLease()
    {
        using var pool = Pools.Create(_time, "a");
        var lease = pool.Find("a")!.Lease();
        lease.StartedAt = long.MaxValue >> 5;

        lease.Report(Success);
        var reported = lease.StartedAt;
        lease.Return();

        reported.Should().Be(long.MaxValue >> 5);
        lease.StartedAt.Should().Be(long.MaxValue >> 5);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(10, 10)]
    [InlineData(19, 10)]
    [InlineData(TimeSpan.TicksPerHour, TimeSpan.TicksPerHour)]
    [InlineData(TimeSpan.TicksPerDay, uint.MaxValue * 10L)]
    [InlineData(-1, 0)]
    public void Duration_IsKeptInWholeMicroseconds(long ticks, long kept)
    {
        using var pool = Pools.Create(_time, "a");
        var lease = pool.Find("a")!.Lease();

        lease.Duration = TimeSpan.FromTicks(ticks);

        lease.Duration.Should().Be(TimeSpan.FromTicks(kept));
        lease.Return();
    }

    /// <summary>Law 4: who is told of an outcome may run a listener to metrics, and what that throws costs no lease.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Return_ObserverThrows_GivesBackTheCountAllTheSame(bool hasOutcome)
    {
        using var pool = Pools.Create(_time, "a");
        pool.Observer = new ThrowingObserver();
        var lease = pool.Find("a")!.Lease();

        var returning = () =>
        {
            if (hasOutcome)
            {
                lease.Return(Failure);
            }
            else
            {
                lease.Return();
            }
        };

        returning.Should().Throw<InvalidOperationException>().WithMessage("observer");
        pool.Find("a")!.InFlight.Should().Be(0);
    }

    /// <summary>
    /// Law 4: a failure that is reported a second time while the first report is still being told is no late one. It was
    /// taken for one, since until then the lease's outcome was that of a success.
    /// </summary>
    [Theory]
    [InlineData(OutcomeKind.Failure, 1)]
    [InlineData(OutcomeKind.ApplicationFailure, 1)]
    [InlineData(OutcomeKind.Neutral, 0)]
    public void Report_AgainWhileTheFirstIsBeingTold_CountsOnce(OutcomeKind first, int failures)
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;
        var observer = new ReportingObserver();
        pool.Observer = observer;
        observer.Lease = backend.Lease();

        observer.Lease.Report(new AttemptOutcome(first, FailureKind.Status, 500));
        observer.Lease.Return();

        backend.Failures.Should().Be(failures);
        observer.Outcomes.Should().Equal(first);
    }

    /// <summary>Law 4: a success that turns out to be a failure does so once, whoever says it and however often.</summary>
    [Fact]
    public void Report_TwoFailuresAfterASuccess_CountsOneOfThem()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;
        var observer = new ReportingObserver();
        pool.Observer = observer;
        observer.Lease = backend.Lease();

        observer.Lease.Report(Success);
        observer.Lease.Return(Failure);

        backend.Failures.Should().Be(1);
        // The second one comes, and is told, while the first is being told.
        observer.Outcomes.Should().Equal(OutcomeKind.Failure, OutcomeKind.Success);
    }

    /// <summary>Law 4 under threads: returned and reported by several at once, and never seen below zero.</summary>
    [Fact]
    public async Task Return_ByManyThreadsAtOnce_CountsEachLeaseOnce()
    {
        const int rounds = 20_000;
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(4_095), "a");
        var backend = pool.Find("a")!;
        var leases = new BackendLease[rounds];
        for (var i = 0; i < rounds; i++)
        {
            leases[i] = backend.Lease();
        }

        var highest = 0;
        using var barrier = new Barrier(4);
        var workers = Enumerable
            .Range(0, 4)
            .Select(worker =>
                Task.Run(() =>
                {
                    barrier.SignalAndWait();
                    var seen = 0;
                    for (var i = 0; i < rounds; i++)
                    {
                        if (worker % 2 == 0)
                        {
                            leases[i].Report(Failure);
                        }

                        leases[i].Return();
                        seen = Math.Max(seen, backend.InFlight);
                    }

                    lock (barrier)
                    {
                        highest = Math.Max(highest, seen);
                    }
                })
            )
            .ToArray();
        await Task.WhenAll(workers);

        backend.InFlight.Should().Be(0);
        highest.Should().BeLessThanOrEqualTo(rounds, "a count below zero would show as a huge one");
        backend.Attempts.Should().Be(rounds);
        backend.Failures.Should().BeLessThanOrEqualTo(rounds);
    }

    /// <summary>Law 4 under threads: acquired, reported and returned while the operator drains, disables and enables.</summary>
    [Fact]
    public async Task Leases_WhileTheOperatorActs_LeaveNothingInFlight()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(4_095), "a", "b", "c");
        var taken = 0;
        var isEnding = false;
        var highest = 0;
        var workers = Enumerable
            .Range(0, 4)
            .Select(worker =>
                Task.Run(() =>
                {
                    for (var i = 0; i < 20_000; i++)
                    {
                        if (pool.TryLease() is { } lease)
                        {
                            Interlocked.Increment(ref taken);
                            lease.End((i + worker) % 5 == 0 ? Failure : Success);
                        }
                    }
                })
            )
            .ToArray();
        var operators = Task.Run(() =>
        {
            for (var i = 0; !Volatile.Read(ref isEnding); i++)
            {
                var backend = pool.Backends[i % 3];
                highest = Math.Max(highest, backend.InFlight);
                switch (i % 4)
                {
                    case 0:
                        backend.Drain();
                        break;
                    case 1:
                        backend.Disable();
                        break;
                    default:
                        backend.Enable();
                        break;
                }
            }
        });
        await Task.WhenAll(workers);
        Volatile.Write(ref isEnding, true);
        await operators;

        highest
            .Should()
            .BeLessThanOrEqualTo(4, "there are four workers, and a count below zero would show as a huge one");
        pool.Backends.Should().AllSatisfy(backend => backend.InFlight.Should().Be(0));
        pool.Backends.Sum(backend => backend.Attempts).Should().Be(taken);
    }

    /// <summary>Reports a failure each time it is told that the wait is over, as another thread could at that moment.</summary>
    private sealed class ReportingObserver : IOutcomeObserver
    {
        public BackendLease? Lease { get; set; }

        public List<OutcomeKind> Outcomes { get; } = [];

        public void OnAnswered(Backend backend, in AttemptOutcome outcome, TimeSpan duration) => Lease!.Report(Failure);

        public void OnOutcome(Backend backend, in AttemptOutcome outcome) => Outcomes.Add(outcome.Kind);
    }

    private sealed class ThrowingObserver : IOutcomeObserver
    {
        public void OnOutcome(Backend backend, in AttemptOutcome outcome) =>
            throw new InvalidOperationException("observer");
    }
}
