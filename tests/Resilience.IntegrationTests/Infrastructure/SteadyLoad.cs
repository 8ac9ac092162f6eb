namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>
/// GETs at a steady pace until stopped, each begun whether or not those before it have ended, as the requests of many
/// independent callers are: a backend that does not answer slows nobody down but those who wait for it.
/// </summary>
internal sealed class SteadyLoad : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly HttpClient _client;
    private readonly Task<IReadOnlyList<string>> _running;
    private int _begun;
    private int _answered;

    private SteadyLoad(HttpClient client, int perSecond)
    {
        _client = client;
        _running = Task.Run(() => RunAsync(TimeSpan.FromSeconds(1.0 / perSecond)));
    }

    /// <summary>How many requests were begun.</summary>
    public int Begun => Volatile.Read(ref _begun);

    /// <summary>How many requests were answered with a 2xx.</summary>
    public int Answered => Volatile.Read(ref _answered);

    public static SteadyLoad Start(HttpClient client, int perSecond) => new(client, perSecond);

    /// <summary>Returns when that many more requests have ended well.</summary>
    public Task MoreAsync(int count)
    {
        var enough = Answered + count;
        return Eventually.BecomesTrueAsync(
            () => Answered >= enough,
            Limits.Wait,
            $"{count} more requests were answered"
        );
    }

    /// <summary>Sends no more, and lets those that are under way end.</summary>
    /// <returns>What went wrong, one line for each request.</returns>
    public async Task<IReadOnlyList<string>> StopAsync()
    {
        await _stopping.CancelAsync();
        return await _running.WaitAsync(2 * Limits.Wait);
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task<IReadOnlyList<string>> RunAsync(TimeSpan pace)
    {
        var requests = new List<Task<string?>>();
        using var timer = new PeriodicTimer(pace);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token))
            {
                Interlocked.Increment(ref _begun);
                requests.Add(SendAsync());
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }

        return [.. (await Task.WhenAll(requests)).OfType<string>()];
    }

    private async Task<string?> SendAsync()
    {
        try
        {
            using var response = await _client.GetAsync(new Uri("work?ms=2", UriKind.Relative));
            if (!response.IsSuccessStatusCode)
            {
                return $"{response.StatusCode}";
            }

            Interlocked.Increment(ref _answered);
            return null;
        }
        catch (Exception problem)
        {
            // Every failure is a finding, whatever its type; the test shows them all.
            return problem.ToString();
        }
    }
}
