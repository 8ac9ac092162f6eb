using System.Text;
using Resilience.Primitives;

namespace Resilience.Backends;

/// <summary>What a backend's definition may be, worded once for exceptions and for configuration errors.</summary>
internal static class BackendRules
{
    public const int MaxWeight = 1_000;

    public static string? AddressProblem(Uri? address)
    {
        if (address is null || !address.IsAbsoluteUri)
        {
            return $"is '{Redaction.WithoutSecrets(address?.OriginalString)}', must be an absolute http or https address such as http://10.0.0.1:8080";
        }

        if (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
        {
            return SchemeProblem(address);
        }

        if (address.Host.Length == 0)
        {
            // Of a host that is nothing but characters that cannot be seen the platform leaves none.
            return "has no host, must be an absolute http or https address such as http://10.0.0.1:8080";
        }

        if (address.UserInfo.Length > 0)
        {
            // The value is not repeated: it may hold a password.
            return "contains user-info (before '@'), which would end up in logs; send credentials as a header instead";
        }

        if (address.Query.Length > 0 || address.Fragment.Length > 0)
        {
            return $"is '{address.GetLeftPart(UriPartial.Path)}' followed by a query or fragment; it may have a base path only";
        }

        return Ascii.IsValid(address.OriginalString) || AsciiHostOf(address) is not null
            ? null
            : $"has the host '{address.Host}', which has no ASCII form, so that nothing can have that name";
    }

    private static string SchemeProblem(Uri address)
    {
        if (address.OriginalString.Contains('@', StringComparison.Ordinal))
        {
            // What seems to be the scheme may be a user's name.
            return "must begin with http:// or https:// and contain no user-info (before '@')";
        }

        // Of localhost:5001 the platform takes the host for the scheme.
        var isHostAndPort = address.AbsolutePath.Length > 0 && char.IsAsciiDigit(address.AbsolutePath[0]);
        return $"has the scheme '{address.Scheme}', must be http or https"
            + (isHostAndPort ? $", such as http://{Redaction.WithoutSecrets(address.OriginalString)}" : "");
    }

    public static string? NameProblem(string? name) =>
        name is not null && string.IsNullOrWhiteSpace(name) ? "is blank, must be a text or absent" : null;

    public static string? HostProblem(string? host) =>
        host is null || HostOnTheWire(host) is not null
            ? null
            : $"is '{Redaction.WithoutSecrets(host)}', must be a host name with an optional port, such as api.example.com";

    public static string? WeightProblem(int weight) => Ranges.Problem(weight, 0, MaxWeight);

    public static string? LimitProblem(int? limit) =>
        limit is { } value ? Ranges.Problem(value, 1, ConcurrencyLimitOptions.MaxRequests) : null;

    public static Uri ParseAddress(string address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return Uri.TryCreate(address, UriKind.RelativeOrAbsolute, out var uri)
            ? uri
            : throw new ArgumentException($"A backend's address {NoAddress(address)}.", nameof(address));
    }

    public static string NoAddress(string text) => $"is '{Redaction.WithoutSecrets(text)}', which is no address";

    /// <summary>
    /// The host, with its port if it has one, as the Host header and TLS can have it. The platform gives an address's host
    /// its ASCII form by itself, and fails every request with a Host header of other letters.
    /// </summary>
    /// <returns><see langword="null"/> if there is none, or it is no host.</returns>
    public static string? HostOnTheWire(string? host)
    {
        if (
            host is null
            // What ends the host: of "a/.." the platform makes "a/", as if nothing had stood there.
            || host.AsSpan().IndexOfAny("/\\?#@") >= 0
            || !Uri.TryCreate($"http://{host}/", UriKind.Absolute, out var uri)
            // Of "[::1]b" it makes a host and a path.
            || uri is not { PathAndQuery: "/", Host.Length: > 0 }
        )
        {
            return null;
        }

        if (Ascii.IsValid(host))
        {
            return host;
        }

        // As it is written: 80 is this scheme's own port, and may be none of the backend's.
        var port = host.LastIndexOf(':') is >= 0 and var colon ? host[colon..] : "";
        return AsciiHostOf(uri) is { } name ? name + port : null;
    }

    /// <summary>The host as name servers know it, if there is such a form: the platform also takes hosts that have none.</summary>
    private static string? AsciiHostOf(Uri address)
    {
        try
        {
            return Ascii.IsValid(address.IdnHost) ? address.IdnHost : null;
        }
        catch (UriFormatException)
        {
            return null;
        }
    }
}
