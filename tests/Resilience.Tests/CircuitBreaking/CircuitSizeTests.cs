using Resilience.CircuitBreaking;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>A circuit stands in every backend: what one takes, in bytes.</summary>
public sealed class CircuitSizeTests
{
    private readonly Clock _clock = new(new FakeTime());
    private readonly Random _random = new ScriptedRandom(0);

    [Theory]
    [InlineData(false, 200)]
    [InlineData(true, 450)]
    public void Constructor_WithoutWindow_TakesAtMost(bool countsSuccesses, long most)
    {
        var rules = CircuitFixture.Rules(options => options.CountSuccesses = countsSuccesses);
        Use(new CircuitBreaker("c", rules, _clock, _random, owner: null));

        var before = GC.GetAllocatedBytesForCurrentThread();
        var circuit = new CircuitBreaker("c", rules, _clock, _random, owner: null);
        var taken = GC.GetAllocatedBytesForCurrentThread() - before;

        Use(circuit);
        taken.Should().BeLessThanOrEqualTo(most);
    }

    private static void Use(CircuitBreaker circuit)
    {
        for (var i = 0; i < 10; i++)
        {
            circuit.TryAcquire(out var permit).Should().BeTrue();
            permit.Report(CircuitOutcome.Success);
        }
    }
}
