using Resilience.Backends;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Selection;

/// <summary>One after the other over the backends that take traffic (R43).</summary>
public sealed class RoundRobinSelectorTests
{
    private readonly FakeTime _time = new();
    private readonly ScriptedRandom _random = new(0);

    [Theory]
    [InlineData(30, 10)]
    [InlineData(12, 4)]
    public void Pick_ThreeEqualBackends_TakeTurns_S74_R43(int picks, int each)
    {
        using var pool = CreatePool(1, 1, 1);

        var counts = CountPicks(pool, picks);

        counts.Should().Equal(each, each, each);
    }

    [Fact]
    public void CreatePicker_Nulls_AreRefused()
    {
        var selector = new RoundRobinSelector();
        var withoutBackends = () => selector.CreatePicker(null!, null, _random);
        var withoutRandom = () => selector.CreatePicker([], null, null!);

        withoutBackends.Should().Throw<ArgumentNullException>().WithParameterName("available");
        withoutRandom.Should().Throw<ArgumentNullException>().WithParameterName("random");
    }

    /// <summary>The topology of the note's diagram: four servers of one host, on the ports 3000 to 3003.</summary>
    [Fact]
    public void Pick_FourServersOnPortsOfOneHost_TheOneThatIsDownIsLeftOut_R45()
    {
        using var pool = new BackendPool(
            "catalog",
            Enumerable.Range(3_000, 4).Select(port => new BackendDefinition($"http://localhost:{port}")),
            new RoundRobinSelector(),
            timeProvider: _time,
            random: _random
        );
        _time.Advance(TimeSpan.FromSeconds(1));
        PortsOf(8).Should().Equal((3_000, 2), (3_001, 2), (3_002, 2), (3_003, 2));

        pool.Find("http://localhost:3002")!.SetAlive(false);
        PortsOf(6).Should().Equal((3_000, 2), (3_001, 2), (3_003, 2));

        _time.Advance(TimeSpan.FromSeconds(1));
        pool.Find("http://localhost:3002")!.SetAlive(true);
        PortsOf(4).Should().Equal((3_000, 1), (3_001, 1), (3_002, 1), (3_003, 1));

        IEnumerable<(int Port, int Count)> PortsOf(int picks) =>
            Enumerable
                .Range(0, picks)
                .Select(_ => Pick(pool.Snapshot.Picker!)!.Definition.Address.Port)
                .CountBy(port => port)
                .Select(each => (each.Key, each.Value))
                .Order();
    }

    [Fact]
    public void Pick_EqualBackends_NeverTheSameTwiceInARow_S74()
    {
        using var pool = CreatePool(1, 1, 1);
        var picker = pool.Snapshot.Picker!;

        var picks = Enumerable.Range(0, 9).Select(_ => Pick(picker)).ToArray();

        picks.Take(3).Should().OnlyHaveUniqueItems();
        picks.Skip(3).Should().Equal(picks.Take(6));
    }

    [Fact]
    public void Pick_WeightsOneTwoThree_SixHundredPicksAreExact_S58()
    {
        using var pool = CreatePool(1, 2, 3);

        var counts = CountPicks(pool, 600);

        counts.Should().Equal(100, 200, 300);
    }

    [Fact]
    public void Pick_ManyThreads_TheSharesAreStillExact_S58_Law11()
    {
        const int Threads = 4;
        using var pool = CreatePool(1, 2, 3);
        var picker = pool.Snapshot.Picker!;
        var counts = new int[3];

        Together.Run(
            Threads,
            _ =>
            {
                for (var i = 0; i < 120_000; i++)
                {
                    Interlocked.Increment(ref counts[IndexOf(Pick(picker))]);
                }
            }
        );

        counts.Should().Equal(80_000, 160_000, 240_000);
    }

    [Fact]
    public void Pick_SingleBackend_IsAlwaysIt_S59()
    {
        using var pool = CreatePool(7);

        var counts = CountPicks(pool, 20);

        counts.Should().Equal(20);
    }

    [Fact]
    public void Snapshot_NoBackendTakesTraffic_HasNoPicker_S59()
    {
        using var pool = CreatePool(1, 1);

        pool.Backends[0].Drain();
        pool.Backends[1].Drain();
        _time.Advance(TimeSpan.FromSeconds(1));

        pool.Snapshot.Picker.Should().BeNull();
    }

    [Fact]
    public void Pick_OneUnhealthy_IsNeverTaken_S59()
    {
        using var pool = CreatePool(3, 1, 1);

        pool.Backends[0].SetAlive(false);
        _time.Advance(TimeSpan.FromSeconds(1));

        CountPicks(pool, 100).Should().Equal(0, 50, 50);
    }

    [Fact]
    public void Pick_WeightZero_IsNeverTaken_S59()
    {
        using var pool = CreatePool(0, 1, 3);

        var counts = CountPicks(pool, 100);

        counts.Should().Equal(0, 25, 75);
    }

    [Fact]
    public void CreatePicker_FirstOfAPool_BeginsAnywhere()
    {
        var first = Enumerable
            .Range(0, 3)
            .Select(draw =>
            {
                var random = new Random(draw);
                using var pool = new BackendPool(
                    "catalog",
                    Definitions(Enumerable.Repeat(1, 100).ToArray()),
                    new RoundRobinSelector(),
                    null,
                    _time,
                    random
                );
                return IndexOf(Pick(pool.Snapshot.Picker!));
            });

        first.Should().OnlyHaveUniqueItems("clients started together do not all begin with the same backend");
    }

    [Fact]
    public void CreatePicker_SnapshotChanges_TheTurnSurvives()
    {
        using var pool = CreatePool(1, 1, 1, 1);
        var counts = new int[4];

        // Every pick finds a new snapshot. If each began anew, the same backend would have all of them.
        for (var i = 0; i < 40; i++)
        {
            counts[IndexOf(Pick(pool.Snapshot.Picker!))]++;
            pool.Refresh();
        }

        counts.Should().Equal(10, 10, 10, 10);
    }

    [Fact]
    public void CreatePicker_PreviousOfAnotherSelector_BeginsByItself()
    {
        using var pool = CreatePool(1, 1);

        var picker = new RoundRobinSelector().CreatePicker(pool.Backends, new ForeignPicker(), _random);

        Pick(picker).Should().NotBeNull();
    }

    [Fact]
    public void Pick_TurnPassesTheHighestInteger_GoesOn()
    {
        using var pool = new BackendPool(
            "catalog",
            Definitions(1, 1, 1),
            new RoundRobinSelector(),
            null,
            _time,
            new ScriptedRandom(0.999_999_999)
        );

        var counts = CountPicks(pool, 300);

        // One turn may be cut short where the counter wraps.
        counts.Should().OnlyContain(count => count >= 99 && count <= 101);
    }

    [Fact]
    public void Pick_FirstTried_LooksFurther_Law1()
    {
        using var pool = CreatePool(1, 1, 1);
        var picker = pool.Snapshot.Picker!;
        var tried = pool.Backends[1].TryAcquire(First())!;
        var context = new PickContext(tried, _random);

        var picks = Enumerable.Range(0, 30).Select(_ => picker.Pick(in context)).ToArray();

        picks.Should().NotContain(pool.Backends[1]);
        tried.Return();
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1_000, 1)]
    [InlineData(997, 3)]
    public void TryLease_TriedOneHasNearlyAllTurns_IsNeverTakenWhileAnotherIsLeft_Law1(int heavy, int light)
    {
        using var pool = CreatePool(heavy, light, light);
        var leases = new List<BackendLease>();

        for (var request = 0; request < 300; request++)
        {
            BackendLease? last = null;
            var tried = new List<Backend>();
            while (tried.Count < 9 && pool.TryLease(new PickContext(last, _random), pinned: null) is { } lease)
            {
                leases.Add(lease);
                tried.Add(lease.Backend);
                last = lease;
            }

            tried.Should().OnlyHaveUniqueItems().And.HaveCount(3);
        }

        leases.ForEach(lease => lease.Return());
        pool.Backends.Should().OnlyContain(backend => backend.InFlight == 0);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(1_000)]
    public void Pick_AnyPoolSize_AllocatesNothing_Law11(int backends)
    {
        using var pool = CreatePool([.. Enumerable.Range(0, backends).Select(i => 1 + (i % 3))]);
        var picker = pool.Snapshot.Picker!;
        var tried = pool.Backends[0].TryAcquire(First())!;
        Run();

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run();

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
        tried.Return();

        void Run()
        {
            var first = First();
            var second = new PickContext(tried, _random);
            for (var i = 0; i < 1_000; i++)
            {
                picker.Pick(in first);
                picker.Pick(in second);
            }
        }
    }

    private static BackendDefinition[] Definitions(params int[] weights) =>
        [
            .. weights.Select(
                (weight, i) => new BackendDefinition($"http://10.0.0.1:{1_000 + i}") { Name = $"{i}", Weight = weight }
            ),
        ];

    private static int IndexOf(Backend? backend) => int.Parse(backend!.Name);

    private PickContext First() => new(lastAttempt: null, _random);

    private Backend? Pick(BackendPicker picker)
    {
        var context = First();
        return picker.Pick(in context);
    }

    private int[] CountPicks(BackendPool pool, int picks)
    {
        var counts = new int[pool.Backends.Count];
        for (var i = 0; i < picks; i++)
        {
            counts[IndexOf(Pick(pool.Snapshot.Picker!))]++;
        }

        return counts;
    }

    private BackendPool CreatePool(params int[] weights) =>
        new("catalog", Definitions(weights), new RoundRobinSelector(), null, _time, _random);

    private sealed class ForeignPicker : BackendPicker
    {
        public override Backend? Pick(in PickContext context) => null;
    }
}
