using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// What a row costs beyond the baseline of its group. This is the figure of a handler: the message, the transport and the
/// body are in both rows and fall out of the difference, which a ratio cannot do.
/// </summary>
internal sealed class ExtraColumn : IColumn
{
    /// <summary>Mean time beyond the baseline, in nanoseconds.</summary>
    public static readonly IColumn Time = new ExtraColumn("Extra ns", "Mean minus the baseline's", Measure.Nanoseconds);

    /// <summary>Allocated memory beyond the baseline, in bytes.</summary>
    public static readonly IColumn Memory = new ExtraColumn("Extra B", "Allocated minus the baseline's", Measure.Bytes);

    private readonly Func<Summary, BenchmarkCase, double?> _measure;

    private ExtraColumn(string name, string legend, Func<Summary, BenchmarkCase, double?> measure)
    {
        ColumnName = name;
        Legend = legend;
        _measure = measure;
    }

    public string Id => nameof(ExtraColumn) + "." + ColumnName;
    public string ColumnName { get; }
    public string Legend { get; }
    public bool AlwaysShow => false;
    public ColumnCategory Category => ColumnCategory.Baseline;
    public int PriorityInCategory => 10;
    public bool IsNumeric => true;
    public UnitType UnitType => UnitType.Dimensionless;

    /// <summary>The figure itself, or <see langword="null"/> where a row or its baseline has no result.</summary>
    public static double? Of(
        Summary summary,
        BenchmarkCase benchmarkCase,
        Func<Summary, BenchmarkCase, double?> measure
    )
    {
        var baseline = summary.GetBaseline(summary.GetLogicalGroupKey(benchmarkCase));
        return baseline is null ? null : measure(summary, benchmarkCase) - measure(summary, baseline);
    }

    public bool IsAvailable(Summary summary) =>
        summary.BenchmarksCases.Any(benchmarkCase => benchmarkCase.Descriptor.Baseline);

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
        summary.IsBaseline(benchmarkCase)
            ? "-"
            : Of(summary, benchmarkCase, _measure)?.ToString("N0", CultureInfo.InvariantCulture) ?? "?";

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        GetValue(summary, benchmarkCase);
}
