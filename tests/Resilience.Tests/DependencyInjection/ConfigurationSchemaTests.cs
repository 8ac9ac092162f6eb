using System.Collections;
using System.Globalization;
using System.Net;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Resilience.CircuitBreaking;
using Resilience.DependencyInjection;
using Resilience.Http;

namespace Resilience.Tests.DependencyInjection;

/// <summary>The schema that configuration is checked with, held against the options' own properties.</summary>
public sealed class ConfigurationSchemaTests
{
    /// <summary>Of each kind of value one text that the binder reads and one that it does not.</summary>
    private static readonly Dictionary<Type, (string Good, string Bad)> Samples = new()
    {
        [typeof(bool)] = ("true", "maybe"),
        [typeof(int)] = ("1", "one"),
        [typeof(double)] = ("0.5", "half"),
        [typeof(TimeSpan)] = ("00:00:01", "1s"),
        [typeof(Uri)] = ("http://x/", "http://x:99999/"),
        [typeof(ForeignHosts)] = ("refuse", "never"),
        [typeof(CircuitState)] = ("metricsOnly", "ajar"),
        [typeof(DecompressionMethods)] = ("GZip, Deflate", "zip"),
    };

    public static TheoryData<string> Leaves
    {
        get
        {
            var data = new TheoryData<string>();
            foreach (var (path, type) in OptionPaths.All)
            {
                if (type != typeof(string))
                {
                    data.Add(path);
                }
            }

            return data;
        }
    }

    [Fact]
    public void Root_Keys_AreTheOptionsProperties()
    {
        var known = Flatten(ConfigurationSchema.Root, "").Order(StringComparer.Ordinal);

        known.Should().Equal(OptionPaths.All.Select(each => each.Path).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Leaves))]
    public void Check_GoodAndBadValueOfEachOption_AsTheBinderReadsThem(string path)
    {
        var (good, bad) = Samples[OptionPaths.TypeOf(path)];

        ProblemsOf(path, good).Should().BeEmpty();
        BinderReads(path, good).Should().BeTrue();
        ProblemsOf(path, bad).Should().ContainSingle().Which.Should().StartWith($"X:{path} is '{bad}', must be ");
        BinderReads(path, bad).Should().BeFalse();
    }

    [Theory]
    [InlineData("CircuitBreaker:Classify")]
    [InlineData("CircuitBreaker:BreakDurationGenerator")]
    public void Check_OptionThatIsAFunction_IsNoSetting(string path)
    {
        ProblemsOf(path, "x").Should().ContainSingle().Which.Should().StartWith($"X:{path} is no known setting");
    }

    [Theory]
    [InlineData("CircuitBreaker:ConsecutiveFailures", "")]
    [InlineData("CircuitBreaker:ConsecutiveFailures", null)]
    [InlineData("circuitbreaker:consecutivefailures", "")]
    public void Read_NoValueOfTheRuleThatIsOnByDefault_SwitchesItOff(string path, string? value)
    {
        var options = new ResilientBackendsOptions();
        var section = Section(path, value);

        ConfigurationReader.Read(section, options);

        options.ReadingProblems.Should().BeEmpty();
        options.CircuitBreaker.ConsecutiveFailures.Should().BeNull();
    }

    [Fact]
    public void Check_KeysInAnotherCase_AreKnown()
    {
        ProblemsOf("rEtRy:mAxAtTeMpTs", "4").Should().BeEmpty();
    }

    [Theory]
    [InlineData("de-DE")]
    [InlineData("ar-SA")]
    public void Check_UnderAnotherCulture_ReadsAsTheBinderDoes(string culture)
    {
        var before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = CultureInfo.GetCultureInfo(culture);
        try
        {
            ProblemsOf("Retry:Jitter", "0.5").Should().BeEmpty();
            ProblemsOf("Retry:Jitter", "0,5").Should().ContainSingle();
            ProblemsOf("Timeouts:Total", "00:00:00.250").Should().BeEmpty();
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    private static List<string> ProblemsOf(string path, string value)
    {
        var problems = new List<string>();
        ConfigurationSchema.Root.CheckChildren(Section(path, value), problems, []);
        return problems;
    }

    private static bool BinderReads(string path, string value)
    {
        try
        {
            // Without the schema's check before it: what stands in the way is the binder itself.
            ConfigurationReader.Bind(Section(path, value), new ResilientBackendsOptions());
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static IConfigurationSection Section(string path, string? value) =>
        new ReloadableConfiguration(($"X:{path}", value)).Root.GetSection("X");

    private static IEnumerable<string> Flatten(ConfigurationSchema schema, string path) =>
        schema switch
        {
            { AnyKey: { } item } => Flatten(item, $"{path}:0"),
            { Keys: { } keys } => keys.SelectMany(each =>
                Flatten(each.Value, path.Length == 0 ? each.Key : $"{path}:{each.Key}")
            ),
            _ => [path],
        };
}

/// <summary>Every setting of a pool's configuration, by reflection over the options.</summary>
internal static class OptionPaths
{
    public static IReadOnlyList<(string Path, Type Type)> All { get; } =
    [.. Of(typeof(ResilientBackendsOptions), "").OrderBy(each => each.Path, StringComparer.Ordinal)];

    public static Type TypeOf(string path) => All.Single(each => each.Path == path).Type;

    private static IEnumerable<(string Path, Type Type)> Of(Type type, string path)
    {
        foreach (var property in type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
        {
            if (property.PropertyType.IsAssignableTo(typeof(Delegate)))
            {
                // A function is no setting: only code can give it.
                continue;
            }

            var name = path.Length == 0 ? property.Name : $"{path}:{property.Name}";
            foreach (var each in OfValue(property.PropertyType, name))
            {
                yield return each;
            }
        }
    }

    private static IEnumerable<(string Path, Type Type)> OfValue(Type type, string path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type != typeof(string) && type.IsAssignableTo(typeof(IEnumerable)))
        {
            return OfValue(type.GetGenericArguments()[^1], $"{path}:0");
        }

        return type.Assembly == typeof(ResilientBackendsOptions).Assembly && type.IsClass
            ? Of(type, path)
            : [(path, type)];
    }
}
