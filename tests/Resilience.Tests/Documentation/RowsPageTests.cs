using System.Text.RegularExpressions;
using Resilience.Tests.Architecture;

namespace Resilience.Tests.Documentation;

/// <summary>docs/rows.md: every row once, and behind each what really proves it (R126, R156).</summary>
public sealed partial class RowsPageTests
{
    private const int Requirements = 187;
    private const int Scenarios = 80;

    /// <summary>What may stand instead of a test; all but the last two say where to look.</summary>
    private static readonly string[] Words = ["document", "benchmark", "sample", "note", "later"];

    private static readonly string Page = File.ReadAllText(Path.Combine(SourceTree.Root, "docs", "rows.md"));

    private static (string Row, string What, string Where, string Proof)[] Rows =>
        [
            .. RowLines()
                .Matches(Page)
                .Select(match =>
                    (match.Groups[1].Value, match.Groups[2].Value, match.Groups[3].Value, match.Groups[4].Value.Trim())
                ),
        ];

    [Fact]
    public void Rows_Each_StandsThereOnceInOrder()
    {
        var all = Enumerable
            .Range(1, Requirements)
            .Select(number => $"R{number}")
            .Concat(Enumerable.Range(1, Scenarios).Select(number => $"S{number}"));

        Rows.Select(each => each.Row).Should().Equal(all);
        Rows.Should().OnlyContain(each => each.What.Trim().Length > 0 && each.Where.Contains("]("));
    }

    [Fact]
    public void Proofs_ThatAreTests_ExistAndCiteTheirRow()
    {
        var wrong =
            from each in Rows
            from Match proof in Proofs().Matches(each.Proof)
            let problem = ProblemOf(each.Row, proof)
            where problem is not null
            select $"{each.Row}: {proof.Groups[1].Value} {problem}";

        wrong.Should().BeEmpty();
    }

    [Fact]
    public void Proofs_ThatAreNoTests_SayWhatTheyAre()
    {
        var wrong =
            from each in Rows
            where !Proofs().IsMatch(each.Proof)
            let word = each.Proof.Split(':')[0]
            where !Words.Contains(word) || (word is not ("note" or "later") && !each.Proof.Contains("]("))
            select $"{each.Row}: {each.Proof}";

        wrong.Should().BeEmpty();
    }

    [Theory]
    [InlineData("/// <summary>Laws 1 and 2; R901-R904, R939.</summary>", "R901", "R902", "R903", "R904", "R939")]
    [InlineData("/// <summary>R965 to R967, C-6.</summary>", "R965", "R966", "R967")]
    [InlineData("public void Backoff_Doubles_S957_R987()", "S957", "R987")]
    [InlineData("var S1x = XR2;")]
    public void CitationsIn_ALine_AreThoseMeant(string line, params string[] rows)
    {
        TestSource.CitationsIn(line).Should().Equal(rows);
    }

    private static string? ProblemOf(string row, Match proof)
    {
        var names = proof.Groups[1].Value.Split('.');
        var file = Path.Combine(SourceTree.Root, "docs", proof.Groups[2].Value);
        if (!File.Exists(file))
        {
            return "is in no such file";
        }

        var source = new TestSource(file);
        var method = names.Length > 1 ? names[1] : null;
        return !source.Declares(names[0]) ? "is not declared there"
            : method is not null && !source.DeclaresTest(method) ? "is no test there"
            : !source.Cites(row, method) ? "does not cite it"
            : null;
    }

    [GeneratedRegex(@"^\| ([RS]\d+) \| (.*?) \| (.*?) \| (.*?) \|$", RegexOptions.Multiline)]
    private static partial Regex RowLines();

    [GeneratedRegex(@"\[`(\w+(?:\.\w+)?)`\]\((\.\./tests/[^)]+\.cs)\)")]
    private static partial Regex Proofs();
}
