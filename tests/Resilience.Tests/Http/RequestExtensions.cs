using Resilience.Http;

namespace Resilience.Tests.Http;

/// <summary>Short forms for requests of the tests.</summary>
internal static class RequestExtensions
{
    /// <summary>Gives the request so much time in all.</summary>
    public static HttpRequestMessage Within(this HttpRequestMessage request, TimeSpan total) =>
        request.ConfigureResilience(options => options.TotalTimeout = total);
}
