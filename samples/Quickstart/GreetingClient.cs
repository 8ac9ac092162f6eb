namespace Quickstart;

/// <summary>An ordinary typed client: it knows a path, not the servers.</summary>
internal sealed class GreetingClient(HttpClient http)
{
    public Task<string> GreetAsync(CancellationToken cancellationToken) =>
        http.GetStringAsync("hello", cancellationToken);
}
