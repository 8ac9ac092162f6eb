using BenchmarkDotNet.Filters;
using BenchmarkDotNet.Running;
using Resilience.Benchmarks.Harness;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// Leaves out of <see cref="FailoverBenchmarks"/>, in every run, varied paths with answers that are there at once: what an
/// address costs that nobody has asked for before does not depend on when the answer comes.
/// </summary>
internal sealed class FailoverRows : IFilter
{
    public bool Predicate(BenchmarkCase benchmarkCase) =>
        benchmarkCase.Descriptor.Type != typeof(FailoverBenchmarks)
        || benchmarkCase.Parameters[nameof(FailoverBenchmarks.Completion)] is not Completion.Sync
        || benchmarkCase.Parameters[nameof(FailoverBenchmarks.Paths)] is not Paths.Varied;
}
