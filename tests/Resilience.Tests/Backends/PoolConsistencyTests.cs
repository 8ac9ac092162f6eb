using FsCheck;
using FsCheck.Fluent;
using Resilience.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>
/// Law 12: the snapshot is derived from the states, no update is lost, and at rest the two are equal; readers take no
/// lock (R130, R148).
/// </summary>
public sealed class PoolConsistencyTests
{
    private static readonly string[] Names = RandomWorld.Names;

    [Fact]
    [Trait("Category", "Property")]
    public void AnyScript_AtRestAfterEveryStep_SnapshotEqualsStates() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<(PositiveInt What, PositiveInt Which)[]>(),
                script =>
                {
                    using var world = new RandomWorld(seed: 1);
                    foreach (var (what, which) in script)
                    {
                        world.Step(what.Get, which.Get);
                        world.Rest();
                        world.ShouldBeTrue();
                    }
                }
            )
            .Check(Properties.Config.WithMaxTest(300));

    /// <summary>Without time to rest the snapshot may lag, but it never leaves out what it must not admit.</summary>
    [Fact]
    [Trait("Category", "Property")]
    public void AnyScript_WithoutRest_EndsEqualOnceTimePasses() =>
        Prop.ForAll(
                ArbMap.Default.ArbFor<(PositiveInt What, PositiveInt Which)[]>(),
                script =>
                {
                    using var world = new RandomWorld(seed: 2);
                    foreach (var (what, which) in script)
                    {
                        world.Step(what.Get, which.Get);
                    }

                    world.Rest();
                    world.ShouldBeTrue();
                    world.Time.Advance(TimeSpan.FromHours(1));
                    world.ShouldBeTrue();
                }
            )
            .Check(Properties.Config.WithMaxTest(300));

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
        using var world = new RandomWorld(seed);
        await Task.WhenAll(
            Enumerable
                .Range(0, 4)
                .Select(worker =>
                    Task.Run(() =>
                    {
                        var random = new Random((seed * 100) + worker);
                        for (var i = 0; i < 2_000; i++)
                        {
                            world.Step(random.Next(1, 1_000), random.Next(1, 1_000));
                        }
                    })
                )
        );

        world.Rest();

        world.ShouldBeTrue();
    }

    /// <summary>What never happens proves nothing: the steps reach every kind of objection.</summary>
    [Fact]
    public void AnyScript_OfThatKind_ReachesEveryObjection()
    {
        using var world = new RandomWorld(seed: 3);
        var random = new Random(3);
        var seen = new HashSet<string>();

        for (var i = 0; i < 5_000; i++)
        {
            world.Step(random.Next(1, 1_000), random.Next(1, 1_000));
            seen.UnionWith(world.Objections());
        }

        seen.Should()
            .BeEquivalentTo(
                "Disabled",
                "Draining",
                "Circuit",
                "Active",
                "failed",
                "silent",
                "cooling",
                "dry run",
                "fail-open"
            );
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

        RandomWorld.ShouldBeTrue(pool);
    }

    /// <summary>
    /// Point 11 of what the peers get wrong. Two changes at the very same time, each of which rebuilds at once because the pool was at rest: the later
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
        using var world = new RandomWorld(seed);
        var pool = world.Pool;
        var isEnding = false;
        var changing = Task.Run(() =>
        {
            var random = new Random(seed);
            while (!Volatile.Read(ref isEnding))
            {
                world.Step(random.Next(1, 8), random.Next(1, 1_000));
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
        world.Rest();

        pool.Backends.Select(backend => backend.Name).Should().BeEquivalentTo("a", Names[1 + (1_999 % 3)]);
        world.ShouldBeTrue();
    }
}
