using Resilience.Benchmarks.Harness;

namespace Resilience.Benchmarks.Loopback;

/// <summary>What a contest is over: a protocol, and what is asked for.</summary>
/// <param name="Name">As in the table.</param>
/// <param name="Version">The one version of HTTP that is spoken.</param>
/// <param name="Backends">Where they are.</param>
/// <param name="Bytes">How long each answer is; over HTTP/1.1 it is two, whatever is asked for.</param>
internal sealed record Course(string Name, Version Version, Uri[] Backends, int Bytes)
{
    /// <summary>More than anybody would keep.</summary>
    private const int Paths = 4_096;

    /// <summary>What is asked of these authorities, in turn: each request for something else.</summary>
    public Uri[] RequestsTo(params Uri[] authorities) =>
        [
            .. Enumerable
                .Range(0, Paths)
                .Select(i =>
                    Addresses.TakenApart(new Uri(authorities[i % authorities.Length], $"products/{i}?bytes={Bytes}"))
                ),
        ];
}
