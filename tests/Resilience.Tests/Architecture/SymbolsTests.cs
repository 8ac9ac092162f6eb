using System.Reflection.Metadata;
using Resilience.Backends;

namespace Resilience.Tests.Architecture;

/// <summary>The symbols of the library, which stand in for source link: a debugger needs nothing else.</summary>
public sealed class SymbolsTests
{
    private static readonly Guid EmbeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    [Fact]
    public void Symbols_HoldEverySource()
    {
        var file = Path.ChangeExtension(typeof(BackendPool).Assembly.Location, ".pdb");
        using var symbols = MetadataReaderProvider.FromPortablePdbStream(File.OpenRead(file));
        var reader = symbols.GetMetadataReader();

        var sources = reader.Documents.Select(each =>
            (
                Name: reader.GetString(reader.GetDocument(each).Name),
                IsHeld: reader
                    .GetCustomDebugInformation(each)
                    .Any(entry => reader.GetGuid(reader.GetCustomDebugInformation(entry).Kind) == EmbeddedSource)
            )
        );

        sources.Should().Contain(source => source.Name.EndsWith("BackendPool.cs", StringComparison.Ordinal));
        sources.Where(source => !source.IsHeld).Select(source => source.Name).Should().BeEmpty();
    }
}
