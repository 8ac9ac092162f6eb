using System.Collections.Frozen;

namespace Resilience.Backends;

/// <summary>
/// The addresses of a pool's own backends, for requests that name one of them instead of the pool. An https address is
/// no http backend's: what was to be encrypted must not go out in the clear. Immutable.
/// </summary>
internal sealed class OwnAddresses
{
    private readonly FrozenDictionary<string, string[]> _http;
    private readonly FrozenDictionary<string, string[]> _https;

    public OwnAddresses(IReadOnlyCollection<Backend> backends)
    {
        _http = BasePathsOf(backends, Uri.UriSchemeHttp);
        _https = BasePathsOf(backends, Uri.UriSchemeHttps);
    }

    /// <summary>
    /// Whether scheme and authority are a backend's; takes that backend's base path, the longest that fits, off the path.
    /// </summary>
    public bool Contains(string scheme, ReadOnlySpan<char> authority, ref ReadOnlySpan<char> path)
    {
        var basePaths = scheme == Uri.UriSchemeHttps ? _https : _http;
        if (!basePaths.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(authority, out var candidates))
        {
            return false;
        }

        foreach (var basePath in candidates)
        {
            if (path.StartsWith(basePath, StringComparison.Ordinal) && EndsSegment(path, basePath.Length))
            {
                path = path[basePath.Length..];
                return true;
            }
        }

        return true;
    }

    /// <summary>By authority, the base paths of the backends there, the longest first.</summary>
    private static FrozenDictionary<string, string[]> BasePathsOf(IEnumerable<Backend> backends, string scheme) =>
        backends
            .Select(backend => backend.Definition.Address)
            .Where(address => address.Scheme == scheme)
            .GroupBy(address => address.Authority, StringComparer.OrdinalIgnoreCase)
            .ToFrozenDictionary(
                group => group.Key,
                group => group.Select(BasePath).OrderByDescending(path => path.Length).ToArray(),
                StringComparer.OrdinalIgnoreCase
            );

    private static string BasePath(Uri address) => address.AbsolutePath.TrimEnd('/');

    private static bool EndsSegment(ReadOnlySpan<char> path, int at) => at == path.Length || path[at] is '/' or '?';
}
