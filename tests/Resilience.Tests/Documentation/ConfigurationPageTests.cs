using System.Collections;
using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Resilience.DependencyInjection;
using Resilience.Tests.Architecture;
using Resilience.Tests.DependencyInjection;

namespace Resilience.Tests.Documentation;

/// <summary>R101-R105: the reference of settings is what the options are and what their documentation says.</summary>
public sealed partial class ConfigurationPageTests
{
    private const string Begin = "<!-- settings -->\n";
    private const string End = "<!-- /settings -->\n";

    private static readonly string Page = Path.Combine(SourceTree.Root, "docs", "configuration.md");

    private static readonly Lazy<Dictionary<string, XElement>> Documentation = new(() =>
        XDocument
            .Load(Path.ChangeExtension(typeof(ResilientBackendsOptions).Assembly.Location, ".xml"))
            .Descendants("member")
            .ToDictionary(member => member.Attribute("name")!.Value)
    );

    [Fact]
    public void Reference_HasEverySettingWithItsDefaultAndMeaning()
    {
        var page = File.ReadAllText(Page).ReplaceLineEndings("\n");
        var start = page.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        var end = page.IndexOf(End, StringComparison.Ordinal);
        var expected = Reference();
        if (Environment.GetEnvironmentVariable("RESILIENCE_APPROVE") == "1")
        {
            File.WriteAllText(Page, page[..start] + expected + page[end..]);
            return;
        }

        page[start..end]
            .Should()
            .Be(
                expected,
                "RESILIENCE_APPROVE=1 dotnet test --filter ConfigurationPage writes docs/configuration.md anew"
            );
    }

    /// <summary>A setting without a meaning would be a row that says nothing.</summary>
    [Fact]
    public void Reference_EverySetting_SaysSomething()
    {
        Reference().Split('\n').Where(line => line.StartsWith("| `")).Should().HaveCount(OptionPaths.All.Count);
        Reference().Should().NotContain("|  |");
    }

    private static string Reference() =>
        string.Concat(
            OptionPaths
                .All.GroupBy(option => option.Path.Contains(':') ? option.Path[..option.Path.IndexOf(':')] : "")
                .OrderBy(group => group.Key, StringComparer.Ordinal)
                .Select(group =>
                    $"\n### {(group.Key.Length == 0 ? "The pool" : group.Key)}\n\n| key | default | meaning |\n|---|---|---|\n"
                    + string.Concat(group.Select(option => Row(option.Path)))
                )
        ) + "\n";

    private static string Row(string path)
    {
        var (property, value) = Find(path);
        // What absence means is said where the default is documented.
        var meaning = value is null ? $"{Meaning(property)} {Meaning(property, "value")}" : Meaning(property);
        return $"| `{path}` | {Text(value)} | {meaning.Replace("|", "\\|").Trim()} |\n";
    }

    private static (PropertyInfo Property, object? Default) Find(string path)
    {
        var type = typeof(ResilientBackendsOptions);
        object? value = new ResilientBackendsOptions();
        PropertyInfo property = null!;
        foreach (var part in path.Split(':'))
        {
            if (part == "0")
            {
                // What a list's element is by itself.
                type = type.GetGenericArguments()[^1];
                value = type == typeof(string) ? null : Activator.CreateInstance(type);
                continue;
            }

            property = type.GetProperty(part)!;
            value = value is null ? null : property.GetValue(value);
            type = property.PropertyType;
        }

        return (property, value);
    }

    private static string Text(object? value) =>
        value switch
        {
            null => "none",
            bool flag => flag ? "`true`" : "`false`",
            int.MaxValue => "no limit",
            IFormattable number => $"`{number.ToString(null, CultureInfo.InvariantCulture)}`",
            string text => $"`{text}`",
            IEnumerable => "none",
            _ => $"`{value}`",
        };

    private static string Meaning(PropertyInfo property, string part = "summary")
    {
        var member = Documentation.Value[$"P:{property.DeclaringType!.FullName}.{property.Name}"];
        if (member.Element("inheritdoc")?.Attribute("cref")?.Value is { } inherited)
        {
            member = Documentation.Value[inherited];
        }

        var words = string.Concat(member.Element(part)?.Nodes().Select(Words) ?? []);
        return Spaces().Replace(words, " ").Trim();
    }

    private static string Words(XNode node) =>
        node switch
        {
            XText text => text.Value,
            XElement { Name.LocalName: "c" } code => $"`{code.Value}`",
            XElement see when (see.Attribute("langword") ?? see.Attribute("cref")) is { } reference =>
                $"`{reference.Value[(reference.Value.LastIndexOf('.') + 1)..]}`",
            XElement other => string.Concat(other.Nodes().Select(Words)),
            _ => "",
        };

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
