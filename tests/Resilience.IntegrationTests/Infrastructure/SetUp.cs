namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>The ways in which an application can set the library up.</summary>
public enum SetUp
{
    /// <summary>A service collection without a host.</summary>
    Services,

    /// <summary>A generic host.</summary>
    Host,

    /// <summary>No dependency injection at all.</summary>
    Constructors,
}
