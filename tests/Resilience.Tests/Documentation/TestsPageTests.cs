using System.Reflection;
using System.Text.RegularExpressions;
using Resilience.Tests.Architecture;

namespace Resilience.Tests.Documentation;

/// <summary>
/// tests/README.md: the tests can be run by area, and together they are all (R108, R126, R144, R156).
/// </summary>
public sealed partial class TestsPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(SourceTree.Root, "tests", "README.md"));

    private static Type[] TestClasses =>
        [
            .. typeof(TestsPageTests)
                .Assembly.GetTypes()
                .Where(type => type.GetMethods().Any(method => method.GetCustomAttribute<FactAttribute>() is not null)),
        ];

    private static string[] Filters => [.. FilterRows().Matches(Page).Select(match => match.Groups[1].Value)];

    /// <summary>A filter that matches nothing would pass, having run nothing.</summary>
    [Fact]
    public void Filters_Each_ChooseSomeTests()
    {
        Filters.Should().OnlyContain(filter => TestClasses.Any(type => type.FullName!.Contains(filter)));
    }

    [Fact]
    public void Filters_Together_ChooseAllButTheTestsOfTheTests()
    {
        TestClasses
            .Where(type => !Filters.Any(filter => type.FullName!.Contains(filter)))
            .Should()
            .OnlyContain(type => type.Namespace == "Resilience.Tests.Infrastructure");
    }

    /// <summary>R126: the suites that the requirement names, and those that it misses.</summary>
    [Theory]
    [InlineData("Backends", 50)]
    [InlineData("Health.Active", 50)]
    [InlineData("Health.Passive", 50)]
    [InlineData("CircuitBreaking", 50)]
    [InlineData("Retries", 30)]
    [InlineData("Timeouts", 30)]
    public void Suites_EachArea_HasTestsOfItsOwn(string area, int atLeast)
    {
        var prefix = $"Resilience.Tests.{area}";

        TestClasses
            .Where(type => type.Namespace!.StartsWith(prefix, StringComparison.Ordinal))
            .SelectMany(type => type.GetMethods())
            .Count(method => method.GetCustomAttribute<FactAttribute>() is not null)
            .Should()
            .BeGreaterThanOrEqualTo(atLeast);
    }

    [GeneratedRegex(@"^\| [^|]+ \| `(Resilience\.Tests\.[\w.]+)` \|$", RegexOptions.Multiline)]
    private static partial Regex FilterRows();
}
