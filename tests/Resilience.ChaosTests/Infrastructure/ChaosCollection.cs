namespace Resilience.ChaosTests.Infrastructure;

/// <summary>One scenario after another, on the same backends: their figures would disturb each other.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class ChaosCollection : ICollectionFixture<ChaosBackends>
{
    public const string Name = "Chaos";
}
