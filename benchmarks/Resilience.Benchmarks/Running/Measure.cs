using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Resilience.Benchmarks.Running;

/// <summary>Reads one figure of one row out of a finished run; <see langword="null"/> where the row failed.</summary>
internal static class Measure
{
    public static double? Nanoseconds(Summary summary, BenchmarkCase benchmarkCase) =>
        summary[benchmarkCase]?.ResultStatistics?.Mean;

    public static double? Bytes(Summary summary, BenchmarkCase benchmarkCase) =>
        summary[benchmarkCase]?.GcStats.GetBytesAllocatedPerOperation(benchmarkCase);
}
