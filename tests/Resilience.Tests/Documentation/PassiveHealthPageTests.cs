using System.Globalization;
using Resilience.Health.Passive;
using Resilience.Tests.Architecture;

namespace Resilience.Tests.Documentation;

/// <summary>The page on passive health, held against the options.</summary>
public sealed class PassiveHealthPageTests
{
    [Fact]
    public void DefaultsTable_HasEveryOptionWithItsDefault()
    {
        var page = File.ReadAllLines(Path.Combine(SourceTree.Root, "docs", "passive-health.md"));
        var options = new PassiveHealthOptions();
        var expected = typeof(PassiveHealthOptions)
            .GetProperties()
            .Select(property => $"| `{property.Name}` | {Text(property.GetValue(options)!)} |");

        var written = page.SkipWhile(line => !line.StartsWith("| key |", StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line[..(line.IndexOf('|', line.IndexOf('|', 2) + 1) + 1)]);

        written.Should().BeEquivalentTo(expected);
    }

    private static string Text(object value) =>
        value switch
        {
            bool flag => flag ? "`true`" : "`false`",
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => throw new ArgumentOutOfRangeException(nameof(value)),
        };
}
