using System.Text.RegularExpressions;
using Resilience.Tests.Architecture;

namespace Resilience.Tests.Documentation;

/// <summary>
/// The page of the benchmarks: every budget is measured by rows that there are, and every table that is published belongs to
/// a program that writes it.
/// </summary>
public sealed partial class BenchmarksPageTests
{
    /// <summary>The budgets, none of which may be forgotten.</summary>
    private static readonly string[] Work =
    [
        "circuit, closed, permit and success",
        "circuit, open, refusal",
        "selection among 3, 100, 10,000 backends, any share down",
        "whole handler, asynchronous completion",
        "whole handler, synchronous completion",
        "failover after a 5xx, after a faulted send",
        "client's processor time for a request over loopback, 16 and 64 at once",
        "probes a second, 64 at once",
        "watching 10,000 endpoints every 5 s",
        "memory of a backend, all features, without connections",
    ];

    private static readonly string Page = File.ReadAllText(Path.Combine(SourceTree.Root, "benchmarks", "README.md"));

    private static readonly string Sources = string.Join(
        '\n',
        Directory
            .EnumerateFiles(
                Path.Combine(SourceTree.Root, "benchmarks", "Resilience.Benchmarks"),
                "*.cs",
                SearchOption.AllDirectories
            )
            .Where(file => !Built().IsMatch(file))
            .Select(File.ReadAllText)
    );

    public static TheoryData<string> Budgets => [.. Rows().Select(cells => cells[1])];

    [Fact]
    public void Budgets_AreAllOnThePage() => Rows().Select(cells => cells[1]).Should().Equal(Work);

    [Theory]
    [MemberData(nameof(Budgets))]
    public void Budget_IsMeasured_ByTablesAndRowsThatThereAre(string work)
    {
        var measured = Rows().Single(cells => cells[1] == work)[3];
        var tables = Tables().Matches(measured).Select(match => match.Groups[1].Value).ToArray();
        var rows = RowNames().Matches(measured).Select(match => match.Groups[1].Value);

        tables.Should().NotBeEmpty();
        tables.Should().BeSubsetOf(Markers());
        rows.Should().OnlyContain(row => Sources.Contains($"\"{row}\"", StringComparison.Ordinal));
    }

    [Fact]
    public void Tables_AreEachWrittenByABenchmarkOrAListOfFigures()
    {
        Markers().Should().OnlyHaveUniqueItems();
        Markers()
            .Should()
            .OnlyContain(table =>
                Sources.Contains($"public class {table}\n", StringComparison.Ordinal)
                || Sources.Contains($"\"{table}\"", StringComparison.Ordinal)
            );
    }

    [Fact]
    public void Benchmarks_HaveEachATable() =>
        BenchmarkClasses().Matches(Sources).Select(match => match.Groups[1].Value).Should().BeSubsetOf(Markers());

    private static string[][] Rows() =>
        [
            .. Page.Split('\n')
                .SkipWhile(line => !line.StartsWith("| work | budget |", StringComparison.Ordinal))
                .Skip(2)
                .TakeWhile(line => line.StartsWith('|'))
                .Select(line => line.Split('|', StringSplitOptions.TrimEntries)),
        ];

    private static string[] Markers() =>
        [.. MarkerLines().Matches(Page).Select(match => match.Groups[1].Value).Where(name => name != "end")];

    [GeneratedRegex("`([A-Za-z]+)`")]
    private static partial Regex Tables();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex RowNames();

    [GeneratedRegex("^<!-- ([A-Za-z]+) -->$", RegexOptions.Multiline)]
    private static partial Regex MarkerLines();

    [GeneratedRegex("^public class (\\w+Benchmarks)$", RegexOptions.Multiline)]
    private static partial Regex BenchmarkClasses();

    [GeneratedRegex(@"[\\/](bin|obj)[\\/]")]
    private static partial Regex Built();
}
