using Resilience.Backends;
using Resilience.Primitives;

namespace Resilience.Http;

/// <summary>
/// Addresses of requests: which belong to a pool, and what they become on a backend. Path and query stay byte for byte
/// what the platform would have sent.
/// </summary>
internal static class RequestAddress
{
    private static readonly UriCreationOptions KeepPathAndQuery = new()
    {
        DangerousDisablePathAndQueryCanonicalization = true,
    };

    /// <summary>The logical address of a pool that was given none.</summary>
    /// <exception cref="ArgumentException">The pool's name is no host.</exception>
    public static Uri LogicalOf(string pool) =>
        NameProblem(pool) is { } problem ? throw new ArgumentException(problem) : new Uri($"http://{pool}/");

    public static string? NameProblem(string pool) =>
        Uri.CheckHostName(pool) is UriHostNameType.Dns or UriHostNameType.IPv4
            ? null
            : $"The pool's name '{pool}' is no valid host name, so it cannot stand in an address; "
                + "set LogicalAddress, for instance to http://my-service/.";

    public static string? LogicalProblem(Uri? address) =>
        address is null
        || (
            address.IsAbsoluteUri
            && address.Scheme is "http" or "https"
            && address is { PathAndQuery: "/", UserInfo.Length: 0, Fragment.Length: 0 }
        )
            ? null
            : $"is '{Redaction.WithoutSecrets(address.IsAbsoluteUri ? address.GetLeftPart(UriPartial.Path) : address.OriginalString)}', "
                + "must be an absolute http or https address without a path, such as http://my-service/";

    /// <summary>
    /// The part of a request's address that goes to a backend, if the address is the pool's: its path and query.
    /// </summary>
    /// <returns><see langword="false"/> if the address is foreign.</returns>
    public static bool TryRoute(Uri address, RequestPolicy policy, PoolSnapshot snapshot, out RequestPath path)
    {
        var text = address.AbsoluteUri;
        if (
            text.StartsWith(policy.LogicalPrefix, StringComparison.Ordinal)
            && !text.Contains('#', StringComparison.Ordinal)
        )
        {
            // Nearly every request: the logical address as it is written, with its closing slash.
            var start = policy.LogicalPrefix.Length - 1;
            path = new RequestPath(text, start, text.Length - start);
            return true;
        }

        var authority = AuthorityOf(address, out var span);
        var isOurs =
            IsLogical(address, authority, policy) || snapshot.IsOwnAddress(address.Scheme, authority, ref span);
        path = new RequestPath(text, text.AsSpan().Overlaps(span, out var at) ? at : text.Length, span.Length);
        return isOurs;
    }

    /// <summary>The address of <paramref name="path"/> on a backend, its base path included.</summary>
    /// <param name="seen">What whoever asks has asked for before; an address that is asked for again is kept.</param>
    public static Uri On(Backend backend, in RequestPath path, ref SeenPaths seen)
    {
        var span = path.Span;
        if (span.Length > KnownTargets.LongestPath)
        {
            return Create(backend, span);
        }

        var targets = backend.Pool.Targets;
        var key = KnownTargets.KeyOf(span);
        if (targets.Find(backend, span, key) is { } known)
        {
            return known;
        }

        var target = Create(backend, span);
        if (seen.Note(key))
        {
            targets.Keep(backend, key, target);
        }

        return target;
    }

    private static Uri Create(Backend backend, ReadOnlySpan<char> path) =>
        path is ['/', ..] || HasBasePath(backend.Definition)
            ? new(string.Concat(backend.Definition.Prefix, path), KeepPathAndQuery)
            // A backend's own base path was asked for, and another backend without one answers: a path is never empty.
            : new(string.Concat(backend.Definition.Prefix, "/", path), KeepPathAndQuery);

    private static bool IsLogical(Uri address, ReadOnlySpan<char> authority, RequestPolicy policy) =>
        address.Scheme == policy.LogicalAddress.Scheme
        && authority.Equals(policy.LogicalAuthority, StringComparison.OrdinalIgnoreCase);

    private static bool HasBasePath(BackendDefinition definition) => definition.Address.AbsolutePath.Length > 1;

    /// <summary>The authority without user-info; path and query without the fragment.</summary>
    public static ReadOnlySpan<char> AuthorityOf(Uri address, out ReadOnlySpan<char> path)
    {
        // In an absolute http address the path always begins with a slash, and authority and default port are in
        // their canonical form.
        var text = address.AbsoluteUri.AsSpan();
        var authority = text[(address.Scheme.Length + Uri.SchemeDelimiter.Length)..];
        // Unless the caller has kept the platform from touching path and query: then the path may be missing.
        var end = authority.IndexOfAny('/', '?', '#');
        end = end < 0 ? authority.Length : end;
        path = authority[end..];
        authority = authority[..end];
        var fragment = path.IndexOf('#');
        // In an address that was made uncanonicalised there is no fragment: a '#' is one more character of the path.
        if (fragment >= 0 && address.Fragment.Length > 0)
        {
            path = path[..fragment];
        }

        return authority[(authority.LastIndexOf('@') + 1)..];
    }
}

/// <summary>Path and query of a request, a stretch of its address. Immutable.</summary>
internal readonly struct RequestPath(string text, int start, int length)
{
    public ReadOnlySpan<char> Span => text.AsSpan(start, length);
}
