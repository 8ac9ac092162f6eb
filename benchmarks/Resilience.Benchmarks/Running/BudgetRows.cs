using System.Reflection;
using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Running;
using Resilience.Benchmarks.Harness;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// Of every benchmark that a budget is measured by, the settings that say most: 57 of two
/// hundred, about two seconds each, so that all is over in five minutes, the building and the other parts included. What is
/// left out is in the full run.
/// </summary>
internal sealed class BudgetRows : IFilter
{
    /// <summary>The argument that asks for it; ours, not BenchmarkDotNet's.</summary>
    public const string Option = "--budget";

    private const int FewBackends = 3;
    private const int ManyBackends = 10_000;
    private const int OneThread = 1;
    private const int TwoThreads = 2;

    public bool Predicate(BenchmarkCase benchmarkCase)
    {
        var type = benchmarkCase.Descriptor.Type;
        return type == typeof(SelectionBenchmarks)
                ? IsMarked(benchmarkCase, isFloorToo: Has(benchmarkCase, FewBackends))
                    && (
                        Has(benchmarkCase, FewBackends, SelectionBenchmarks.Share.None)
                        || Has(benchmarkCase, ManyBackends, SelectionBenchmarks.Share.Half)
                    )
            : type == typeof(HandlerBenchmarks) ? Has(benchmarkCase, Paths.Varied)
            : type == typeof(HandlerThreadsBenchmarks) ? Has(benchmarkCase, TwoThreads, Completion.Async)
            : type == typeof(FailoverBenchmarks) ? Has(benchmarkCase, Completion.Async, Paths.Varied)
            : type == typeof(CircuitBenchmarks) ? IsMarked(benchmarkCase, isFloorToo: Has(benchmarkCase, OneThread))
            : type == typeof(CircuitCreationBenchmarks) && IsMarked(benchmarkCase, isFloorToo: true);
    }

    private static bool Has(BenchmarkCase benchmarkCase, params object[] values) =>
        values.All(value => benchmarkCase.Parameters.Items.Any(item => Equals(item.Value, value)));

    private static bool IsMarked(BenchmarkCase benchmarkCase, bool isFloorToo) =>
        benchmarkCase.Descriptor.WorkloadMethod.GetCustomAttribute<BudgetRowAttribute>() is { } row
        && (isFloorToo || !row.IsFloor);
}
