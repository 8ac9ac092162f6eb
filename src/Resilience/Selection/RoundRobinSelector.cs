using Resilience.Backends;

namespace Resilience.Selection;

/// <summary>
/// Round-robin by weight: backends take turns in a fixed cycle in which each appears as often as its weight says,
/// interleaved smoothly. One interlocked step a pick, whatever the pool's size; no allocation. Thread-safe.
/// </summary>
public sealed class RoundRobinSelector : IBackendSelector
{
    /// <inheritdoc/>
    public BackendPicker CreatePicker(IReadOnlyList<Backend> available, BackendPicker? previous, Random random)
    {
        ArgumentNullException.ThrowIfNull(available);
        ArgumentNullException.ThrowIfNull(random);
        var weights = new int[available.Count];
        for (var i = 0; i < weights.Length; i++)
        {
            weights[i] = available[i].Definition.Weight;
        }

        var order = WeightedCycle.Create(weights);
        var cycle = new Backend[order.Length];
        for (var i = 0; i < cycle.Length; i++)
        {
            cycle[i] = available[order[i]];
        }

        // The turn survives, so that a pool that changes often does not always begin with the same backend; the first
        // turn is random, so that many clients started together do not all begin with the same one.
        var turn = previous is RoundRobinPicker before ? before.Turn : new Turn { Value = random.Next() };
        return new RoundRobinPicker(cycle, turn);
    }

    /// <summary>The shared counter, on a cache line of its own.</summary>
    private sealed class Turn
    {
#pragma warning disable CS0169, CA1823, IDE0051 // Padding on both sides keeps neighbours off the counter's line.
        private readonly (long, long, long, long, long, long, long) _before;
        public int Value;
        private readonly (long, long, long, long, long, long, long) _after;
#pragma warning restore CS0169, CA1823, IDE0051
    }

    private sealed class RoundRobinPicker(Backend[] cycle, Turn turn) : BackendPicker
    {
        /// <summary>How many turns a retry takes to meet a backend it has not tried, before the pool looks itself.</summary>
        private const int Looks = 4;

        public Turn Turn => turn;

        public override Backend? Pick(in PickContext context)
        {
            var backend = Next();
            for (var look = 1; look < Looks && context.HasTried(backend); look++)
            {
                backend = Next();
            }

            return backend;
        }

        private Backend Next() => cycle[(uint)Interlocked.Increment(ref turn.Value) % (uint)cycle.Length];
    }
}
