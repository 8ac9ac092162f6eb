using Resilience.Tests.Architecture;

namespace Resilience.Tests.Documentation;

/// <summary>What the pages on ideas must not lose.</summary>
public sealed class ConceptsPageTests
{
    [Fact]
    public void Concepts_SayWhyThereAreHealthChecksAndBreakers_R152()
    {
        Read("concepts.md")
            .Should()
            .ContainAll("what lasts: a server that is down", "short bursts: overload", "stateDiagram", "flowchart");
    }

    [Fact]
    public void Sizing_HasTheThreeSizes_R178()
    {
        Read("sizing.md").Should().ContainAll("| fewer than 10 | 5 s", "| 10 to 100 |", "| more than 100 | 10 to 30 s");
    }

    /// <summary>R173, R177: what is gained where, in its order, with the figures that were measured and no others.</summary>
    [Fact]
    public void Sizing_HasWhatTheDesignGainsBySize()
    {
        Read("sizing.md")
            .ReplaceLineEndings(" ")
            .Should()
            .ContainAll(
                "probes in flight are bounded, connections are kept, only changes are logged",
                "| up to 5 | nobody notices",
                "| 10 to 50 | every interval a burst of handshakes",
                "2 to 7 times less over http, about 40 times over TLS",
                "| more than 100 | rounds overlap"
            );
    }

    /// <summary>A page that links to one that is not there leaves its reader alone.</summary>
    [Fact]
    public void Links_OfEveryPage_LeadToAFile()
    {
        var broken =
            from page in Directory.EnumerateFiles(Path.Combine(SourceTree.Root, "docs"), "*.md")
            from link in File.ReadAllText(page).Split("](").Skip(1)
            let target = link[..link.IndexOf(')')].Split('#')[0]
            where target.Length > 0 && !target.StartsWith("http", StringComparison.Ordinal)
            where !Path.Exists(Path.Combine(Path.GetDirectoryName(page)!, target))
            select $"{Path.GetFileName(page)}: {target}";

        broken.Should().BeEmpty();
    }

    private static string Read(string page) => File.ReadAllText(Path.Combine(SourceTree.Root, "docs", page));
}
