using System.Diagnostics;
using System.Net;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Ten thousand requests at once while backends die and return, and a storm in which every backend answers 503: what the
/// laws promise holds, and what a limit refused stands in a column of its own (laws 1, 4 and 9; R118, R123, R124, R140).
/// </summary>
[Collection(MemoryCollection.Name)]
public sealed class CrowdTests(ITestOutputHelper output) : ResilienceTest
{
    private const int Crowd = 10_000;
    private const int LimitPerBackend = 40;
    private const int QueueLimit = 6_000;
    private const int MostKept = 32 * 1024 * 1024;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task Crowd_BackendsDieAndReturn_NothingIsLostThatTheLawsPromise()
    {
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"), StartAsync("c"));
        var client = Connect(options =>
        {
            options.Add(backends).ForgiveSoon();
            options.ConcurrencyLimit.MaxRequestsPerBackend = LimitPerBackend;
            options.ConcurrencyLimit.QueueLimit = QueueLimit;
            options.ConcurrencyLimit.QueueTimeout = Patience / 2;
            options.Timeouts.Total = Patience;
        });
        client.Http.Timeout = Timeout.InfiniteTimeSpan;
        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => SendAsync(client)));
        var before = GC.GetTotalMemory(forceFullCollection: true);

        var sendings = Enumerable.Range(0, Crowd).Select(_ => SendAsync(client)).ToArray();
        var returning = new List<Task>();
        foreach (var dying in backends[1..])
        {
            await MoreAnsweredAsync(500);
            await dying.KillAsync();
            await MoreAnsweredAsync(500);
            // Not waited for: on a busy machine the crowd could be done before the next one dies.
            returning.Add(dying.RestartAsync());
        }

        await Task.WhenAll(returning);
        var ends = await Task.WhenAll(sendings).WaitAsync(Patience);
        var columns = ends.CountBy(end => end).ToDictionary(pair => pair.Key, pair => pair.Value);
        output.WriteLine(string.Join(", ", columns.Select(column => $"{column.Key}: {column.Value}")));
        columns.Keys.Should().BeSubsetOf([End.Answered, End.RefusedByTheLimit]);
        columns[End.Answered].Should().BeGreaterThanOrEqualTo(QueueLimit);
        client["b"].Failures.Should().BePositive("the crowd met it dead");
        client["c"].Failures.Should().BePositive("the crowd met it dead");
        client.Pool.WaitingRequests.Should().Be(0);
        client.Pool.Backends.Sum(backend => backend.InFlight).Should().Be(0);
        sendings = [];
        ends = [];
        var kept = GC.GetTotalMemory(forceFullCollection: true) - before;
        kept.Should().BeLessThan(MostKept, "memory is back to where it began");

        Task MoreAnsweredAsync(int count)
        {
            var enough = Answered() + count;
            return Eventually.BecomesTrueAsync(
                () => Answered() >= enough || sendings.All(sending => sending.IsCompleted),
                Patience,
                $"{count} more were answered"
            );
        }

        int Answered() => sendings.Count(sending => sending is { IsCompletedSuccessfully: true, Result: End.Answered });
    }

    [Fact]
    public async Task Storm_EveryBackendAnswers503_SendsNoMoreThanTheBudgetAllows()
    {
        const int Workers = 16;
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = Connect(options =>
        {
            // Nothing but the budget holds the retries back.
            options.Add(backends);
            options.PassiveHealth.Enabled = false;
            options.CircuitBreaker.Enabled = false;
        });
        await Task.WhenAll(backends.Select(backend => backend.SetFaultAsync("503")));
        var (requests, failures) = (0, 0);
        var startedAt = Stopwatch.GetTimestamp();

        await WorkAsync(until: 1_500);
        var duringTheStorm = await SentAsync(backends);
        var requestsOfTheStorm = requests;
        var storm = Stopwatch.GetElapsedTime(startedAt);
        await Task.WhenAll(backends.Select(backend => backend.SetFaultAsync("none")));
        failures = 0;
        await WorkAsync(until: 3_000);
        var sent = await SentAsync(backends);
        var whole = Stopwatch.GetElapsedTime(startedAt);

        output.WriteLine(
            $"storm: {requestsOfTheStorm} requests, {duringTheStorm} sent in {storm}; all: {requests}, {sent} in {whole}"
        );
        // The budget keeps its reserve of ten a second for a window of ten seconds, and nothing succeeds meanwhile.
        duringTheStorm.Should().BeGreaterThan(requestsOfTheStorm, "there were retries");
        duringTheStorm.Should().BeLessThanOrEqualTo(requestsOfTheStorm + Reserve(storm));
        sent.Should().BeLessThanOrEqualTo((int)(1.2 * requests) + Reserve(whole));
        failures.Should().Be(0, "the storm is over");

        static int Reserve(TimeSpan time) => (int)(10 * (10 + time.TotalSeconds));

        Task WorkAsync(int until) =>
            Task.WhenAll(
                Enumerable
                    .Range(0, Workers)
                    .Select(async _ =>
                    {
                        while (Interlocked.Increment(ref requests) <= until)
                        {
                            using var response = await client.Http.GetAsync(Relative("work?ms=0"));
                            _ = response.IsSuccessStatusCode ? 0 : Interlocked.Increment(ref failures);
                        }

                        Interlocked.Decrement(ref requests);
                    })
            );
    }

    private async Task<End> SendAsync(ResilientClient client)
    {
        try
        {
            using var response = await client.Http.GetAsync(Relative("work?ms=60"));
            return response.StatusCode == HttpStatusCode.OK ? End.Answered : Lost($"answered {response.StatusCode}");
        }
        catch (NoBackendAvailableException exception) when (exception.IsOverloaded)
        {
            return End.RefusedByTheLimit;
        }
        catch (HttpRequestException exception)
        {
            return Lost(exception.ToString());
        }
    }

    private End Lost(string why)
    {
        output.WriteLine($"lost: {why}");
        return End.Lost;
    }

    private static async Task<int> SentAsync(IEnumerable<BackendProcess> backends)
    {
        var sent = 0;
        foreach (var backend in backends)
        {
            sent += (await backend.GetRequestsAsync()).Count;
        }

        return sent;
    }

    /// <summary>What became of a request.</summary>
    private enum End
    {
        Answered,
        RefusedByTheLimit,
        Lost,
    }
}
