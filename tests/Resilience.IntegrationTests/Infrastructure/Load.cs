using System.Collections.Concurrent;

namespace Resilience.IntegrationTests.Infrastructure;

/// <summary>GETs, several at once and one after another, until stopped; knows which backend answered how many. Thread-safe.</summary>
internal sealed class Load : IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, int> _answers = new();
    private readonly ConcurrentQueue<string> _failures = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly HttpClient _client;
    private readonly Uri _path;
    private readonly Task _workers;
    private int _answered;

    private Load(HttpClient client, string path, int workers)
    {
        _client = client;
        _path = new Uri(path, UriKind.Relative);
        _workers = Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(WorkAsync)));
    }

    /// <summary>How many requests were answered with a 2xx.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>What went wrong, one line for each request.</summary>
    public IReadOnlyCollection<string> Failures => _failures;

    public static Load Start(HttpClient client, string path = "work?ms=2", int workers = 8) =>
        new(client, path, workers);

    /// <summary>How many of them that backend answered.</summary>
    public int AnsweredBy(string backend) => _answers.GetValueOrDefault(backend);

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

    /// <summary>Returns when that backend has answered that many more.</summary>
    public Task MoreByAsync(string backend, int count)
    {
        var enough = AnsweredBy(backend) + count;
        return Eventually.BecomesTrueAsync(
            () => AnsweredBy(backend) >= enough,
            Limits.Wait,
            $"{backend} answered {count} more requests"
        );
    }

    /// <summary>Lets the requests that are under way end, and sends no more.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _workers.WaitAsync(Limits.Wait);
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private async Task WorkAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                using var response = await _client.GetAsync(_path);
                if (response.IsSuccessStatusCode)
                {
                    _answers.AddOrUpdate(response.Headers.GetValues("X-Backend").Single(), 1, (_, count) => count + 1);
                    Interlocked.Increment(ref _answered);
                }
                else
                {
                    _failures.Enqueue($"{response.StatusCode}");
                }
            }
            catch (Exception problem)
            {
                // Every failure is a finding, whatever its type; the test shows them all.
                _failures.Enqueue(problem.ToString());
            }
        }
    }
}
