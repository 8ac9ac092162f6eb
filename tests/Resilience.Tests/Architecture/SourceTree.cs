namespace Resilience.Tests.Architecture;

/// <summary>The library's source files, found from the test's own place in the repository.</summary>
internal static class SourceTree
{
    public static string Root { get; } = FindRoot();

    public static string Library => Path.Combine(Root, "src", "Resilience");

    /// <summary>Every source file of the library: its path below the library's folder with forward slashes, and its lines.</summary>
    public static IEnumerable<(string Path, string[] Lines)> Files =>
        Directory
            .EnumerateFiles(Library, "*.cs", SearchOption.AllDirectories)
            .Select(file => (Path: System.IO.Path.GetRelativePath(Library, file).Replace('\\', '/'), File: file))
            .Where(each => !each.Path.StartsWith("bin/", StringComparison.Ordinal))
            .Where(each => !each.Path.StartsWith("obj/", StringComparison.Ordinal))
            .OrderBy(each => each.Path, StringComparer.Ordinal)
            .Select(each => (each.Path, File.ReadAllLines(each.File)));

    private static string FindRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Resilience.sln")))
            {
                return folder;
            }
        }

        throw new DirectoryNotFoundException("No folder above the tests holds Resilience.sln.");
    }
}
