using FsCheck;
using FsCheck.Fluent;
using Resilience.Backends;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>
/// Law 12: the snapshot is derived from the states, no update is lost, and at rest the two are equal.
/// </summary>
public sealed class PoolConsistencyTests
{
    private static readonly string[] Names = ["a", "b", "c", "d"];

    [Fact]
    public void AnyScript_AtRestAfterEveryStep_SnapshotEqualsStates() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<(PositiveInt What, PositiveInt Which)[]>(),
                script =>
                {
                    var time = new FakeTime();
                    using var pool = CreatePool(time, seed: 1);
                    foreach (var (what, which) in script)
                    {
                        Step(pool, time, what.Get, which.Get);
                        time.Advance(Pools.RebuildSpacing);
                        ShouldBeTrue(pool);
                    }
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    /// <summary>Without time to rest the snapshot may lag, but it never leaves out what it must not admit.</summary>
    [Fact]
    public void AnyScript_WithoutRest_EndsEqualOnceTimePasses() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<(PositiveInt What, PositiveInt Which)[]>(),
                script =>
                {
                    var time = new FakeTime();
                    using var pool = CreatePool(time, seed: 2);
                    foreach (var (what, which) in script)
                    {
                        Step(pool, time, what.Get, which.Get);
                    }

                    time.Advance(Pools.RebuildSpacing);
                    ShouldBeTrue(pool);
                    time.Advance(TimeSpan.FromHours(1));
                    ShouldBeTrue(pool);
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(300));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task ConcurrentOperations_AtRest_SnapshotEqualsStates(int seed)
    {
        var time = new FakeTime();
        using var pool = CreatePool(time, seed);
        await Task.WhenAll(
            Enumerable
                .Range(0, 4)
                .Select(worker =>
                    Task.Run(() =>
                    {
                        var random = new Random((seed * 100) + worker);
                        for (var i = 0; i < 2_000; i++)
                        {
                            Step(pool, time, random.Next(1, 1_000), random.Next(1, 1_000));
                        }
                    })
                )
        );

        time.Advance(Pools.RebuildSpacing);

        ShouldBeTrue(pool);
    }

    /// <summary>Each thread is the only one to change its backend, so its last word must be what is left.</summary>
    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    public async Task ConcurrentOperations_OneOwnerEach_NoUpdateIsLost(int seed)
    {
        var time = new FakeTime();
        using var pool = Pools.Create(time, Names);
        using var barrier = new Barrier(Names.Length);
        var last = await Task.WhenAll(
            Names.Select(name =>
                Task.Run(() =>
                {
                    var random = new Random((seed * 100) + name[0]);
                    var backend = pool.Find(name)!;
                    var isAlive = true;
                    var administration = AdministrativeState.Enabled;
                    barrier.SignalAndWait();
                    for (var i = 0; i < 5_000; i++)
                    {
                        switch (random.Next(4))
                        {
                            case 0:
                                backend.SetAlive(isAlive = !isAlive);
                                break;
                            case 1:
                                backend.Drain();
                                administration = AdministrativeState.Draining;
                                break;
                            case 2:
                                backend.Disable();
                                administration = AdministrativeState.Disabled;
                                break;
                            default:
                                backend.Enable();
                                administration = AdministrativeState.Enabled;
                                break;
                        }
                    }

                    return (Backend: backend, IsAlive: isAlive, Administration: administration);
                })
            )
        );

        time.Advance(Pools.RebuildSpacing);

        foreach (var (backend, isAlive, administration) in last)
        {
            backend.Administration.Should().Be(administration);
            (backend.ActiveVerdict != ActiveVerdict.Unhealthy).Should().Be(isAlive);
        }

        ShouldBeTrue(pool);
    }

    /// <summary>
    /// Two changes at the very same time, each of which rebuilds at once because the pool was at rest: the later
    /// snapshot must know of both.
    /// </summary>
    [Fact]
    public async Task TwoChangesAtOnce_FromRest_AreBothInTheSnapshot()
    {
        const int rounds = 3_000;
        var time = new FakeTime();
        using var pool = Pools.Create(time, Names);
        using var barrier = new Barrier(3);
        var workers = Names[..2]
            .Select(name => pool.Find(name)!)
            .Select(backend =>
                Task.Run(() =>
                {
                    for (var round = 0; round < rounds; round++)
                    {
                        barrier.SignalAndWait();
                        backend.SetAlive(round % 2 == 1);
                        barrier.SignalAndWait();
                    }
                })
            )
            .ToArray();
        var wrong = 0;
        for (var round = 0; round < rounds; round++)
        {
            time.Advance(Pools.Rest);
            barrier.SignalAndWait();
            barrier.SignalAndWait();
            time.Advance(Pools.RebuildSpacing);
            wrong += pool.Snapshot.Available.Count == (round % 2 == 1 ? 4 : 2) ? 0 : 1;
        }

        await Task.WhenAll(workers);

        wrong.Should().Be(0);
    }

    /// <summary>Members come and go while states change: what is left is what the snapshot shows.</summary>
    [Theory]
    [InlineData(21)]
    [InlineData(22)]
    [InlineData(23)]
    public async Task ConcurrentMembersAndStates_AtRest_SnapshotEqualsStates(int seed)
    {
        var time = new FakeTime();
        using var pool = CreatePool(time, seed);
        var isEnding = false;
        var changing = Task.Run(() =>
        {
            var random = new Random(seed);
            while (!Volatile.Read(ref isEnding))
            {
                Step(pool, time, random.Next(1, 8), random.Next(1, 1_000));
            }
        });

        for (var i = 0; i < 2_000; i++)
        {
            pool.Apply([Pools.Definition("a", 1 + (i % 3)), Pools.Definition(Names[1 + (i % 3)])]);
            pool.Add(Pools.Definition("x"));
            pool.Remove("x").Should().BeTrue();
        }

        Volatile.Write(ref isEnding, true);
        await changing;
        time.Advance(Pools.RebuildSpacing);

        pool.Backends.Select(backend => backend.Name).Should().BeEquivalentTo("a", Names[1 + (1_999 % 3)]);
        ShouldBeTrue(pool);
    }

    private static BackendPool CreatePool(FakeTime time, int seed)
    {
        var pool = new BackendPool(
            "catalog",
            Names.Select(name => Pools.Definition(name)),
            new RoundRobinSelector(),
            Pools.CircuitsOpenAfter(4),
            time,
            new SeededRandom(seed)
        );
        _ = new PassiveHealthChecker(pool, new PassiveHealthOptions { ConsecutiveFailures = 2 });
        return pool;
    }

    private static void Step(BackendPool pool, FakeTime time, int what, int which)
    {
        var name = Names[which % Names.Length];
        var backend = pool.Find(name);
        switch (what % 11)
        {
            case 0:
                time.Advance(TimeSpan.FromMilliseconds(which % 7_000));
                break;
            case 1:
                backend?.SetAlive(false);
                break;
            case 2:
                backend?.SetAlive(true);
                break;
            case 3:
                backend?.Drain();
                break;
            case 4:
                backend?.Disable();
                break;
            case 5 or 6:
                backend?.Enable();
                break;
            case 7 or 8:
                backend?.TryLease()?.End(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect));
                break;
            case 9:
                backend?.TryLease()?.End(new AttemptOutcome(OutcomeKind.Success));
                break;
            default:
                pool.Apply(Names.Select(each => Pools.Definition(each, each == name ? which % 3 : 1)));
                break;
        }
    }

    /// <summary>The snapshot, against what the states say when they are looked at one by one.</summary>
    private static void ShouldBeTrue(BackendPool pool)
    {
        var now = pool.Clock.Milliseconds;
        var admissible = pool
            .Backends.Where(backend =>
                backend.Administration == AdministrativeState.Enabled
                && backend.Definition.Weight > 0
                && backend.Circuit.Admits(now)
            )
            .ToArray();
        var healthy = admissible
            .Where(backend =>
                backend.ActiveVerdict != ActiveVerdict.Unhealthy && backend.PassiveVerdict != PassiveVerdict.Ejected
            )
            .ToArray();
        var isFailOpen = healthy.Length == 0 && admissible.Length > 0;
        pool.Snapshot.Available.Should().BeEquivalentTo(isFailOpen ? admissible : healthy);
        pool.Snapshot.IsFailOpen.Should().Be(isFailOpen);
        foreach (var backend in pool.Backends)
        {
            (backend.Status.State, backend.Status.Reason).Should().Be(backend.Derive());
            pool.Find(backend.Name).Should().BeSameAs(backend);
            backend.InFlight.Should().Be(0);
            if (backend.PassiveVerdict == PassiveVerdict.Ejected)
            {
                backend.EjectedFor.Should().BePositive("an ejection that is over has ended");
            }
        }
    }
}
