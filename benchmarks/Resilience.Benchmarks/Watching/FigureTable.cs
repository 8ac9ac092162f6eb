using System.Globalization;
using System.Text;
using Resilience.Benchmarks.Running;

namespace Resilience.Benchmarks.Watching;

/// <summary>One published table: its name in <c>benchmarks/README.md</c>, its columns and its rows.</summary>
internal sealed class FigureTable(string name, params string[] columns)
{
    private readonly List<string[]> _rows = [];

    /// <summary>A row; numbers are already texts.</summary>
    public FigureTable Add(params string[] cells)
    {
        _rows.Add(cells);
        return this;
    }

    /// <summary>Shows it, and puts it into the document if it is to be published.</summary>
    public void Show(bool publish)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Machine.Describe()}.\n\n");
        Append(text, columns);
        Append(text, columns.Select(_ => "---"));
        _rows.ForEach(row => Append(text, row));
        Console.WriteLine($"\n== {name}\n\n{text}");
        if (publish)
        {
            PublishedTables.Write(name, text.ToString());
        }
    }

    /// <summary>A number with as many decimals.</summary>
    public static string Text(double value, int decimals = 0) =>
        value.ToString($"N{decimals}", CultureInfo.InvariantCulture);

    private static void Append(StringBuilder text, IEnumerable<string> cells) =>
        text.Append("| ").AppendJoin(" | ", cells).Append(" |\n");
}
