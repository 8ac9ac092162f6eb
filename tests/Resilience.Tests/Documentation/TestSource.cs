using System.Text.RegularExpressions;

namespace Resilience.Tests.Documentation;

/// <summary>
/// The source of one test class: what it declares, and which requirements (R1) and scenarios (S1) it cites, alone or as a
/// stretch (R24-R27, R165 to R167), in a name or in a comment.
/// </summary>
internal sealed partial class TestSource(string file)
{
    private readonly string[] _lines = File.ReadAllLines(file);

    /// <summary>Whether the class is declared here.</summary>
    public bool Declares(string type) => LineOf(@$"\bclass {type}\b") >= 0;

    /// <summary>Whether the test is declared here: public, and marked as one.</summary>
    public bool DeclaresTest(string method) => Member(method).Any(line => TestMark().IsMatch(line));

    /// <summary>Whether the test, or what is said of the whole class, cites the row.</summary>
    public bool Cites(string row, string? method) =>
        (method is null ? _lines : Member(method).Concat(Head())).Any(line => CitationsIn(line).Contains(row));

    /// <summary>Every row that a line cites.</summary>
    public static IEnumerable<string> CitationsIn(string line) =>
        from Match match in Citation().Matches(line)
        let kind = match.Groups[1].Value
        let first = int.Parse(match.Groups[2].Value)
        let last = match.Groups[3].Success ? int.Parse(match.Groups[3].Value) : first
        from number in Enumerable.Range(first, Math.Max(1, last - first + 1))
        select $"{kind}{number}";

    /// <summary>What stands before the class: its documentation.</summary>
    private IEnumerable<string> Head() =>
        _lines
            .TakeWhile(line => !ClassLine().IsMatch(line))
            .Where(line => line.StartsWith("///", StringComparison.Ordinal));

    /// <summary>A method with its documentation and attributes; members are apart by a blank line.</summary>
    private IEnumerable<string> Member(string method)
    {
        var at = LineOf(@$"^    public (?:static |async )*\S+ {method}\(");
        if (at < 0)
        {
            return [];
        }

        var first = at;
        while (first > 0 && _lines[first - 1] is not ("" or "{"))
        {
            first--;
        }

        var last = at;
        while (
            last < _lines.Length - 1
            && _lines[last] != "    }"
            && !(_lines[last].EndsWith(';') && _lines[last + 1] is "" or "}")
        )
        {
            last++;
        }

        return _lines[first..(last + 1)];
    }

    private int LineOf(string pattern) => Array.FindIndex(_lines, line => Regex.IsMatch(line, pattern));

    [GeneratedRegex(@"(?<![A-Za-z0-9])([RS])(\d+)(?:\s?(?:-|to)\s?[RS]?(\d+))?(?![A-Za-z0-9])")]
    private static partial Regex Citation();

    [GeneratedRegex(@"^(?:public|internal) .*class ")]
    private static partial Regex ClassLine();

    [GeneratedRegex(@"^    \[(?:Skippable)?(?:Fact|Theory)\b")]
    private static partial Regex TestMark();
}
