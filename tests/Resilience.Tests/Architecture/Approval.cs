namespace Resilience.Tests.Architecture;

/// <summary>
/// Compares what reflection finds with a text file that is checked in beside the tests. A difference is either a
/// mistake, or a decision that the commit then shows.
/// </summary>
internal static class Approval
{
    private const string Variable = "RESILIENCE_APPROVE";
    private const int MostShown = 20;

    private static string Folder => Path.Combine(SourceTree.Root, "tests", "Resilience.Tests", "Architecture");

    public static void Verify(string name, IEnumerable<string> lines)
    {
        var file = Path.Combine(Folder, $"{name}.approved.txt");
        var found = lines.ToArray();
        if (Environment.GetEnvironmentVariable(Variable) == "1")
        {
            File.WriteAllText(file, string.Join('\n', found) + "\n");
            return;
        }

        var approved = File.Exists(file)
            ? File.ReadAllText(file).ReplaceLineEndings("\n").TrimEnd('\n').Split('\n')
            : [];
        if (found.SequenceEqual(approved, StringComparer.Ordinal))
        {
            return;
        }

        var gone = approved.Except(found, StringComparer.Ordinal).Select(line => $"- {line}");
        var come = found.Except(approved, StringComparer.Ordinal).Select(line => $"+ {line}");
        string[] differences = [.. gone, .. come];
        var shown = differences.Length == 0 ? ["(the same lines in another order)"] : differences.Take(MostShown);
        Assert.Fail(
            $"""
            {name} differs from {name}.approved.txt (- approved, + found):
            {string.Join('\n', shown)}
            {(differences.Length > MostShown ? $"... and {differences.Length - MostShown} more lines" : "")}
            If this is meant: {Variable}=1 dotnet test tests/Resilience.Tests --filter FullyQualifiedName~Architecture
            writes the file anew; commit it with the change.
            """
        );
    }
}
