namespace Resilience.Tests.Http;

/// <summary>
/// Listeners see the whole process: these tests run alone, so that "nobody listens" is true where it is said.
/// </summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class HttpTelemetryCollection
{
    public const string Name = "Listeners to requests";
}
