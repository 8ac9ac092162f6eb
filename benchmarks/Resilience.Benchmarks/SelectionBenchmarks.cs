using BenchmarkDotNet.Attributes;
using Resilience.Backends;
using Resilience.Benchmarks.Peers;
using Resilience.Benchmarks.Running;
using Resilience.Selection;
using Yarp.ReverseProxy.LoadBalancing;
using Yarp.ReverseProxy.Model;

namespace Resilience.Benchmarks;

/// <summary>
/// Choosing one backend for one attempt, over few and many backends of which none, half or all but one are down.
/// </summary>
/// <remarks>
/// The rows return objects because the project that BenchmarkDotNet generates names their types, and YARP's assembly, being
/// no package reference, is not among its references.
/// </remarks>
public class SelectionBenchmarks
{
    /// <summary>Which backends are down.</summary>
    public enum Share
    {
        None,
        Half,
        AllButOne,
    }

    [ThreadStatic]
    private static uint LocalPosition;

    private YarpCluster _yarp = null!;
    private ILoadBalancingPolicy _roundRobin = null!;
    private ILoadBalancingPolicy _powerOfTwoChoices = null!;
    private ILoadBalancingPolicy _leastRequests = null!;
    private DestinationState[] _available = [];
    private int[] _load = [];
    private uint _position;
    private BackendPool _pool = null!;
    private BackendPicker _picker = null!;
    private PickContext _context;

    [Params(3, 100, 10_000)]
    public int Backends { get; set; }

    [Params(Share.None, Share.Half, Share.AllButOne)]
    public Share Down { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _yarp = new YarpCluster(Backends, IsDown);
        _roundRobin = YarpCluster.RoundRobin();
        _powerOfTwoChoices = YarpCluster.PowerOfTwoChoices();
        _leastRequests = YarpCluster.LeastRequests();
        _available = [.. _yarp.Available];
        _load = new int[_available.Length];

        var expected = Enumerable.Range(0, Backends).Count(index => !IsDown(index));
        if (_available.Length != expected)
        {
            throw new InvalidOperationException($"{_available.Length} available, {expected} expected.");
        }

        _pool = new BackendPool(
            "catalog",
            Enumerable.Range(0, Backends).Select(i => new BackendDefinition($"http://10.{i >> 8}.{i & 255}.1:8080")),
            new RoundRobinSelector()
        );
        for (var index = 0; index < Backends; index++)
        {
            if (IsDown(index))
            {
                _pool.Backends[index].SetAlive(false);
            }
        }

        _pool.Refresh();
        _picker = _pool.Snapshot.Picker!;
        _context = new PickContext(null, Random.Shared);
        if (_pool.Snapshot.Available.Count != expected)
        {
            throw new InvalidOperationException($"{_pool.Snapshot.Available.Count} available, {expected} expected.");
        }
    }

    [Benchmark(Description = "floor: thread-local counter")]
    [BudgetRow(IsFloor = true)]
    public object? FloorThreadLocalCounter()
    {
        var available = _available;
        return available[unchecked(LocalPosition++) % (uint)available.Length];
    }

    [Benchmark(Description = "floor: shared counter")]
    [BudgetRow(IsFloor = true)]
    public object? FloorSharedCounter()
    {
        var available = _available;
        return available[Interlocked.Increment(ref _position) % (uint)available.Length];
    }

    [Benchmark(Description = "floor: two random draws, less loaded")]
    [BudgetRow(IsFloor = true)]
    public object? FloorPowerOfTwoChoices()
    {
        var available = _available;
        var load = _load;
        var first = Random.Shared.Next(load.Length);
        var second = Random.Shared.Next(load.Length);
        return available[load[first] <= load[second] ? first : second];
    }

    [Benchmark(Description = "YARP round-robin")]
    [BudgetRow]
    public object? YarpRoundRobin() => _yarp.Pick(_roundRobin);

    [Benchmark(Description = "YARP P2C")]
    [BudgetRow]
    public object? YarpPowerOfTwoChoices() => _yarp.Pick(_powerOfTwoChoices);

    [Benchmark(Description = "YARP least-requests")]
    [BudgetRow]
    public object? YarpLeastRequests() => _yarp.Pick(_leastRequests);

    [Benchmark(Description = "ours, round-robin")]
    [BudgetRow]
    public object? OurRoundRobin() => _picker.Pick(in _context);

    [Benchmark(Description = "ours, round-robin with lease taken and given back")]
    public object? OurLease()
    {
        var lease = _pool.TryLease(_context, pinned: null);
        lease!.Return();
        return lease;
    }

    [GlobalCleanup]
    public void Cleanup() => _pool.Dispose();

    private bool IsDown(int index) =>
        Down switch
        {
            Share.Half => index % 2 == 1,
            Share.AllButOne => index != Backends / 2,
            _ => false,
        };
}
