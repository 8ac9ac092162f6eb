using Resilience.Http;

namespace Configuration;

/// <summary>Asks, and says who answered.</summary>
internal sealed class CatalogClient(HttpClient http)
{
    public async Task<string> AskAsync()
    {
        using var response = await http.GetAsync("hello");
        response.EnsureSuccessStatusCode();
        return response.GetAttempts()[^1].Backend;
    }
}
