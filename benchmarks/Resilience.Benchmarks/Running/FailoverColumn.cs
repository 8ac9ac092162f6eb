using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using Resilience.Benchmarks.Harness;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// What one failover adds to a request: the row's cost beyond bare with the fault, less its cost beyond bare without one.
/// The second sending is in both bare rows and falls out.
/// </summary>
internal sealed class FailoverColumn : IColumn
{
    /// <summary>The time a failover adds, in nanoseconds.</summary>
    public static readonly IColumn Time = new FailoverColumn("Failover ns", Measure.Nanoseconds);

    /// <summary>The memory a failover adds, in bytes.</summary>
    public static readonly IColumn Memory = new FailoverColumn("Failover B", Measure.Bytes);

    private readonly Func<Summary, BenchmarkCase, double?> _measure;

    private FailoverColumn(string name, Func<Summary, BenchmarkCase, double?> measure)
    {
        ColumnName = name;
        _measure = measure;
    }

    public string Id => nameof(FailoverColumn) + "." + ColumnName;
    public string ColumnName { get; }
    public string Legend => "The extra with this fault minus the extra of the same row without a fault";
    public bool AlwaysShow => false;
    public ColumnCategory Category => ColumnCategory.Baseline;
    public int PriorityInCategory => 11;
    public bool IsNumeric => true;
    public UnitType UnitType => UnitType.Dimensionless;

    public bool IsAvailable(Summary summary) => summary.BenchmarksCases.Any(HasFault);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase)
    {
        if (summary.IsBaseline(benchmarkCase) || !HasFault(benchmarkCase) || FaultOf(benchmarkCase) == Fault.None)
        {
            return "-";
        }

        var faultless = summary.BenchmarksCases.FirstOrDefault(candidate =>
            candidate.Descriptor.WorkloadMethod == benchmarkCase.Descriptor.WorkloadMethod
            && candidate.Job.Id == benchmarkCase.Job.Id
            && FaultOf(candidate) == Fault.None
            && OtherParameters(candidate).SequenceEqual(OtherParameters(benchmarkCase))
        );
        var added = faultless is null
            ? null
            : ExtraColumn.Of(summary, benchmarkCase, _measure) - ExtraColumn.Of(summary, faultless, _measure);
        return added?.ToString("N0", CultureInfo.InvariantCulture) ?? "?";
    }

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        GetValue(summary, benchmarkCase);

    private static bool HasFault(BenchmarkCase benchmarkCase) =>
        benchmarkCase.Parameters.Items.Any(item => item.Value is Fault);

    private static Fault FaultOf(BenchmarkCase benchmarkCase) =>
        benchmarkCase.Parameters.Items.Select(item => item.Value).OfType<Fault>().First();

    private static IEnumerable<object> OtherParameters(BenchmarkCase benchmarkCase) =>
        benchmarkCase.Parameters.Items.Where(item => item.Value is not Fault).Select(item => item.Value);
}
