using BenchmarkDotNet.Attributes;
using Resilience.Backends;
using Resilience.Benchmarks.Harness;
using Resilience.Benchmarks.Peers;
using Resilience.Selection;
using Yarp.ReverseProxy.LoadBalancing;

namespace Resilience.Benchmarks;

/// <summary>
/// Choosing one backend while other threads choose too, of few and of many, none of which is down. Each thread is pinned to its
/// own core and does all operations, so a figure is the time of one operation on one thread. Allocated bytes are of all
/// threads together: with two, halve them.
/// </summary>
public class SelectionThreadsBenchmarks
{
    private const int Many = 1_000_000;

    private ThreadCrew _crew = null!;
    private PaddedWord _position;
    private YarpCluster _yarp = null!;
    private BackendPool _pool = null!;
    private BackendPicker _picker = null!;
    private PickContext _context;
    private Action _sharedCounter = null!;
    private Action _yarpRoundRobin = null!;
    private Action _yarpPowerOfTwoChoices = null!;
    private Action _ours = null!;
    private Action _ourLease = null!;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(3, 10_000)]
    public int Backends { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _crew = new ThreadCrew(Threads);
        _yarp = new YarpCluster(Backends, isDown: _ => false);
        _pool = new BackendPool(
            "catalog",
            Enumerable.Range(0, Backends).Select(i => new BackendDefinition($"http://10.{i >> 8}.{i & 255}.1:8080")),
            new RoundRobinSelector()
        );
        _picker = _pool.Snapshot.Picker!;
        _context = new PickContext(null, Random.Shared);
        _sharedCounter = SharedCounter;
        _yarpRoundRobin = YarpLoop(YarpCluster.RoundRobin());
        _yarpPowerOfTwoChoices = YarpLoop(YarpCluster.PowerOfTwoChoices());
        _ours = Pick;
        _ourLease = Lease;
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _crew.Dispose();
        _pool.Dispose();
    }

    [Benchmark(OperationsPerInvoke = Many, Description = "floor: shared counter")]
    public void FloorSharedCounter() => _crew.Run(_sharedCounter);

    [Benchmark(OperationsPerInvoke = Many, Description = "YARP round-robin")]
    public void YarpRoundRobin() => _crew.Run(_yarpRoundRobin);

    [Benchmark(OperationsPerInvoke = Many, Description = "YARP P2C")]
    public void YarpPowerOfTwoChoices() => _crew.Run(_yarpPowerOfTwoChoices);

    [Benchmark(OperationsPerInvoke = Many, Description = "ours, round-robin")]
    public void OurRoundRobin() => _crew.Run(_ours);

    [Benchmark(OperationsPerInvoke = Many, Description = "ours, round-robin with lease taken and given back")]
    public void OurLease() => _crew.Run(_ourLease);

    private void SharedCounter()
    {
        var available = _yarp.Available;
        var chosen = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            var next = (uint)Interlocked.Increment(ref _position.Value) % (uint)available.Count;
            chosen += available[(int)next] is null ? 0 : 1;
        }

        Expect(chosen);
    }

    private Action YarpLoop(ILoadBalancingPolicy policy) =>
        () =>
        {
            var chosen = 0;
            for (var operation = 0; operation < Many; operation++)
            {
                chosen += _yarp.Pick(policy) is null ? 0 : 1;
            }

            Expect(chosen);
        };

    private void Pick()
    {
        var picker = _picker;
        var chosen = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            chosen += picker.Pick(in _context) is null ? 0 : 1;
        }

        Expect(chosen);
    }

    private void Lease()
    {
        var chosen = 0;
        for (var operation = 0; operation < Many; operation++)
        {
            if (_pool.TryLease(_context, pinned: null) is { } lease)
            {
                lease.Return();
                chosen++;
            }
        }

        Expect(chosen);
    }

    private static void Expect(int chosen)
    {
        if (chosen != Many)
        {
            throw new InvalidOperationException($"{chosen} of {Many} choices found a backend.");
        }
    }
}
