using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.Documentation;

public sealed partial class ReadmeTests
{
    /// <summary>Where code is compiled that needs what the unit tests do not refer to.</summary>
    private const string Elsewhere = "../../Resilience.IntegrationTests/";

    [Theory]
    [InlineData("README.md", "ReadmeCode.cs")]
    [InlineData("docs/circuit-breaker.md", "CircuitDocumentCode.cs")]
    [InlineData("docs/active-health.md", "ActiveDocumentCode.cs")]
    [InlineData("docs/getting-started.md", "GettingStartedCode.cs")]
    [InlineData("docs/backends.md", "BackendsCode.cs")]
    [InlineData("docs/how-to.md", "HowToCode.cs")]
    [InlineData("docs/migration.md", "MigrationCode.cs")]
    [InlineData("docs/operations.md", "OperationsCode.cs", Elsewhere + "Telemetry/OpenTelemetryCode.cs")]
    public void Document_EveryCodeBlock_IsCompiledCode(string document, params string[] sources)
    {
        var root = Root();
        var folder = Path.Combine(root, "tests", "Resilience.Tests", "Documentation");
        var source = string.Join(" and ", sources);
        var compiled = sources
            .SelectMany(each => Regions().Matches(File.ReadAllText(Path.Combine(folder, each))))
            .Select(Code)
            .ToArray();
        var written = Blocks().Matches(File.ReadAllText(Path.Combine(root, document))).Select(Code).ToArray();

        written.Should().NotBeEmpty();
        written
            .Where(block => !IsMadeOf(block, compiled))
            .Should()
            .BeEmpty("code in {0} stands in {1}, in regions of its own", document, source);
        compiled
            .Where(region => !written.Any(block => block.Contains(region)))
            .Should()
            .BeEmpty("every region of {0} is shown in {1}", source, document);
    }

    [Fact]
    public void CircuitDocument_Options_AreAllInTheTable()
    {
        var text = File.ReadAllText(Path.Combine(Root(), "docs", "circuit-breaker.md"));

        var rows = OptionRows().Matches(text).Select(match => match.Groups[1].Value);

        rows.Should().BeEquivalentTo(typeof(CircuitBreakerOptions).GetProperties().Select(option => option.Name));
    }

    [Fact]
    public void CircuitDocument_FirstScreen_SaysWhyThereAreHealthChecksToo_R152()
    {
        var text = File.ReadAllText(Path.Combine(Root(), "docs", "circuit-breaker.md"));

        var introduction = text[..text.IndexOf("\n## ", StringComparison.Ordinal)].ReplaceLineEndings(" ");

        introduction.Should().ContainAll("short bursts of failures: overload", "Health checks are for what lasts");
    }

    /// <summary>R17, R51: what a user writes, and it serves.</summary>
    [Fact]
    public async Task QuickStart_HostStarted_ServesThePool()
    {
        using var host = ReadmeCode.QuickStart();
        await host.StartAsync();

        host.Services.GetRequiredService<ReadmeCode.CatalogClient>().Should().NotBeNull();
        host.Services.GetRequiredKeyedService<BackendPool>("catalog").Backends.Should().HaveCount(2);

        await host.StopAsync();
    }

    [Fact]
    public void PerRequest_Configured_CarriesItsOptions()
    {
        using var request = ReadmeCode.PerRequest();

        request.Options.Should().NotBeEmpty();
    }

    /// <summary>Whether a block is a region, or several one after another: a file of its own, with what stands after it.</summary>
    private static bool IsMadeOf(string block, string[] regions) =>
        regions.Any(region =>
            block == region
            || (block.StartsWith($"{region}\n") && IsMadeOf(block[region.Length..].TrimStart('\n'), regions))
        );

    /// <summary>Without indentation, which differs between a region and a block.</summary>
    private static string Code(Match match)
    {
        var lines = match.Groups["code"].Value.Replace("\r", "", StringComparison.Ordinal).Split('\n');
        var indent = lines.Where(line => line.Trim().Length > 0).Min(line => line.Length - line.TrimStart().Length);
        return string.Join('\n', lines.Select(line => line.Length > indent ? line[indent..].TrimEnd() : "")).Trim();
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder!.FullName, "Resilience.sln")))
        {
            folder = folder.Parent;
        }

        return folder.FullName;
    }

    [GeneratedRegex(@"#region [^\n]*\n(?<code>.*?)\n[ ]*#endregion", RegexOptions.Singleline)]
    private static partial Regex Regions();

    [GeneratedRegex(@"^\| `([A-Z]\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex OptionRows();

    [GeneratedRegex(@"```csharp\r?\n(?<code>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Blocks();
}
