using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>What the operator says beats everything and is undone by nobody else.</summary>
public sealed class BackendAdministrationTests
{
    private static readonly AttemptOutcome Success = new(OutcomeKind.Success, StatusCode: 200);

    private readonly FakeTime _time = new();

    /// <summary>S6: draining stays after successes and failures.</summary>
    [Fact]
    public void Drain_ThenVerdictsAndTraffic_StaysDraining()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        backend.Drain();
        lease.End(Success);
        backend.SetAlive(true);
        backend.SetAlive(false);
        backend.SetAlive(true);
        _time.Advance(TimeSpan.FromHours(1));

        backend.State.Should().Be(BackendState.Draining);
        backend.Status.Reason.Should().Be(StateReason.Draining);
        backend.Administration.Should().Be(AdministrativeState.Draining);
        pool.AvailableNames().Should().Equal("b");
        pool.Snapshot.Refusals.Draining.Should().Be(1);
    }

    [Fact]
    public void Drain_NothingElseLeft_StillRefuses()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;

        backend.Drain();

        pool.Snapshot.Available.Should().BeEmpty();
        pool.Snapshot.IsFailOpen.Should().BeFalse();
        backend.TryLease().Should().BeNull();
    }

    [Fact]
    public void Enable_AfterDrain_TakesTrafficAgain()
    {
        using var pool = Pools.Create(_time, "a");
        var backend = pool.Find("a")!;
        backend.Drain();
        _time.Advance(Pools.Rest);

        backend.Enable();

        backend.State.Should().Be(BackendState.Healthy);
        backend.Status.Detail.Should().Be("enabled by the operator");
        pool.AvailableNames().Should().Equal("a");
        backend.Lease().End(Success);
    }

    [Fact]
    public void Disable_RefusesEverythingUntilEnable()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;

        backend.Disable();
        backend.SetAlive(true);

        backend.State.Should().Be(BackendState.Unhealthy);
        backend.Status.Reason.Should().Be(StateReason.Disabled);
        backend.TryLease().Should().BeNull();
        pool.AvailableNames().Should().Equal("b");
        pool.Snapshot.Refusals.Disabled.Should().Be(1);
        _time.Advance(Pools.Rest);

        backend.Enable();
        pool.AvailableNames().Should().Equal("a", "b");
    }

    [Fact]
    public void Enable_OverAnUnhealthyVerdict_ShowsTheVerdict()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        backend.SetAlive(false);
        backend.Disable();
        backend.Status.Reason.Should().Be(StateReason.Disabled, "the first objection is shown");

        backend.Enable();

        backend.Status.Reason.Should().Be(StateReason.Active, "the second one has been kept");
    }

    [Fact]
    public async Task DrainAsync_NothingInFlight_EndsAtOnce()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;

        var drained = await backend.DrainAsync(TimeSpan.Zero);

        drained.Should().BeTrue();
        backend.State.Should().Be(BackendState.Draining);
    }

    /// <summary>A lease is held to the end of the response body, so a body that is being read counts.</summary>
    [Fact]
    public async Task DrainAsync_LeasesOut_EndsWithTheLastOne()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var sending = backend.Lease();
        var reading = backend.Lease();
        reading.Report(Success);

        var draining = backend.DrainAsync(Timeout.InfiniteTimeSpan);
        sending.End(Success);
        draining.IsCompleted.Should().BeFalse("a reported lease is not a returned one");
        reading.Return();

        (await draining).Should().BeTrue();
        backend.InFlight.Should().Be(0);
    }

    [Fact]
    public async Task DrainAsync_TimeIsUp_SaysSoAndStaysDraining()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        var draining = backend.DrainAsync(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromMilliseconds(9_999));
        draining.IsCompleted.Should().BeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(1));

        (await draining).Should().BeFalse();
        backend.State.Should().Be(BackendState.Draining);
        lease.Return();
    }

    [Fact]
    public async Task DrainAsync_Cancelled_EndsTheWaitingNotTheDraining()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();
        using var cancellation = new CancellationTokenSource();

        var draining = backend.DrainAsync(Timeout.InfiniteTimeSpan, cancellation.Token);
        await cancellation.CancelAsync();

        await FluentActions.Awaiting(() => draining).Should().ThrowAsync<OperationCanceledException>();
        backend.State.Should().Be(BackendState.Draining);
        lease.Return();
    }

    [Fact]
    public async Task DrainAsync_SecondTimeAfterEnable_WaitsAnew()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        await backend.DrainAsync(TimeSpan.Zero);
        backend.Enable();
        var lease = backend.Lease();

        var draining = backend.DrainAsync(Timeout.InfiniteTimeSpan);

        draining.IsCompleted.Should().BeFalse();
        lease.Return();
        (await draining).Should().BeTrue();
    }

    /// <summary>
    /// Who leaves last counts itself out and then wakes the drains. Held up between the two, it woke a later drain that
    /// had attempts in flight, and that said that there were none.
    /// </summary>
    [Fact]
    public async Task DrainAsync_WokenByOneWhoLeftBeforeItBegan_WaitsOn()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        backend.Lease();
        backend.CountOut().Should().BeTrue("it was the last one");
        var later = backend.Lease();

        var draining = backend.DrainAsync(TimeSpan.FromSeconds(10));
        backend.WakeDrains();
        await RoomForOthersAsync();
        draining.IsCompleted.Should().BeFalse("one is in flight");
        later.Return();

        (await draining).Should().BeTrue();
        backend.InFlight.Should().Be(0);
    }

    /// <summary>A wake-up that was none does not make the time longer.</summary>
    [Fact]
    public async Task DrainAsync_WokenForNothing_StillEndsAtItsTime()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();

        var draining = backend.DrainAsync(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromSeconds(6));
        backend.WakeDrains();
        await RoomForOthersAsync();
        _time.Advance(TimeSpan.FromSeconds(4));

        (await draining).Should().BeFalse();
        lease.Return();
    }

    /// <summary>
    /// At the end of a drain nothing is in flight, whoever leaves at that moment, and no drain waits for ever.
    /// </summary>
    [Fact]
    public async Task DrainAsync_LeasesReturnedByManyThreads_EndsWithNoneInFlight()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var drainedWithSomeOut = 0;
        for (var round = 0; round < 2_000; round++)
        {
            backend.Enable();
            var leases = Enumerable.Range(0, 3).Select(_ => backend.Lease()).ToArray();
            var returning = leases.Select(lease => Task.Run(lease.Return)).ToArray();
            var isDrained = await backend.DrainAsync(Timeout.InfiniteTimeSpan).WaitAsync(TimeSpan.FromSeconds(15));
            drainedWithSomeOut += isDrained && backend.InFlight > 0 ? 1 : 0;
            await Task.WhenAll(returning);
        }

        drainedWithSomeOut.Should().Be(0);
    }

    [Fact]
    public async Task DrainAsync_OfARemovedBackend_WaitsForWhatItHas()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var lease = backend.Lease();
        pool.Remove("a");

        var draining = backend.DrainAsync(Timeout.InfiniteTimeSpan);
        draining.IsCompleted.Should().BeFalse();
        lease.Return();

        (await draining).Should().BeTrue();
    }

    /// <summary>
    /// Who drains sets the state before it looks at the count, who acquires counts before it looks at the state: no
    /// attempt slips in after the drain has said that nothing is in flight.
    /// </summary>
    [Fact]
    public async Task DrainAsync_WhileAThreadAcquires_NeverEndsWithAnAttemptOut()
    {
        const int rounds = 1_000;
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var acquired = 0;
        var isDrained = false;
        var isEnding = false;
        var lateLeases = 0;
        var acquiring = Task.Run(() =>
        {
            while (!Volatile.Read(ref isEnding))
            {
                if (backend.TryLease() is { } lease)
                {
                    // Whoever holds a lease while the drain has ended was let in too late.
                    lateLeases += Volatile.Read(ref isDrained) ? 1 : 0;
                    lease.Return();
                    Interlocked.Increment(ref acquired);
                }
            }
        });
        for (var round = 0; round < rounds; round++)
        {
            var before = Volatile.Read(ref acquired);
            Volatile.Write(ref isDrained, false);
            backend.Enable();
            SpinWait.SpinUntil(() => Volatile.Read(ref acquired) != before, TimeSpan.FromSeconds(15));
            await backend.DrainAsync(Timeout.InfiniteTimeSpan);
            Volatile.Write(ref isDrained, true);
            // Time for one that was let in to be seen.
            Thread.SpinWait(500);
        }

        Volatile.Write(ref isEnding, true);
        await acquiring;

        lateLeases.Should().Be(0);
        backend.InFlight.Should().Be(0);
    }

    /// <summary>R1, R2, R29, S7.</summary>
    [Fact]
    public void SetAlive_False_TakesItOutOfRotationAndTrueBringsItBack()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;

        backend.SetAlive(false);
        backend.IsAlive.Should().BeFalse();
        backend.Status.Should().Match<BackendStatus>(status => status.Reason == StateReason.Active);
        backend.Status.Detail.Should().Be("set dead by hand");
        pool.AvailableNames().Should().Equal("b");
        pool.GetHealthyBackends().Should().Equal(pool.Find("b")!);
        _time.Advance(Pools.Rest);

        backend.SetAlive(true);
        backend.IsAlive.Should().BeTrue();
        backend.Status.Detail.Should().Be("set alive by hand");
        pool.AvailableNames().Should().Equal("a", "b");
    }

    /// <summary>R182 with C-18: health is advice.</summary>
    [Fact]
    public void SetAlive_FalseForAll_LeavesNobodyAliveButTrafficFlows()
    {
        using var pool = Pools.Create(_time, "a", "b");

        pool.Find("a")!.SetAlive(false);
        pool.Find("b")!.SetAlive(false);
        _time.Advance(Pools.Rest);

        pool.GetHealthyBackends().Should().BeEmpty();
        pool.TryLease().Should().NotBeNull();
    }

    /// <summary>C-19: a verdict by hand is the probes' verdict; it closes no circuit.</summary>
    [Fact]
    public void SetAlive_True_LetsAnOpenCircuitTestAtOnceOnce()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        var backend = pool.Find("a")!;
        backend.Fail();
        backend.SetAlive(false);
        backend.TryLease().Should().BeNull();

        backend.SetAlive(true);

        backend.IsAlive.Should().BeFalse("the circuit is open until its trials have succeeded");
        var trial = backend.Lease();
        trial.IsTrial.Should().BeTrue();
        backend.TryLease().Should().BeNull("one trial at a time");
        trial.End(Success);
        backend.Circuit.State.Should().Be(CircuitState.HalfOpen);
    }

    [Fact]
    public void Status_SecondObjection_KeepsTheStatesAge()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        backend.SetAlive(false);
        var since = _time.GetUtcNow();
        _time.Advance(TimeSpan.FromMinutes(1));

        backend.Disable();

        backend.Status.Reason.Should().Be(StateReason.Disabled);
        backend.Status.Since.Should().Be(since, "it has been unhealthy all the time (R59)");
    }

    /// <summary>What is shown beside the state is as young as the state.</summary>
    [Fact]
    public void Status_SameObjectionForAnotherReason_ShowsTheYoungerDetail()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        var backend = pool.Find("a")!;
        backend.Fail();
        var since = backend.Status.Since;
        backend.Status.Detail.Should().EndWith("no connection");
        _time.Advance(Pools.Break);

        backend.FailWith(FailureKind.ConnectionLost);

        backend.Status.Reason.Should().Be(StateReason.Circuit);
        backend.Status.Detail.Should().EndWith("connection lost");
        backend.Status.Since.Should().Be(since);
    }

    /// <summary>A pool that has ended has no backend that takes traffic, and none that seems to.</summary>
    [Fact]
    public void Status_PoolDisposed_IsNotHealthyAnyMore()
    {
        var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;

        pool.Dispose();

        backend.State.Should().Be(BackendState.Draining);
        backend.IsAlive.Should().BeFalse();
        backend.Administration.Should().Be(AdministrativeState.Draining);
        pool.GetHealthyBackends().Should().BeEmpty();
    }

    /// <summary>Lets continuations run that are wrong to be there.</summary>
    private static async Task RoomForOthersAsync()
    {
        for (var i = 0; i < 20; i++)
        {
            await Task.Run(() => { });
        }
    }
}
