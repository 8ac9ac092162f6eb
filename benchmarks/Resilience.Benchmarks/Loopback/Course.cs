namespace Resilience.Benchmarks.Loopback;

/// <summary>What a contest is over: a protocol, and what every request asks for.</summary>
/// <param name="Name">As in the table.</param>
/// <param name="Version">The one version of HTTP that is spoken.</param>
/// <param name="Addresses">The backends.</param>
/// <param name="Path">What is asked for.</param>
internal sealed record Course(string Name, Version Version, Uri[] Addresses, string Path);
