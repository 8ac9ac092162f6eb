using System.Globalization;
using System.Text.RegularExpressions;
using Resilience.Health.Active;
using Resilience.Tests.Architecture;
using Resilience.Tests.Health.Active;

namespace Resilience.Tests.Documentation;

/// <summary>The page on active health, held against the options and run.</summary>
public sealed class ActiveHealthPageTests
{
    [Fact]
    public void DefaultsTable_HasEveryOption_WithItsDefaultWhereThatIsOneValue()
    {
        var rows = File.ReadAllLines(Path.Combine(SourceTree.Root, "docs", "active-health.md"))
            .SkipWhile(line => !line.StartsWith("| key |", StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .ToDictionary(cells => cells[1].Trim('`'), cells => cells[2].Trim('`'));
        var options = new HealthCheckOptions();
        var properties = typeof(HealthCheckOptions).GetProperties();

        rows.Keys.Should().BeEquivalentTo(properties.Select(property => property.Name));
        foreach (var property in properties.Where(each => Text(each.GetValue(options)) is not null))
        {
            rows[property.Name].Should().Be(Text(property.GetValue(options)), property.Name);
        }
    }

    /// <summary>R178: what the page recommends by the size of a pool can be set, and leaves time for each probe.</summary>
    [Fact]
    public void Recommendations_BySizeOfThePool_AreValidIntervals()
    {
        var rows = File.ReadAllLines(Path.Combine(SourceTree.Root, "docs", "active-health.md"))
            .SkipWhile(line => !line.StartsWith("| backends | interval |", StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .ToArray();

        rows.Select(cells => cells[1]).Should().Equal("up to 10", "10 to 100", "more than 100");
        foreach (var interval in rows.SelectMany(cells => Regex.Matches(cells[2], "[0-9]+(?= s| to)")))
        {
            var options = new HealthCheckOptions
            {
                Interval = TimeSpan.FromSeconds(int.Parse(interval.Value, CultureInfo.InvariantCulture)),
            };
            new HealthRules(options).WorkersFor(100).Should().BeLessThanOrEqualTo(60);
            options.Interval.Should().BeGreaterThan(options.Timeout);
        }

        rows.Sum(cells => Regex.Count(cells[2], "[0-9]+(?= s| to)")).Should().Be(5);
    }

    /// <summary>R173: what makes probing dear, the worst first, and which setting of ours answers it.</summary>
    [Fact]
    public void Bottlenecks_AreListedBySeverity_WithSettingsThatExist()
    {
        var rows = File.ReadAllLines(Path.Combine(SourceTree.Root, "docs", "active-health.md"))
            .SkipWhile(line => !line.StartsWith("| severity |", StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .ToArray();

        rows.Select(cells => (cells[1], cells[2]))
            .Should()
            .Equal(
                ("high", "probes that pile up"),
                ("high", "a new connection for each probe"),
                ("medium", "a log line for each probe"),
                ("low", "all probes at the same moment"),
                ("low", "bodies left unread")
            );
        rows.SelectMany(cells => Regex.Matches(cells[3], "`([A-Za-z]+)`").Select(match => match.Groups[1].Value))
            .Should()
            .Equal("MaxConcurrency", "ReuseConnections", "Jitter", "Spread")
            .And.BeSubsetOf(typeof(HealthCheckOptions).GetProperties().Select(property => property.Name));
    }

    /// <summary>R164, R177: what the page says of kept connections is what its own numbers make.</summary>
    [Fact]
    public void KeptConnections_WhatTheySave_IsWhatThePageReckons()
    {
        var rows = File.ReadAllLines(Path.Combine(SourceTree.Root, "docs", "active-health.md"))
            .SkipWhile(line => !line.StartsWith("| backends | a round", StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Select(cells => cells[1..4].Select(cell => int.Parse(cell.Replace(",", ""), CultureInfo.InvariantCulture)))
            .Select(numbers => numbers.ToArray());

        // Milliseconds of a round, one probe after another: 100 for a setup and 2 for an answer, or the answer alone.
        rows.Should().HaveCount(4).And.OnlyContain(row => row[1] == row[0] * 102 && row[2] == row[0] * 2);
    }

    [Fact]
    public async Task OnDemand_AsThePageShowsIt_ProbesOneAndAll()
    {
        await using var world = new CheckedPool(CheckedPool.Exact(), "a", "b");
        world.Probe.Down.Add("b");

        var (one, all) = await ActiveDocumentCode.OnDemandAsync(world.Pool, world.Checker);

        one.IsSuccess.Should().BeTrue();
        all.Select(result => result.IsSuccess).Should().Equal(true, false);
    }

    /// <returns><see langword="null"/> where the page says it in words.</returns>
    private static string? Text(object? value) =>
        value switch
        {
            bool flag => flag ? "true" : "false",
            string text => text,
            Enum name => name.ToString(),
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => null,
        };
}
