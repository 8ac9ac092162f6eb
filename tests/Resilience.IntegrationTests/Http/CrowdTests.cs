using System.Diagnostics;
using System.Globalization;
using System.Net;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Ten thousand requests at once while backends die and return, and a storm in which every backend answers 503: what the
/// laws promise holds, and what they do not stands in a column of its own (laws 1, 2, 4 and 9; R118, R123, R124, R140).
/// </summary>
[Collection(MemoryCollection.Name)]
public sealed class CrowdTests(ITestOutputHelper output) : ResilienceTest
{
    private const int Crowd = 10_000;
    private const int LimitPerBackend = 40;

    /// <summary>Too short for the crowd, and long enough that it goes on while backends die and return.</summary>
    private const int ShortQueue = 3_000;

    /// <summary>Runs on a busy machine kept up to 0.8 MB; a leak of 400 bytes for each request of one crowd is this much.</summary>
    private const int MostKept = Crowd * 400;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo _ledgers = Directory.CreateTempSubdirectory("resilience-crowd-");

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        _ledgers.Delete(recursive: true);
    }

    [Theory]
    [InlineData(Crowd)]
    [InlineData(ShortQueue)]
    public async Task Crowd_BackendsDieAndReturn_NothingIsLostThatTheLawsPromise(int queueLimit)
    {
        var backends = await Task.WhenAll(
            StartWithLedgerAsync("a"),
            StartWithLedgerAsync("b"),
            StartWithLedgerAsync("c")
        );
        var client = Connect(options =>
        {
            options.Add(backends).ForgiveSoon();
            options.ConcurrencyLimit.MaxRequestsPerBackend = LimitPerBackend;
            options.ConcurrencyLimit.QueueLimit = queueLimit;
            options.ConcurrencyLimit.QueueTimeout = Patience / 2;
            options.Timeouts.Total = Patience;
        });
        client.Http.Timeout = Timeout.InfiniteTimeSpan;

        // What the first crowd leaves is kept for the next one: connections, buffers, places in the queue.
        await SendCrowdAsync(client, backends, queueLimit, "first");
        var before = GC.GetTotalMemory(forceFullCollection: true);
        // The next crowd finds all of them as the first one did: none has its circuit on trial any more.
        await Eventually.BecomesTrueAsync(
            async () =>
            {
                using var response = await client.Http.GetAsync(Relative("work?ms=0"));
                return client.Pool.Backends.All(backend => backend.Status.State == BackendState.Healthy);
            },
            Patience,
            "all take traffic again"
        );
        await SendCrowdAsync(client, backends, queueLimit, "second");
        var kept = GC.GetTotalMemory(forceFullCollection: true) - before;

        output.WriteLine($"kept: {kept} bytes");
        kept.Should().BeLessThan(MostKept, "memory is back to where it began");
    }

    [Fact]
    public async Task Storm_EveryBackendAnswers503_SendsNoMoreThanTheBudgetAllows()
    {
        const int PerSecond = 100;
        const int Windows = 6;
        var backends = await Task.WhenAll(StartAsync("a"), StartAsync("b"));
        var client = Connect(options =>
        {
            // Nothing but the budget holds the retries back, and what it has saved up before is soon gone.
            options.Add(backends).Retry.Budget.Window = TimeSpan.FromSeconds(1);
            options.PassiveHealth.Enabled = false;
            options.CircuitBreaker.Enabled = false;
        });
        await Task.WhenAll(backends.Select(backend => backend.SetFaultAsync("503")));

        var startedAt = Stopwatch.GetTimestamp();
        await using var load = SteadyLoad.Start(client.Http, PerSecond);
        await Eventually.BecomesTrueAsync(
            () => Stopwatch.GetElapsedTime(startedAt).TotalSeconds >= Windows && load.Begun >= Windows * PerSecond,
            Patience,
            "the storm has lasted for many windows"
        );
        var failures = await load.StopAsync();
        var seconds = Stopwatch.GetElapsedTime(startedAt).TotalSeconds;
        var requests = load.Begun;
        var sent = await SentAsync(backends);
        await Task.WhenAll(backends.Select(backend => backend.SetFaultAsync("none")));
        await using var calm = SteadyLoad.Start(client.Http, PerSecond);
        await calm.MoreAsync(PerSecond);
        var failuresInTheCalm = await calm.StopAsync();
        var sentInTheCalm = await SentAsync(backends) - sent;

        output.WriteLine($"storm: {requests} requests, {sent} sent in {seconds:0.00} s");
        failures.Should().HaveCount(requests).And.OnlyContain(failure => failure == "ServiceUnavailable");
        ((double)sent).Should().BeLessThanOrEqualTo((1.2 * requests) + (10 * seconds), "law 9 says so");
        // Nothing succeeds, so only the constant rate is left: ten in each window. The last window may have just begun, and
        // so may the buckets, each a tenth of it, at both ends.
        ((double)(sent - requests))
            .Should()
            .BeLessThanOrEqualTo(10 * (seconds + 1.2));
        (sent - requests).Should().BeGreaterThan(2 * 10, "it is a rate, which has outlasted what was saved up");
        failuresInTheCalm.Should().BeEmpty("the storm is over");
        sentInTheCalm.Should().Be(calm.Begun, "nothing is retried any more");
    }

    /// <summary>All at once, of which every fifth is a POST; two of the backends die under it and return.</summary>
    private async Task SendCrowdAsync(ResilientClient client, BackendProcess[] backends, int queueLimit, string crowd)
    {
        var failuresBefore = backends.ToDictionary(backend => backend.Name, backend => client[backend.Name].Failures);
        var answered = 0;
        var sendings = Enumerable.Range(0, Crowd).Select(CountAsync).ToArray();
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
        var gets = ends.Where((_, i) => !IsPost(i)).CountBy(end => end).ToDictionary();
        var posts = ends.Where((_, i) => IsPost(i)).CountBy(end => end).ToDictionary();
        output.WriteLine($"{crowd}: GETs: {InWords(gets)}; POSTs: {InWords(posts)}");

        gets.Keys.Should().BeSubsetOf([End.Answered, End.RefusedByTheLimit]);
        posts.Keys.Should().BeSubsetOf([End.Answered, End.RefusedByTheLimit, End.NotSentAgain]);
        (queueLimit < Crowd)
            .Should()
            .Be(
                ends.Contains(End.RefusedByTheLimit),
                "the line of waiting is as long as the crowd, or too short for it"
            );
        ends.Count(end => end == End.Answered)
            .Should()
            .BeGreaterThanOrEqualTo(
                queueLimit - (2 * LimitPerBackend),
                "who was let into the line was not refused later"
            );
        posts.GetValueOrDefault(End.NotSentAgain).Should().BeLessThanOrEqualTo(2 * LimitPerBackend, "two have died");
        var arrived = Arrived(crowd);
        arrived.Should().OnlyContain(post => post.Value == 1, "no POST arrives twice, and none at two backends");
        Enumerable
            .Range(0, Crowd)
            .Where(i => IsPost(i) && ends[i] == End.Answered && !arrived.ContainsKey(Id(i)))
            .Should()
            .BeEmpty("what was answered has arrived");
        Enumerable
            .Range(0, Crowd)
            .Where(i => IsPost(i) && ends[i] == End.RefusedByTheLimit && arrived.ContainsKey(Id(i)))
            .Should()
            .BeEmpty("what was refused was never sent");
        foreach (var dead in backends[1..])
        {
            client[dead.Name].Failures.Should().BeGreaterThan(failuresBefore[dead.Name], "the crowd met it dead");
        }

        client.Pool.WaitingRequests.Should().Be(0);
        client.Pool.Backends.Sum(backend => backend.InFlight).Should().Be(0);

        async Task<End> CountAsync(int i)
        {
            var end = await SendAsync(client, i, Id(i));
            _ = end == End.Answered ? Interlocked.Increment(ref answered) : 0;
            return end;
        }

        Task MoreAnsweredAsync(int count)
        {
            var enough = Volatile.Read(ref answered) + count;
            return Eventually.BecomesTrueAsync(
                () => Volatile.Read(ref answered) >= enough || sendings.All(sending => sending.IsCompleted),
                Patience,
                $"{count} more were answered"
            );
        }

        string Id(int i) => string.Create(CultureInfo.InvariantCulture, $"{crowd}-{i}");
    }

    private static bool IsPost(int i) => i % 5 == 0;

    /// <summary>Every other POST has a content.</summary>
    private static HttpRequestMessage Request(int i, string id)
    {
        var request = new HttpRequestMessage(IsPost(i) ? HttpMethod.Post : HttpMethod.Get, Relative("work?ms=60"));
        request.Content = i % 10 == 0 ? new ByteArrayContent([1, 2, 3]) : null;
        request.Headers.Add("X-Request-Id", id);
        return request;
    }

    private async Task<End> SendAsync(ResilientClient client, int i, string id)
    {
        using var request = Request(i, id);
        try
        {
            using var response = await client.Http.SendAsync(request);
            return response.StatusCode == HttpStatusCode.OK ? End.Answered : Lost($"answered {response.StatusCode}");
        }
        catch (NoBackendAvailableException exception) when (exception.IsOverloaded)
        {
            return End.RefusedByTheLimit;
        }
        catch (HttpRequestException exception)
            when (IsPost(i) && exception.GetAttempts() is [.., { Outcome: { IsRetryable: true, NeverSent: false } }])
        {
            return End.NotSentAgain;
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

    private static string InWords(Dictionary<End, int> columns) =>
        string.Join(", ", columns.OrderBy(column => column.Key).Select(column => $"{column.Key} {column.Value}"));

    private async Task<BackendProcess> StartWithLedgerAsync(string name) =>
        Own(await BackendProcess.StartAsync(name, ledger: Path.Combine(_ledgers.FullName, name)));

    /// <summary>How often each POST of a crowd has arrived, at whatever backend and in whichever of its lives.</summary>
    private Dictionary<string, int> Arrived(string crowd) =>
        _ledgers
            .EnumerateFiles()
            .SelectMany(file => File.ReadLines(file.FullName))
            .Where(line => line.StartsWith($"POST {crowd}-", StringComparison.Ordinal))
            .CountBy(line => line["POST ".Length..])
            .ToDictionary();

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

        /// <summary>A POST whose backend died with it: whether it was worked on nobody knows (law 2).</summary>
        NotSentAgain,
        RefusedByTheLimit,
        Lost,
    }
}
