using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;

namespace Resilience.Tests.Documentation;

public sealed partial class ReadmeTests
{
    [Fact]
    public void Readme_EveryCodeBlock_IsCompiledCode()
    {
        var root = Root();
        var compiled = Regions().Matches(File.ReadAllText(Path.Combine(root, SourcePath))).Select(Code).ToArray();
        var written = Blocks().Matches(File.ReadAllText(Path.Combine(root, "README.md"))).Select(Code).ToArray();

        written.Should().NotBeEmpty();
        written.Should().BeSubsetOf(compiled, "code in README.md stands in {0}, in a region of its own", SourcePath);
        compiled.Should().BeSubsetOf(written, "every region of {0} is shown in README.md", SourcePath);
    }

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

    private const string SourcePath = "tests/Resilience.Tests/Documentation/ReadmeCode.cs";

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

    [GeneratedRegex(@"```csharp\r?\n(?<code>.*?)\n```", RegexOptions.Singleline)]
    private static partial Regex Blocks();
}
