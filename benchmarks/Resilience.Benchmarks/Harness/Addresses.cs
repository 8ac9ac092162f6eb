namespace Resilience.Benchmarks.Harness;

/// <summary>Where backends are, and what is asked of them.</summary>
internal static class Addresses
{
    /// <summary>The three backends of the handler rows; nothing listens there.</summary>
    public static IReadOnlyList<Uri> Three { get; } =
    [new("http://10.0.0.1:8080/"), new("http://10.0.0.2:8080/"), new("http://10.0.0.3:8080/")];

    /// <summary>
    /// The address, with everything that a transport reads of it found out: a caller's own address is no handler's work.
    /// </summary>
    public static Uri TakenApart(Uri address)
    {
        _ = address.AbsoluteUri.Length + address.IdnHost.Length + address.Port + address.PathAndQuery.Length;
        return address;
    }
}
