using BenchmarkDotNet.Attributes;
using Polly;
using Polly.CircuitBreaker;
using Resilience.Benchmarks.Running;
using Resilience.CircuitBreaking;

namespace Resilience.Benchmarks;

/// <summary>
/// What one circuit takes, in time and in bytes, used once so that what is made when first needed is made.
/// </summary>
public class CircuitCreationBenchmarks
{
    private readonly CircuitBreakerOptions _plain = new() { CountSuccesses = false };
    private readonly CircuitBreakerOptions _counting = new();
    private readonly CircuitBreakerOptions _windowed = new() { FailureRate = 0.5 };

    [Benchmark(Description = "Polly")]
    [BudgetRow]
    public ResiliencePipeline Polly()
    {
        var pipeline = new ResiliencePipelineBuilder().AddCircuitBreaker(new CircuitBreakerStrategyOptions()).Build();
        pipeline.Execute(static () => { });
        return pipeline;
    }

    [Benchmark(Description = "ours, consecutive rule without totals")]
    public CircuitBreaker Plain() => Used(new CircuitBreaker("plain", _plain));

    [Benchmark(Description = "ours, with exact totals")]
    [BudgetRow]
    public CircuitBreaker Counting() => Used(new CircuitBreaker("counting", _counting));

    [Benchmark(Description = "ours, with exact totals and rate over time")]
    public CircuitBreaker Windowed() => Used(new CircuitBreaker("windowed", _windowed));

    private static CircuitBreaker Used(CircuitBreaker circuit)
    {
        circuit.TryAcquire(out var permit);
        permit.Report(CircuitOutcome.Success);
        return circuit;
    }
}
