using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>What the snapshot holds, and when it is made anew.</summary>
public sealed class PoolSnapshotTests
{
    private static readonly AttemptOutcome Success = new(OutcomeKind.Success, StatusCode: 200);

    private readonly FakeTime _time = new();

    /// <summary>Law 5, R142.</summary>
    [Fact]
    public void Available_SomeUnhealthy_HoldsTheOthers()
    {
        using var pool = Pools.Create(_time, "a", "b", "c");

        pool.Find("b")!.SetAlive(false);

        pool.AvailableNames().Should().Equal("a", "c");
        pool.Snapshot.IsFailOpen.Should().BeFalse();
        pool.Snapshot.Refusals.Unhealthy.Should().Be(1);
    }

    /// <summary>Law 5: health alone would leave nothing, so it is ignored.</summary>
    [Fact]
    public async Task Available_AllUnhealthy_FailsOpenWithAnEvent()
    {
        var pool = Pools.Create(_time, "a", "b");
        var events = new EventRecord(pool);

        pool.Find("a")!.SetAlive(false);
        _time.Advance(Pools.Rest);
        pool.Snapshot.IsFailOpen.Should().BeFalse();
        pool.Find("b")!.SetAlive(false);
        pool.Snapshot.IsFailOpen.Should().BeTrue();
        pool.AvailableNames().Should().Equal("a", "b");
        _time.Advance(Pools.Rest);
        pool.Find("a")!.SetAlive(true);
        pool.Snapshot.IsFailOpen.Should().BeFalse();
        pool.AvailableNames().Should().Equal("a");

        (await events.EndAsync())
            .OfType<FailOpenChanged>()
            .Select(change => change.IsFailOpen)
            .Should()
            .Equal(true, false);
    }

    /// <summary>Law 5: an open circuit, draining and disabled always refuse, also in a pool that fails open.</summary>
    [Fact]
    public void Available_FailOpen_StillRefusesOpenDrainingDisabledAndWeightless()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b", "c", "d");
        pool.Add(Pools.Definition("e", weight: 0));
        foreach (var backend in pool.Backends)
        {
            backend.SetAlive(false);
        }

        pool.Find("b")!.Fail();
        pool.Find("c")!.Drain();
        pool.Find("d")!.Disable();
        _time.Advance(Pools.Rest);

        pool.Snapshot.IsFailOpen.Should().BeTrue();
        pool.AvailableNames().Should().Equal("a");
        pool.Snapshot.Refusals.Should().Be(new Refusals(1, 1, 1, 1, 0, 0, 0), "a takes traffic");
    }

    /// <summary>Law 5: what advice did not take away, ignoring advice does not bring back.</summary>
    [Fact]
    public void Available_OnlyCircuitsAndOperatorObject_IsEmptyAndNotFailOpen()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b", "c");
        pool.Find("a")!.Fail();
        pool.Find("b")!.Drain();
        pool.Find("c")!.Disable();
        _time.Advance(Pools.Rest);

        pool.Snapshot.Available.Should().BeEmpty();
        pool.Snapshot.IsFailOpen.Should().BeFalse();
        pool.TryLease().Should().BeNull();
    }

    /// <summary>The first change rebuilds at once, further ones within 50 ms together.</summary>
    [Fact]
    public void Rebuild_ManyChangesAtOnce_TwoSnapshots()
    {
        using var pool = Pools.Create(_time, "a", "b", "c", "d");
        var version = pool.Snapshot.Version;

        pool.Find("a")!.SetAlive(false);
        pool.Snapshot.Version.Should().Be(version + 1, "the first change shows at once");
        pool.Find("b")!.SetAlive(false);
        pool.Find("c")!.SetAlive(false);
        pool.Snapshot.Version.Should().Be(version + 1);
        pool.AvailableNames().Should().Equal("b", "c", "d");

        _time.Advance(TimeSpan.FromMilliseconds(49));
        pool.Snapshot.Version.Should().Be(version + 1);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        pool.Snapshot.Version.Should().Be(version + 2);
        pool.AvailableNames().Should().Equal("d");

        _time.Advance(TimeSpan.FromHours(1));
        pool.Snapshot.Version.Should().Be(version + 2, "nothing has changed since");
    }

    /// <summary>A snapshot that lags never admits wrongly: the backend itself refuses.</summary>
    [Fact]
    public void TryLease_SnapshotLags_FindsTheOneThatAdmits()
    {
        using var pool = Pools.Create(_time, "a", "b", "c", "d");
        pool.Find("a")!.Disable();
        pool.Find("b")!.Disable();
        pool.Find("c")!.Drain();
        pool.AvailableNames().Should().Equal(["b", "c", "d"], "two changes are not in it yet");

        for (var i = 0; i < 8; i++)
        {
            var lease = pool.TryLease()!;
            lease.Backend.Name.Should().Be("d");
            lease.End(Success);
        }
    }

    /// <summary>Who finds nothing in a lagging snapshot is given a true one.</summary>
    [Fact]
    public void FreshSnapshot_SnapshotLags_IsRebuiltAtOnce()
    {
        using var pool = Pools.Create(_time, "a", "b");
        pool.Find("a")!.Disable();
        pool.Find("b")!.Disable();
        pool.AvailableNames().Should().Equal("b");

        pool.FreshSnapshot().Available.Should().BeEmpty();
        pool.Find("a")!.Enable();
        pool.FreshSnapshot().Available.Should().Equal(pool.Find("a")!);
        pool.FreshSnapshot().Should().BeSameAs(pool.Snapshot, "there is no reason for a younger one");
    }

    /// <summary>Members change at once, within the 50 ms or not.</summary>
    [Fact]
    public void Rebuild_MembersChange_IsNotPutOff()
    {
        using var pool = Pools.Create(_time, "a", "b");
        pool.Find("a")!.SetAlive(false);

        pool.Add(Pools.Definition("c"));
        pool.AvailableNames().Should().Equal("b", "c");
        pool.Remove("b");
        pool.AvailableNames().Should().Equal("c");
    }

    [Fact]
    public void Timer_BreakEnds_BackendRejoinsBySilentPassingOfTime()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        var backend = pool.Find("a")!;
        backend.Fail();
        pool.AvailableNames().Should().Equal("b");
        pool.Snapshot.Refusals.CircuitOpen.Should().Be(1);

        _time.Advance(TimeSpan.FromMilliseconds(4_999));
        pool.AvailableNames().Should().Equal("b");
        _time.Advance(Pools.Break - TimeSpan.FromMilliseconds(4_999));

        pool.AvailableNames().Should().Equal("a", "b");
        backend.Circuit.State.Should().Be(CircuitState.Open, "no call has come to test it");
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void Timer_EjectionEnds_BackendRejoinsBySilentPassingOfTime()
    {
        using var pool = Pools.Create(_time, "a", "b");
        _ = new PassiveHealthChecker(
            pool,
            new PassiveHealthOptions
            {
                ConsecutiveFailures = 1,
                Silence = false,
                Jitter = 0,
            }
        );
        pool.Find("a")!.Fail();
        pool.AvailableNames().Should().Equal("b");
        pool.Snapshot.Refusals.Ejected.Should().Be(1);
        _time.NextDue.Should().Be(TimeSpan.FromSeconds(5));

        _time.Advance(TimeSpan.FromMilliseconds(4_999));
        pool.AvailableNames().Should().Equal("b");
        _time.Advance(TimeSpan.FromMilliseconds(1));

        pool.AvailableNames().Should().Equal("a", "b");
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void Timer_SeveralEnds_OneTimerServesThemInOrder()
    {
        using var pool = Pools.Create(_time, "a", "b", "c", "d", "e");
        _ = new PassiveHealthChecker(
            pool,
            new PassiveHealthOptions
            {
                ConsecutiveFailures = 1,
                Silence = false,
                Jitter = 0,
            }
        );
        pool.Find("a")!.Fail();
        _time.Advance(TimeSpan.FromSeconds(2));
        pool.Find("b")!.Fail();

        _time.ArmedTimers.Should().Be(1);
        _time.Advance(TimeSpan.FromSeconds(3));
        pool.AvailableNames().Should().Equal("a", "c", "d", "e");
        _time.ArmedTimers.Should().Be(1);
        _time.Advance(TimeSpan.FromSeconds(2));
        pool.AvailableNames().Should().Equal("a", "b", "c", "d", "e");
        _time.ArmedTimers.Should().Be(0);
    }

    /// <summary>A change within 50 ms sets the timer for itself; the end of an ejection is not lost by that.</summary>
    [Fact]
    public void Timer_CoalescedChangeInBetween_StillEndsTheEjection()
    {
        using var pool = Pools.Create(_time, "a", "b", "c");
        _ = new PassiveHealthChecker(
            pool,
            new PassiveHealthOptions
            {
                ConsecutiveFailures = 1,
                Silence = false,
                Jitter = 0,
            }
        );
        pool.Find("a")!.Fail();
        pool.Find("b")!.SetAlive(false);
        pool.Find("b")!.SetAlive(true);

        _time.Advance(TimeSpan.FromSeconds(5));

        pool.AvailableNames().Should().Equal("a", "b", "c");
    }

    /// <summary>A backend whose trials are all taken leaves the snapshot until one is free.</summary>
    [Fact]
    public void HalfOpen_TrialTaken_LeavesTheSnapshotUntilItIsFree()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        var backend = pool.Find("a")!;
        backend.Fail();
        _time.Advance(Pools.Break);
        pool.AvailableNames().Should().Equal("a", "b");
        _time.Advance(Pools.Rest);

        var trial = backend.Lease();
        pool.AvailableNames().Should().Equal("b");
        pool.Snapshot.Refusals.AwaitingTrial.Should().Be(1);
        _time.Advance(Pools.Rest);

        trial.End(Success);
        pool.AvailableNames().Should().Equal("a", "b");
        _time.Advance(Pools.Rest);

        backend.Succeed();
        _time.Advance(Pools.Rest);
        backend.Circuit.State.Should().Be(CircuitState.Closed);
        backend.State.Should().Be(BackendState.Healthy);
        backend.Status.Detail.Should().Be("circuit closed");
        pool.AvailableNames().Should().Equal("a", "b");
    }

    /// <summary>Law 8: a trial that never reports keeps nobody out for ever; the timer alone brings the backend back.</summary>
    [Fact]
    public void HalfOpen_TrialLost_RejoinsByTimeAlone()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        var backend = pool.Find("a")!;
        backend.Fail();
        _time.Advance(Pools.Break);
        _ = backend.Lease();
        _time.Advance(Pools.Rest);
        pool.AvailableNames().Should().Equal("b");

        _time.Advance(TimeSpan.FromSeconds(31));
        pool.AvailableNames().Should().Equal("a", "b");
    }

    [Fact]
    public void WhenSuperseded_NextSnapshot_Completes()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var snapshot = pool.Snapshot;
        var waiting = snapshot.WhenSuperseded();
        waiting.IsCompleted.Should().BeFalse();

        pool.Find("a")!.Disable();

        waiting.IsCompletedSuccessfully.Should().BeTrue();
        snapshot.WhenSuperseded().IsCompletedSuccessfully.Should().BeTrue("who asks late must not wait for ever");
        pool.Snapshot.WhenSuperseded().IsCompleted.Should().BeFalse();
    }

    /// <summary>Law 13: a selector that throws is reported; traffic goes on.</summary>
    [Fact]
    public async Task Selector_Throws_IsReportedAndTrafficFlowsToWhatIsAvailable()
    {
        var selector = new ThrowingSelector();
        var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b"), Pools.Definition("c")],
            selector,
            timeProvider: _time,
            random: new SeededRandom(7)
        );
        _time.Advance(Pools.Rest);
        var events = new EventRecord(pool);
        selector.IsThrowing = true;

        pool.Find("a")!.SetAlive(false);
        var picked = Enumerable.Range(0, 50).Select(_ => PickOnce(pool)).ToHashSet();
        _time.Advance(Pools.Rest);
        selector.IsThrowing = false;
        pool.Find("a")!.SetAlive(true);

        picked.Should().BeEquivalentTo("b", "c");
        pool.Snapshot.Picker.Should().NotBeNull("the next change asks the selector again");
        (await events.EndAsync())
            .OfType<SelectorFailed>()
            .Should()
            .ContainSingle()
            .Which.Exception.Message.Should()
            .Be("selector");
    }

    /// <summary>Positions survive: each picker is made from the one before.</summary>
    [Fact]
    public void Selector_EachSnapshot_IsGivenThePickerBefore()
    {
        var selector = new ThrowingSelector();
        using var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b")],
            selector,
            timeProvider: _time
        );
        _time.Advance(Pools.Rest);
        var first = pool.Snapshot.Picker;
        selector.Previous.Should().BeNull();

        pool.Find("a")!.Disable();

        selector.Previous.Should().BeSameAs(first);
        selector.Available.Should().Equal(pool.Find("b")!);
    }

    private static string PickOnce(BackendPool pool)
    {
        var lease = pool.TryLease()!;
        lease.End(Success);
        return lease.Backend.Name;
    }

    private sealed class ThrowingSelector : IBackendSelector
    {
        private readonly RoundRobinSelector _inner = new();

        public bool IsThrowing { get; set; }

        public BackendPicker? Previous { get; private set; }

        public IReadOnlyList<Backend> Available { get; private set; } = [];

        public BackendPicker CreatePicker(IReadOnlyList<Backend> available, BackendPicker? previous, Random random)
        {
            Previous = previous;
            Available = available;
            return IsThrowing
                ? throw new InvalidOperationException("selector")
                : _inner.CreatePicker(available, previous, random);
        }
    }
}
