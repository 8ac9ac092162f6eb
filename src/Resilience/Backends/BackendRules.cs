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
            return $"has the scheme '{address.Scheme}', must be http or https";
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

        return null;
    }

    public static string? NameProblem(string? name) =>
        name is not null && string.IsNullOrWhiteSpace(name) ? "is blank, must be a text or absent" : null;

    public static string? HostProblem(string? host) =>
        host is null || IsHostWithOptionalPort(host)
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

    private static bool IsHostWithOptionalPort(string host) =>
        Uri.TryCreate($"http://{host}/", UriKind.Absolute, out var uri)
        && uri is { UserInfo.Length: 0, PathAndQuery: "/", Fragment.Length: 0, Host.Length: > 0 };
}
