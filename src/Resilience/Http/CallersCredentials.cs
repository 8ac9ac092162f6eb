using System.Net.Http.Headers;

namespace Resilience.Http;

/// <summary>
/// A message's credentials as its caller gave them. The platform's own authentication answers a challenge by writing on the
/// message, and leaves it there: what it has for one backend must not go to another, nor come back to the caller. Its
/// redirects take the authorization away before they go elsewhere. Immutable.
/// </summary>
internal readonly struct CallersCredentials
{
    private const string AuthorizationName = "Authorization";
    private const string ProxyAuthorizationName = "Proxy-Authorization";

    private readonly HeaderStringValues _authorization;
    private readonly HeaderStringValues _proxyAuthorization;

    private CallersCredentials(in HttpHeadersNonValidated headers)
    {
        headers.TryGetValues(AuthorizationName, out _authorization);
        headers.TryGetValues(ProxyAuthorizationName, out _proxyAuthorization);
    }

    public static CallersCredentials Of(HttpRequestMessage request) => new(request.Headers.NonValidated);

    /// <summary>Takes out what has been added since, and puts back what has been replaced.</summary>
    /// <param name="isRedirected">
    /// Whether what is missing was taken away by a redirect; a handler within that has done so by itself meant to.
    /// </param>
    public void Restore(HttpRequestMessage request, bool isRedirected)
    {
        var headers = request.Headers;
        if (_authorization.Count > 0)
        {
            Restore(headers, AuthorizationName, _authorization, isRedirected);
        }
        else if (headers.Authorization is not null)
        {
            // Nobody's but the platform's, which has it parsed: asking for one that is not there is next to nothing.
            headers.Authorization = null;
        }

        if (_proxyAuthorization.Count > 0)
        {
            Restore(headers, ProxyAuthorizationName, _proxyAuthorization, isRedirected);
        }
        else if (headers.ProxyAuthorization is not null)
        {
            headers.ProxyAuthorization = null;
        }
    }

    private static void Restore(
        HttpRequestHeaders headers,
        string name,
        in HeaderStringValues given,
        bool isMissingRestored
    )
    {
        var isThere = headers.NonValidated.TryGetValues(name, out var found);
        if (isThere ? CallersHeaders.AreSame(given, found) : !isMissingRestored)
        {
            return;
        }

        headers.Remove(name);
        headers.TryAddWithoutValidation(name, (IEnumerable<string>)given);
    }
}
