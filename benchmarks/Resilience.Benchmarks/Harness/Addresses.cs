namespace Resilience.Benchmarks.Harness;

/// <summary>The backends of the handler rows; nothing listens there.</summary>
internal static class Addresses
{
    /// <summary>Three plain backends.</summary>
    public static IReadOnlyList<Uri> Three { get; } =
    [new("http://10.0.0.1:8080/"), new("http://10.0.0.2:8080/"), new("http://10.0.0.3:8080/")];
}
