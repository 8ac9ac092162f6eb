using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Resilience.Backends;
using Resilience.Selection;
using Resilience.Telemetry;
using Resilience.Tests.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>R58: what is true now, read when somebody collects metrics.</summary>
[Collection(HttpTelemetryCollection.Name)]
public sealed class PoolGaugesTests
{
    private const string Name = "gauges-of-a-pool";

    private readonly FakeTime _time = new();

    [Fact]
    public void Gauges_OfAPool_AreItsPresentFigures()
    {
        using var pool = Create();
        pool.Find("a")!.Fail();
        var held = pool.Find("b")!.Lease();
        pool.Find("c")!.Drain();
        _time.Advance(Pools.Rest);

        Collect()
            .Should()
            .BeEquivalentTo(
                "resilience.backend.in_flight 0 [backend=a]",
                "resilience.backend.in_flight 1 [backend=b]",
                "resilience.backend.in_flight 0 [backend=c]",
                "resilience.circuit.state 1 [backend=a, state=open]",
                "resilience.circuit.state 1 [backend=b, state=closed]",
                "resilience.circuit.state 1 [backend=c, state=closed]",
                "resilience.pool.backends 1 [state=healthy]",
                "resilience.pool.backends 1 [state=unhealthy]",
                "resilience.pool.backends 1 [state=draining]",
                "resilience.pool.fail_open 0 []",
                "resilience.queue.length 0 []",
                "resilience.retry_budget.balance 100 []"
            );
        held.Return();
    }

    [Fact]
    public void FailOpen_WhileItLasts_IsOne()
    {
        using var pool = Create();
        foreach (var backend in pool.Backends)
        {
            backend.SetAlive(false);
        }

        _time.Advance(Pools.Rest);

        Collect().Should().Contain("resilience.pool.fail_open 1 []");
    }

    [Fact]
    public void QueueLength_RequestThatWaits_IsCounted()
    {
        using var pool = Create();
        var waiter = pool.Line.TryEnter(new PickContext(null, Random.Shared), pinned: null, capacity: 1);

        Collect().Should().Contain("resilience.queue.length 1 []");

        pool.Line.TryLeave(waiter!).Should().BeTrue();
        Collect().Should().Contain("resilience.queue.length 0 []");
    }

    [Fact]
    public void Gauges_PoolDisposed_AreGone()
    {
        var pool = Create();
        pool.Dispose();

        Collect().Should().BeEmpty();
    }

    /// <summary>A pool that nobody disposed of must not be kept alive by being measurable.</summary>
    [Fact]
    public void Watched_PoolThatIsForgotten_CanBeCollected()
    {
        var pool = Forgotten();

        Garbage.IsCollected(() => !pool.IsAlive).Should().BeTrue();

        [MethodImpl(MethodImplOptions.NoInlining)]
        static WeakReference Forgotten()
        {
            var pool = new ObservedStub();
            Instruments.Watch(pool);
            return new WeakReference(pool);
        }
    }

    private BackendPool Create()
    {
        var pool = new BackendPool(
            Name,
            [Pools.Definition("a"), Pools.Definition("b"), Pools.Definition("c")],
            new RoundRobinSelector(),
            Pools.CircuitsOpenAfter(1),
            _time,
            new ScriptedRandom(0)
        );
        _time.Advance(Pools.RebuildSpacing);
        return pool;
    }

    private static List<string> Collect()
    {
        var lines = new List<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == TelemetryNames.Meter && instrument.IsObservable)
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>(
            (instrument, value, tags, _) =>
            {
                if (tags[0].Value is Name)
                {
                    var words = tags[1..].ToArray().Select(tag => $"{tag.Key["resilience.".Length..]}={tag.Value}");
                    lines.Add($"{instrument.Name} {value} [{string.Join(", ", words)}]");
                }
            }
        );
        listener.Start();
        listener.RecordObservableInstruments();
        return lines;
    }

    private sealed class ObservedStub : IObservedPool
    {
        public void Observe(PoolGauge gauge, List<Measurement<long>> measurements) { }
    }
}
