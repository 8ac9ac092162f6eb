using System.Globalization;
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
                "| more than 100 | rounds overlap"
            );
    }

    /// <summary>R177: a table that is published anew is told of in the pages that quote it.</summary>
    [Theory]
    [InlineData("sizing.md")]
    [InlineData("active-health.md")]
    public void KeptConnections_WhatTheySave_IsWhatWasMeasured(string page)
    {
        var times = File.ReadAllText(Path.Combine(SourceTree.Root, "benchmarks", "README.md"))
            .Split("<!-- HealthClients -->")[1]
            .Split("<!-- end -->")[0]
            .Split('\n')
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Where(cells => cells.Length > 4 && cells[1] is "HTTP" or "TLS")
            .ToLookup(cells => cells[1], cells => double.Parse(cells[4], CultureInfo.InvariantCulture));

        Saved("HTTP").Should().BeApproximately(3.7, 0.05);
        Saved("TLS").Should().BeApproximately(36, 0.5);
        Read(page).Should().ContainAll("3.7 times less processor time", "36 times less");

        // New for each probe, over kept.
        double Saved(string over) => times[over].First() / times[over].Last();
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
