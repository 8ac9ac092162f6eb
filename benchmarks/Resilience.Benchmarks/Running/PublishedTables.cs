using System.Globalization;
using System.Text;
using BenchmarkDotNet.Reports;

namespace Resilience.Benchmarks.Running;

/// <summary>
/// Puts a run's tables into <c>benchmarks/README.md</c>, each between its two markers, so that what is published is what
/// was measured: <c>&lt;!-- HandlerBenchmarks --&gt;</c> to <c>&lt;!-- end --&gt;</c>.
/// </summary>
internal static class PublishedTables
{
    /// <summary>The argument that asks for it; ours, not BenchmarkDotNet's.</summary>
    public const string Option = "--publish";

    /// <summary>The environment variable that names another document with the same places, to leave the real one alone.</summary>
    private const string OtherDocument = "RESILIENCE_BENCHMARKS_DOCUMENT";

    private const string End = "<!-- end -->";

    /// <summary>What the host, the job and the other columns would say again in every row.</summary>
    private static readonly string[] Hidden =
    [
        "Error",
        "Median",
        "Ratio",
        "RatioSD",
        "Gen0",
        "Gen1",
        "Gen2",
        "Alloc Ratio",
    ];

    /// <exception cref="InvalidOperationException">The document has no place for a table.</exception>
    public static void Write(IEnumerable<Summary> summaries)
    {
        foreach (var summary in summaries)
        {
            Write(summary.BenchmarksCases[0].Descriptor.Type.Name, TableOf(summary));
        }
    }

    /// <inheritdoc cref="Write(IEnumerable{Summary})"/>
    public static void Write(string name, string table)
    {
        var path = Document();
        File.WriteAllText(path, Replace(File.ReadAllText(path), name, table));
    }

    private static string Replace(string text, string name, string table)
    {
        var marker = $"<!-- {name} -->";
        var start = text.IndexOf(marker, StringComparison.Ordinal);
        var end = start < 0 ? -1 : text.IndexOf(End, start, StringComparison.Ordinal);
        return end < 0
            ? throw new InvalidOperationException($"{Document()} has no '{marker}' followed by '{End}'.")
            : $"{text[..(start + marker.Length)]}\n\n{table}\n{text[end..]}";
    }

    private static string TableOf(Summary summary)
    {
        var columns = summary.Table.Columns.Where(column => column.NeedToShow && !Hidden.Contains(column.Header));
        var indices = columns.Select(column => column.Index).ToArray();
        var table = new StringBuilder();
        table.Append(CultureInfo.InvariantCulture, $"{Machine.Describe()}, ");
        table.Append(CultureInfo.InvariantCulture, $"job '{summary.Reports[0].BenchmarkCase.Job.ResolvedId}'.\n\n");
        AppendRow(table, indices.Select(index => summary.Table.FullHeader[index]));
        AppendRow(table, indices.Select(_ => "---"));
        foreach (var row in summary.Table.FullContent)
        {
            AppendRow(table, indices.Select(index => row[index].Trim('\'')));
        }

        return table.ToString();
    }

    private static void AppendRow(StringBuilder table, IEnumerable<string> cells) =>
        table.Append("| ").AppendJoin(" | ", cells).Append(" |\n");

    private static string Document()
    {
        if (Environment.GetEnvironmentVariable(OtherDocument) is { Length: > 0 } other)
        {
            return other;
        }

        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var path = Path.Combine(folder.FullName, "benchmarks", "README.md");
            if (File.Exists(path))
            {
                return path;
            }
        }

        throw new InvalidOperationException("benchmarks/README.md was not found above this program.");
    }
}
