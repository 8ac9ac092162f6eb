using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Tests.Backends;
using Resilience.Tests.Health.Active;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health;

/// <summary>
/// Probes and requests judge the same backends, each on its own evidence, and one state follows from both (R30, R50, R77,
/// R106, R151, C-19).
/// </summary>
public sealed class HybridTests
{
    /// <summary>R35: the four modes, told apart by what takes a backend out of rotation.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task Mode_SaysWhoseWordCounts(bool isActive, bool isPassive)
    {
        await using var world = World(isActive, isPassive, "a", "b", "c", "d");
        world.Probe.Down.Add("a");
        await world.StartAsync();

        await world.PassAsync(30);
        world["b"].Fail(5);
        world["c"].SetAlive(false);

        world["a"].IsAlive.Should().Be(!isActive, "its probes fail");
        world["b"].IsAlive.Should().Be(!isPassive, "its requests fail");
        world["c"].IsAlive.Should().BeFalse("the operator's word counts in every mode");
        (world.Probe.Count > 0).Should().Be(isActive);
    }

    /// <summary>Point 16 of what the peers get wrong: a good shallow probe revives nothing whose real traffic fails.</summary>
    [Fact]
    public async Task GoodProbes_OfAnEjectedBackend_DoNotReviveIt()
    {
        await using var world = World(isActive: true, isPassive: true, "a", "b", "c");
        await world.StartAsync();
        world["a"].Fail(5);

        var result = await world.Checker.CheckAsync(world["a"]);
        await world.Checker.CheckAsync(world["a"]);
        await world.PassAsync(4.9);

        result.IsSuccess.Should().BeTrue();
        world["a"].Status.Reason.Should().Be(StateReason.Passive);
        world.Pool.AvailableNames().Should().Equal("b", "c");
        await world.PassAsync(0.1);
        world["a"].IsAlive.Should().BeTrue("time re-admits it");
    }

    /// <summary>R36: and the other way round: the end of an ejection revives nothing whose probes fail.</summary>
    [Fact]
    public async Task EndOfAnEjection_WhileProbesFail_DoesNotReviveIt()
    {
        await using var world = World(isActive: true, isPassive: true, "a", "b", "c");
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(3);
        world["a"].Fail(5);
        world["a"].Status.Reason.Should().Be(StateReason.Passive, "of all objections the first is shown");

        await world.PassAsync(6);
        world["a"].Status.Reason.Should().Be(StateReason.Active);

        world.Probe.Down.Clear();
        await world.PassAsync(10);
        world["a"].IsAlive.Should().BeTrue();
    }

    /// <summary>Point 18 of what the peers get wrong: draining is the operator's alone to undo (S6).</summary>
    [Fact]
    public async Task GoodProbesAndRequests_OfADrainingBackend_DoNotBringItBack()
    {
        await using var world = World(isActive: true, isPassive: true, "a", "b");
        await world.StartAsync();
        var request = world["a"].Lease();
        world["a"].Drain();

        await world.PassAsync(35);
        request.End(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
        world["a"].SetAlive(true);

        world["a"].State.Should().Be(BackendState.Draining);
        world.Probe.TimesOf("a").Length.Should().BeGreaterThan(3);
        world["a"].Enable();
        world["a"].IsAlive.Should().BeTrue();
    }

    /// <summary>Point 18 besides: what one source has marked down, that source marks up again.</summary>
    [Fact]
    public async Task BackendMarkedDownByHand_IsMarkedUpByItsProbes()
    {
        await using var world = World(isActive: true, isPassive: true, "a", "b");
        await world.StartAsync();
        world["a"].SetAlive(false);

        await world.PassAsync(25);

        world["a"].IsAlive.Should().BeTrue();
    }

    /// <summary>S10: after activity all counters begin anew.</summary>
    [Fact]
    public async Task Reset_OfBothSources_LeavesNoCounter()
    {
        await using var world = World(isActive: true, isPassive: false, "a", "b");
        var passive = new PassiveHealthChecker(world.Pool, new PassiveHealthOptions());
        world.Probe.Down.Add("a");
        await world.StartAsync();
        await world.PassAsync(1);
        world["a"].Fail(2);
        world["a"].ConsecutiveProbeFailures.Should().Be(2);
        passive.FiguresOf(world["a"]).Failures.Should().Be(2);

        passive.Reset(world["a"]);
        world["a"].SetAlive(true);

        world["a"].ConsecutiveProbeFailures.Should().Be(0);
        passive.FiguresOf(world["a"]).Should().Be(new PassiveFigures(0, 0, 0, 0, TimeSpan.Zero));
    }

    /// <summary>
    /// R33, and the formula of the page on active health: interval, and the backoff up to the threshold; for a backend
    /// that refuses, just after a probe had found it well. The fifth failed request would have been enough.
    /// </summary>
    [Fact]
    public async Task Detection_OfARefusingBackendByProbesAlone_Takes13Seconds()
    {
        await using var world = World(isActive: true, isPassive: true, "a", "b");
        await world.StartAsync();
        await world.PassAsync(10);
        world.Probe.Down.Add("a");

        await world.PassAsync(12.9);
        world["a"].IsAlive.Should().BeTrue();
        await world.PassAsync(0.1);
        world["a"].IsAlive.Should().BeFalse();

        world["b"].Fail(5);
        world["b"].IsAlive.Should().BeTrue("law 6: it is the last");
        world["a"].SetAlive(true);
        world["b"].Fail(5);
        world["b"].IsAlive.Should().BeFalse();
    }

    /// <summary>R33, R49: for a backend that hangs each probe takes its timeout besides.</summary>
    [Fact]
    public async Task Detection_OfAHangingBackendByProbesAlone_Takes22Seconds()
    {
        await using var world = World(isActive: true, isPassive: true, "a", "b");
        var isHanging = false;
        world.Probe.Script = async (backend, token) =>
        {
            if (Volatile.Read(ref isHanging) && backend.Name == "a")
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, token);
            }

            return world.Probe.Answer(backend);
        };
        await world.StartAsync();
        await world.PassAsync(10);
        Volatile.Write(ref isHanging, true);

        await BeginAsync(at: 10, begun: 6);
        await TimeOutAsync();
        await BeginAsync(at: 1, begun: 7);
        await TimeOutAsync();
        await BeginAsync(at: 2, begun: 8);
        world.Time.Advance(TimeSpan.FromSeconds(2.9));
        world["a"].IsAlive.Should().BeTrue();
        world.Time.Advance(TimeSpan.FromSeconds(0.1));
        await world.Checker.WhenIdleAsync();
        world["a"].IsAlive.Should().BeFalse();
        world.Probe.TimesOf("a").Should().Equal(0, 10, 20, 24, 29);

        async Task BeginAsync(double at, int begun)
        {
            world.Time.Advance(TimeSpan.FromSeconds(at));
            await world.Probe.WhenBegunAsync(begun);
        }

        Task TimeOutAsync()
        {
            world.Time.Advance(TimeSpan.FromSeconds(3));
            return world.Checker.WhenIdleAsync();
        }
    }

    private static CheckedPool World(bool isActive, bool isPassive, params string[] names)
    {
        var world = new CheckedPool(CheckedPool.Exact(options => options.Enabled = isActive), names);
        if (isPassive)
        {
            _ = new PassiveHealthChecker(world.Pool, new PassiveHealthOptions { Jitter = 0 });
        }

        return world;
    }
}
