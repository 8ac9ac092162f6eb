using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Passive;

/// <summary>R132 to R134: real traffic ejects, time re-admits, and the last backend stays (law 6).</summary>
public sealed class PassiveHealthCheckerTests
{
    private static readonly AttemptOutcome Neutral = new(OutcomeKind.Neutral, FailureKind.Cancelled);

    private readonly FakeTime _time = new();

    /// <summary>R70, S25.</summary>
    [Fact]
    public void Failures_AsManyInARowAsTheThreshold_Eject()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;

        backend.Fail(4);
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        pool.AvailableNames().Should().Equal("a", "b");
        backend.Fail();

        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        backend.State.Should().Be(BackendState.Unhealthy);
        backend.Status.Reason.Should().Be(StateReason.Passive);
        backend.Status.Detail.Should().Be("5 consecutive failures, the last: no connection; ejected for 5000 ms");
        backend.EjectedFor.Should().Be(TimeSpan.FromSeconds(5));
        pool.AvailableNames().Should().Equal("b");
    }

    /// <summary>R3, R40, R134: with a threshold of one the next request goes elsewhere, with no polling delay.</summary>
    [Fact]
    public void Failure_ThresholdOfOne_NextRequestUsesAnother()
    {
        using var pool = Create(new PassiveHealthOptions { ConsecutiveFailures = 1 }, "a", "b");
        var lease = pool.TryLease()!;
        var failed = lease.Backend;

        lease.End(new AttemptOutcome(OutcomeKind.Failure, FailureKind.ConnectTimeout));

        for (var i = 0; i < 10; i++)
        {
            var next = pool.TryLease()!;
            next.Backend.Should().NotBeSameAs(failed);
            next.Return();
        }
    }

    /// <summary>R132, S24.</summary>
    [Fact]
    public void Success_EndsTheRun()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;

        backend.Fail(4);
        backend.Passive.ConsecutiveFailures.Should().Be(4);
        backend.Succeed();
        backend.Passive.ConsecutiveFailures.Should().Be(0);
        backend.Fail(4);
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        backend.Fail();

        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
    }

    /// <summary>S29.</summary>
    [Fact]
    public void Runs_OfTwoBackends_AreIndependent()
    {
        using var pool = Create("a", "b", "c");
        var (a, b) = (pool.Find("a")!, pool.Find("b")!);

        a.Fail(2);
        b.Succeed();

        a.Passive.ConsecutiveFailures.Should().Be(2);
        b.Passive.ConsecutiveFailures.Should().Be(0);
    }

    /// <summary>Law 3: the caller's cancellation neither adds to a run nor ends it.</summary>
    [Fact]
    public void Neutral_NeitherAddsToTheRunNorEndsIt()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;

        backend.Fail(4);
        for (var i = 0; i < 20; i++)
        {
            backend.Lease().End(Neutral);
        }

        backend.Passive.ConsecutiveFailures.Should().Be(4);
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        backend.Fail();
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
    }

    /// <summary>C-20: an application's 500s eject, and never open a circuit.</summary>
    [Fact]
    public void ApplicationFailures_CountHereButNotForTheCircuit()
    {
        using var pool = Create("a", "b");
        var (a, b) = (pool.Find("a")!, pool.Find("b")!);

        a.FailInApplication(5);
        a.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        a.Status.Detail.Should().StartWith("5 consecutive failures, the last: status 500");
        b.FailInApplication(100);

        b.PassiveVerdict.Should().Be(PassiveVerdict.Healthy, "it is the last");
        b.Circuit.State.Should().Be(CircuitState.Closed);
        b.Failures.Should().Be(100);
    }

    /// <summary>C-20: ejection, which spares the last backend, comes before the circuit, which does not.</summary>
    [Fact]
    public void Failures_InAPoolOfSeveral_EjectBeforeTheCircuitOpens()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;

        backend.Fail(5);

        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        backend.Circuit.State.Should().Be(CircuitState.Closed);
    }

    /// <summary>Law 6 and C-20: the last backend stays, and its circuit opens at ten.</summary>
    [Theory]
    [InlineData("a")]
    [InlineData("a", "b")]
    public void Failures_OfTheLast_NeverEjectAndOpenItsCircuitAtTen(params string[] names)
    {
        using var pool = Create(names);
        foreach (var other in pool.Backends.Skip(1))
        {
            other.Fail(5);
        }

        var last = pool.Backends[0];
        last.Fail(9);
        last.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        last.Circuit.State.Should().Be(CircuitState.Closed);
        last.TryLease()!.End(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect));

        last.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        last.Circuit.State.Should().Be(CircuitState.Open);
    }

    /// <summary>Law 6: never more than max(1, half of the enabled ones, rounded down).</summary>
    [Theory]
    [InlineData(1, 0)]
    [InlineData(2, 1)]
    [InlineData(3, 1)]
    [InlineData(4, 2)]
    [InlineData(5, 2)]
    [InlineData(7, 3)]
    [InlineData(10, 5)]
    public void Failures_OfAll_EjectAtMostHalf(int backends, int ejected)
    {
        using var pool = Create([.. Enumerable.Range(0, backends).Select(i => $"b{i}")]);

        foreach (var backend in pool.Backends)
        {
            backend.Fail(5);
        }

        EjectedIn(pool).Should().Be(ejected);
    }

    /// <summary>Law 6 counts those that could take traffic: neither disabled, draining, weightless nor unhealthy.</summary>
    [Fact]
    public void Failures_OthersTakeNoTraffic_DoNotEjectTheLastThatDoes()
    {
        using var pool = Create(Pools.CircuitsOpenAfter(100), new PassiveHealthOptions(), "a", "b", "c", "d", "e");
        pool.Add(Pools.Definition("f", weight: 0));
        pool.Find("b")!.Disable();
        pool.Find("c")!.Drain();
        pool.Find("d")!.SetAlive(false);
        pool.Find("e")!.SetAlive(false);

        pool.Find("a")!.Fail(50);

        pool.Find("a")!.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        pool.Find("e")!.SetAlive(true);
        pool.Find("a")!.Fail(5);
        pool.Find("a")!.PassiveVerdict.Should().Be(PassiveVerdict.Ejected, "now another is left");
    }

    /// <summary>Law 6: a backend whose circuit is open would take no traffic either.</summary>
    [Fact]
    public void Failures_OtherHasAnOpenCircuit_DoNotEjectTheLastThatAdmits()
    {
        using var pool = Create(Pools.CircuitsOpenAfter(3), new PassiveHealthOptions(), "a", "b");
        var (a, b) = (pool.Find("a")!, pool.Find("b")!);
        b.Fail(3);
        b.Circuit.State.Should().Be(CircuitState.Open);

        a.FailInApplication(5);
        a.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        _time.Advance(Pools.Break);
        a.FailInApplication(5);

        a.PassiveVerdict.Should().Be(PassiveVerdict.Ejected, "the other one may be tested again");
    }

    /// <summary>Law 6 under threads: all fail at once, and never are more out than allowed.</summary>
    [Fact]
    public async Task Failures_OfAllAtOnce_EjectAtMostHalf()
    {
        for (var round = 0; round < 50; round++)
        {
            using var pool = Create(
                Pools.CircuitsOpenAfter(4_095),
                new PassiveHealthOptions(),
                "a",
                "b",
                "c",
                "d",
                "e"
            );
            using var barrier = new Barrier(5);
            await Task.WhenAll(
                pool.Backends.Select(backend =>
                    Task.Run(() =>
                    {
                        barrier.SignalAndWait();
                        backend.Fail(50);
                    })
                )
            );

            EjectedIn(pool).Should().Be(2);
        }
    }

    /// <summary>R141, point 12 of what the peers get wrong: re-admitted by time, exactly once, without a request.</summary>
    [Fact]
    public async Task Ejection_Ends_ReadmitsExactlyOnce()
    {
        var pool = Create("a", "b");
        var backend = pool.Find("a")!;
        var events = new EventRecord(pool);
        backend.Fail(5);

        _time.Advance(TimeSpan.FromMilliseconds(4_999));
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        backend.EjectedFor.Should().Be(TimeSpan.Zero);
        pool.AvailableNames().Should().Equal("a", "b");
        _time.Advance(TimeSpan.FromHours(1));
        backend.Status.Detail.Should().Be("ejection ended");

        (await events.EndAsync())
            .OfType<BackendStateChanged>()
            .Select(change => (change.To.State, change.To.Reason))
            .Should()
            .Equal((BackendState.Unhealthy, StateReason.Passive), (BackendState.Healthy, StateReason.None));
    }

    /// <summary>Point 12 besides: the moment at which an earlier ejection would have ended ends no later one.</summary>
    [Fact]
    public void Ejection_EndedByHandAndBegunAnew_LastsItsOwnTime()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(100), "a", "b");
        var checker = new PassiveHealthChecker(pool, new PassiveHealthOptions { Jitter = 0 });
        var backend = pool.Find("a")!;
        backend.Fail(5);
        _time.Advance(TimeSpan.FromSeconds(4));
        checker.Reset(backend);
        backend.Fail(5);

        _time.Advance(TimeSpan.FromSeconds(1));
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected, "5 s have passed since the first began");
        _time.Advance(TimeSpan.FromMilliseconds(3_999));
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        _time.Advance(TimeSpan.FromMilliseconds(1));

        backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        pool.AvailableNames().Should().Equal("a", "b");
    }

    /// <summary>C-19: a passing probe, or the operator's word about probes, never ends an ejection early.</summary>
    [Fact]
    public void Ejection_SetAlive_DoesNotEndIt()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;
        backend.Fail(5);

        backend.SetAlive(true);

        backend.IsAlive.Should().BeFalse();
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
    }

    [Fact]
    public void Ejections_OneAfterTheOther_DoubleUpToTheCap()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;
        var lengths = new List<double>();

        for (var i = 0; i < 9; i++)
        {
            backend.Fail(5);
            // Ten failures with no success in between would open the circuit, which is not the subject here.
            backend.Circuit.Reset();
            lengths.Add(backend.EjectedFor.TotalSeconds);
            _time.Advance(backend.EjectedFor);
        }

        lengths.Should().Equal(5, 10, 20, 40, 80, 160, 300, 300, 300);
    }

    /// <summary>The random share is taken away, never added: the cap holds.</summary>
    [Fact]
    public void Ejections_Jitter_TakesAwayAShare()
    {
        using var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b")],
            new RoundRobinSelector(),
            timeProvider: _time,
            random: new ScriptedRandom(0.5)
        );
        _ = new PassiveHealthChecker(pool, new PassiveHealthOptions { Jitter = 0.1 });

        pool.Find("a")!.Fail(5);

        pool.Find("a")!.EjectedFor.Should().Be(TimeSpan.FromMilliseconds(4_750));
    }

    [Fact]
    public void Ejections_AfterAGoodStretchAsLongAsTheLast_AreForgivenOne()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;
        Eject(backend).Should().Be(5);
        Eject(backend).Should().Be(10);
        Eject(backend).Should().Be(20);

        _time.Advance(TimeSpan.FromSeconds(19.9));
        backend.Succeed();
        Eject(backend).Should().Be(40, "the stretch was too short to forgive anything");

        _time.Advance(TimeSpan.FromSeconds(40));
        backend.Succeed();
        Eject(backend).Should().Be(40, "a good stretch of 40 s forgives the last one");

        _time.Advance(TimeSpan.FromHours(1));
        backend.Succeed();
        Eject(backend).Should().Be(5, "all is forgiven");
    }

    /// <summary>
    /// What was in flight when the backend was ejected fails later: that is old evidence, and must not let a single
    /// failure eject it again once it is back.
    /// </summary>
    [Fact]
    public void Ejection_StragglersFailMeanwhile_ReadmissionBeginsANewRun()
    {
        using var pool = Create("a", "b");
        var backend = pool.Find("a")!;
        var stragglers = Enumerable.Range(0, 4).Select(_ => backend.Lease()).ToArray();
        backend.Fail(5);
        foreach (var straggler in stragglers)
        {
            straggler.End(new AttemptOutcome(OutcomeKind.Failure, FailureKind.AttemptTimeout));
        }

        _time.Advance(TimeSpan.FromSeconds(5));
        backend.Fail();

        backend.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        backend.Passive.ConsecutiveFailures.Should().Be(1);
    }

    /// <summary>An ejection that was refused, because the backend was the last, is asked for again every five failures.</summary>
    [Fact]
    public void Failures_RefusedAsTheLast_EjectOnceAnotherIsBack()
    {
        using var pool = Create(Pools.CircuitsOpenAfter(100), new PassiveHealthOptions(), "a", "b");
        var (a, b) = (pool.Find("a")!, pool.Find("b")!);
        b.Disable();
        a.Fail(7);
        b.Enable();

        a.Fail(2);
        a.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        a.Fail();
        a.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
    }

    /// <summary>R35: switched off means absent.</summary>
    [Fact]
    public void Disabled_FailuresEjectNobody()
    {
        using var pool = Create(Pools.CircuitsOpenAfter(100), new PassiveHealthOptions { Enabled = false }, "a", "b");

        pool.Find("a")!.Fail(50);

        pool.Find("a")!.PassiveVerdict.Should().Be(PassiveVerdict.Healthy);
        pool.Find("a")!.Passive.ConsecutiveFailures.Should().Be(0);
    }

    /// <summary>Law 15: new rules keep evidence and ejections.</summary>
    [Fact]
    public void Configure_NewThreshold_KeepsEvidenceAndEjections()
    {
        using var pool = Pools.Create(_time, "a", "b", "c", "d");
        var checker = new PassiveHealthChecker(pool, new PassiveHealthOptions { Jitter = 0 });
        pool.Find("a")!.Fail(5);
        pool.Find("b")!.Fail(2);

        checker.Configure(new PassiveHealthOptions { ConsecutiveFailures = 3, Jitter = 0 });
        pool.Find("a")!.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        pool.Find("b")!.Fail();

        pool.Find("b")!.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
    }

    [Fact]
    public void Configure_SwitchedOff_EndsEjectionsAndRuns()
    {
        using var pool = Pools.Create(_time, "a", "b");
        var checker = new PassiveHealthChecker(pool);
        pool.Find("a")!.Fail(5);
        pool.Find("b")!.Fail(2);
        _time.Advance(Pools.Rest);

        checker.Configure(new PassiveHealthOptions { Enabled = false });

        pool.Find("a")!.State.Should().Be(BackendState.Healthy);
        pool.Find("b")!.Passive.ConsecutiveFailures.Should().Be(0);
        pool.AvailableNames().Should().Equal("a", "b");
    }

    [Fact]
    public void Constructor_SecondCheckerOfAPool_IsRefused()
    {
        using var pool = Create("a");
        var create = () => new PassiveHealthChecker(pool);

        create.Should().Throw<InvalidOperationException>().WithMessage("*'catalog' has a passive health checker*");
    }

    [Fact]
    public void Constructor_OptionsOutOfRange_NamesEveryOne()
    {
        using var pool = Pools.Create(_time, "a");
        var options = new PassiveHealthOptions
        {
            ConsecutiveFailures = -1,
            EjectionTime = TimeSpan.FromMinutes(10),
            Jitter = 2,
        };
        var create = () => new PassiveHealthChecker(pool, options);

        create
            .Should()
            .Throw<ArgumentException>()
            .WithMessage(
                "*ConsecutiveFailures is -1*MaxEjectionTime*must not be shorter than EjectionTime*Jitter is 2*"
            );
        pool.Observer.Should().BeNull();
    }

    /// <summary>S22: what is set is kept, and decides.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public void Options_WhatIsSet_IsKeptAndDecides(int failures)
    {
        var options = new PassiveHealthOptions
        {
            ConsecutiveFailures = failures,
            FailureRate = 0.9,
            MinimumRequests = 1_000,
            Window = TimeSpan.FromSeconds(30),
        };
        using var pool = Pools.Create(_time, "a", "b");
        _ = new PassiveHealthChecker(pool, options);
        var backend = pool.Find("a")!;

        backend.Fail(failures - 1);
        var before = backend.PassiveVerdict;
        backend.Fail();

        before.Should().Be(PassiveVerdict.Healthy);
        backend.PassiveVerdict.Should().Be(PassiveVerdict.Ejected);
        (options.ConsecutiveFailures, options.FailureRate, options.MinimumRequests, options.Window)
            .Should()
            .Be((failures, 0.9, 1_000, TimeSpan.FromSeconds(30)));
    }

    /// <summary>R68, R74, S23.</summary>
    [Fact]
    public void Options_Defaults_AreThoseOfTheDesign()
    {
        var options = new PassiveHealthOptions();

        options.Enabled.Should().BeTrue();
        options.ConsecutiveFailures.Should().Be(5);
        options.FailureRate.Should().Be(0.5);
        options.MinimumRequests.Should().Be(10);
        options.Window.Should().Be(TimeSpan.FromMinutes(1));
        options.SlowResponseTime.Should().Be(TimeSpan.Zero, "slow responses are no evidence unless asked for");
        options.Silence.Should().BeTrue();
        options.RelativeFailureGap.Should().Be(0);
        options.RelativeTimeFactor.Should().Be(0);
        options.DryRun.Should().BeFalse();
        options.MaxCoolingTime.Should().Be(TimeSpan.FromSeconds(30));
        options.EjectionTime.Should().Be(TimeSpan.FromSeconds(5));
        options.MaxEjectionTime.Should().Be(TimeSpan.FromSeconds(300));
        options.Jitter.Should().Be(0.1);
    }

    private static int EjectedIn(BackendPool pool) =>
        pool.Backends.Count(backend => backend.PassiveVerdict == PassiveVerdict.Ejected);

    /// <summary>Ejects it, waits for the end, and tells how long it was in seconds.</summary>
    private double Eject(Backend backend)
    {
        backend.Fail(5);
        backend.Circuit.Reset();
        var length = backend.EjectedFor;
        _time.Advance(length);
        return length.TotalSeconds;
    }

    private BackendPool Create(params string[] names) => Create(new PassiveHealthOptions { Jitter = 0 }, names);

    private BackendPool Create(PassiveHealthOptions options, params string[] names) => Create(new(), options, names);

    private BackendPool Create(BackendPoolOptions poolOptions, PassiveHealthOptions options, params string[] names)
    {
        var pool = Pools.Create(_time, poolOptions, names);
        _ = new PassiveHealthChecker(pool, options);
        return pool;
    }
}
