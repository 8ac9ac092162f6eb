namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// What the process keeps is measured as a whole, what another class's test holds at that moment included: these tests run
/// alone.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class MemoryCollection
{
    public const string Name = "Measures of memory";
}
