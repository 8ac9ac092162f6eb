using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Running;
using Resilience.Benchmarks.Harness;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// Of every benchmark that a budget is measured by, the settings that say most: for a look at everything in minutes. What
/// is left out is in the full run.
/// </summary>
internal sealed class BudgetRows : IFilter
{
    /// <summary>The argument that asks for it; ours, not BenchmarkDotNet's.</summary>
    public const string Option = "--budget";

    /// <summary>What rows are marked with where only some of a table belong to a budget.</summary>
    public const string Category = "Budget";

    private const int FewBackends = 3;
    private const int ManyBackends = 10_000;
    private const int TwoThreads = 2;

    public bool Predicate(BenchmarkCase benchmarkCase)
    {
        var type = benchmarkCase.Descriptor.Type;
        return type == typeof(SelectionBenchmarks)
                ? Has(benchmarkCase, FewBackends, SelectionBenchmarks.Share.None)
                    || Has(benchmarkCase, ManyBackends, SelectionBenchmarks.Share.Half)
            : type == typeof(HandlerBenchmarks) ? Has(benchmarkCase, Paths.Varied)
            : type == typeof(HandlerThreadsBenchmarks) ? Has(benchmarkCase, TwoThreads, Completion.Async)
            : type == typeof(FailoverBenchmarks) ? Has(benchmarkCase, Completion.Async)
            : type == typeof(CircuitBenchmarks) ? benchmarkCase.Descriptor.HasCategory(Category)
            : type == typeof(CircuitCreationBenchmarks);
    }

    private static bool Has(BenchmarkCase benchmarkCase, params object[] values) =>
        values.All(value => benchmarkCase.Parameters.Items.Any(item => Equals(item.Value, value)));
}
