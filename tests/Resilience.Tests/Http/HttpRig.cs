using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Http;

/// <summary>
/// A handler over a pool of backends b1, b2, ... that are picked in this order, with a clock that stands still, draws
/// that are all zero (no jitter) and a transport that does as it is told.
/// </summary>
internal sealed class HttpRig : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(15);

    private readonly Dictionary<string, (Answer[] Answers, int Next)> _answers = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();

    public HttpRig(
        int backends = 1,
        Action<ResilientHandlerOptions>? configure = null,
        Action<BackendPoolOptions>? configurePool = null,
        ILoggerFactory? loggers = null,
        string name = "catalog"
    )
        : this(Enumerable.Range(1, backends).Select(Define), configure, configurePool, loggers, name) { }

    public HttpRig(
        IEnumerable<BackendDefinition> backends,
        Action<ResilientHandlerOptions>? configure = null,
        Action<BackendPoolOptions>? configurePool = null,
        ILoggerFactory? loggers = null,
        string name = "catalog"
    )
    {
        var poolOptions = new BackendPoolOptions();
        poolOptions.CircuitBreaker.Jitter = 0;
        configurePool?.Invoke(poolOptions);
        var options = new ResilientHandlerOptions();
        configure?.Invoke(options);
        Pool = new BackendPool(name, backends, new InOrderSelector(), poolOptions, Time, Random, loggers);
        Transport = new StubHandler(Answer);
        Client = new HttpMessageInvoker(new ResilientHandler(Pool, Transport, options));
    }

    public FakeTime Time { get; } = new();

    public Random Random { get; } = new ScriptedRandom(0);

    public BackendPool Pool { get; }

    public StubHandler Transport { get; }

    public HttpMessageInvoker Client { get; }

    /// <summary>The hosts that were sent to, in order.</summary>
    public IReadOnlyList<string> Sent => [.. Transport.Requests.Select(request => new Uri(request.Uri).Host)];

    public int InFlight => Pool.Backends.Sum(backend => backend.InFlight);

    public Backend this[string name] => Pool.Find(name)!;

    public static HttpRequestMessage Get(string path = "/") => new(HttpMethod.Get, $"http://catalog{path}");

    public static HttpRequestMessage Post(HttpContent? content = null) =>
        new(HttpMethod.Post, "http://catalog/") { Content = content };

    public static BackendDefinition Define(int number) => new($"http://b{number}") { Name = $"b{number}" };

    /// <summary>The answers of one backend, in order; the last one for ever. Without any it answers 200.</summary>
    public HttpRig On(string host, params Answer[] answers)
    {
        _answers[host] = (answers, 0);
        return this;
    }

    public Task<HttpResponseMessage> SendAsync(CancellationToken token) => SendAsync(Get(), token: token);

    /// <summary>Sends the way that is asked for; a synchronous call blocks a thread of its own.</summary>
    public async Task<HttpResponseMessage> SendAsync(
        HttpRequestMessage? request = null,
        bool isAsync = true,
        CancellationToken token = default
    )
    {
        request ??= Get();
        return isAsync
            ? await Client.SendAsync(request, token).WaitAsync(Limit)
            : await Task.Run(() => Client.Send(request, token), CancellationToken.None).WaitAsync(Limit);
    }

    /// <summary>
    /// Lets time pass until every wait of the call is over. The only way to the end of a wait that begins on another
    /// thread: advancing past it by hand may come before it, and then nothing ever ends it.
    /// </summary>
    /// <exception cref="TimeoutException">It waits for something else than time.</exception>
    public async Task<T> DriveAsync<T>(Task<T> work)
    {
        while (!work.IsCompleted)
        {
            await await Task.WhenAny(work, Time.WhenTimersArmedAsync(1));
            if (!work.IsCompleted && Time.NextDue is { } due)
            {
                Time.Advance(due);
            }
        }

        return await work;
    }

    /// <summary>Completes when code on other threads has come to where the condition holds.</summary>
    public static async Task UntilAsync(Func<bool> condition)
    {
        var started = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Stopwatch.GetElapsedTime(started).Should().BeLessThan(Limit, "the condition should hold by then");
            await Task.Yield();
        }
    }

    /// <summary>A lease as another request would hold it.</summary>
    public BackendLease Lease(string name) => this[name].TryAcquire(new PickContext(null, Random))!;

    /// <summary>Makes a backend's circuit open by as many failures as that takes.</summary>
    public void OpenCircuit(string name)
    {
        while (this[name].TryAcquire(new PickContext(null, Random)) is { } lease)
        {
            lease.Report(new AttemptOutcome(OutcomeKind.Failure, FailureKind.Connect));
            lease.Return();
        }
    }

    /// <summary>Lets the pool put the changes so far into its snapshot.</summary>
    public void Settle() => Time.Advance(TimeSpan.FromMilliseconds(50));

    public void Dispose()
    {
        Client.Dispose();
        Pool.Dispose();
    }

    private Task<HttpResponseMessage> Answer(HttpRequestMessage request, CancellationToken token)
    {
        Answer answer;
        lock (_gate)
        {
            var host = request.RequestUri!.Host;
            if (_answers.TryGetValue(host, out var script))
            {
                answer = script.Answers[Math.Min(script.Next, script.Answers.Length - 1)];
                _answers[host] = (script.Answers, script.Next + 1);
            }
            else
            {
                answer = Answers.Ok;
            }
        }

        return answer(request, token);
    }
}
