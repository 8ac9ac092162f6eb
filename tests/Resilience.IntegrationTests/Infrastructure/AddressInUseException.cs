namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>A backend ended at once because another process listens on its port.</summary>
internal sealed class AddressInUseException(string message) : Exception(message);
