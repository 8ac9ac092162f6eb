using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Resilience.Backends;
using Resilience.ChaosTests.Infrastructure;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Retries;

namespace Resilience.ChaosTests.Load;

/// <summary>
/// Requests at a fixed rate, each due at its own moment and begun whether or not those before it have ended; its time
/// counts from that moment, so that a client which could not begin in time is not flattered (no coordinated omission).
/// Every fifth is a POST that nobody marked idempotent. Disposing it stops it.
/// </summary>
internal sealed class OpenLoopLoad : IAsyncDisposable
{
    private const int WriteEvery = 5;
    private const int MaxWriteFailuresKept = 500;

    private static readonly int MaxAttempts = new RetryOptions().MaxAttempts;

    private static readonly byte[] Body =
        "sixty-four bytes that may arrive at one backend and at no other!"u8.ToArray();

    private readonly ConcurrentDictionary<string, int> _answers = new();
    private readonly ConcurrentQueue<FailedRequest> _failures = new();
    private readonly ConcurrentDictionary<(Phase Phase, string? Limit), int> _writesKept = new();
    private readonly NumberSet _writesAnswered = new();
    private readonly ConcurrentDictionary<long, byte> _underWay = new();
    private readonly ManualResetEventSlim _stopping = new();
    private readonly TaskCompletionSource _dispatched = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly object _beginning = new();
    private readonly SuppressedRetries _suppressed = new();
    private readonly string _prefix;
    private readonly long _ticksApart;
    private HttpClient _client;
    private Phase _phase;
    private int _begun;
    private int _ended;
    private int _answered;

    private OpenLoopLoad(HttpClient client, int perSecond, string prefix, Phase phase)
    {
        _client = client;
        _prefix = prefix;
        _ticksApart = Stopwatch.Frequency / perSecond;
        _phase = phase;
        // A thread of its own: a starved thread pool must delay the requests, not the clock that they are measured by.
        new Thread(Dispatch) { IsBackground = true, Name = "load" }.Start();
    }

    /// <summary>How many were begun.</summary>
    public int Begun => Volatile.Read(ref _begun);

    /// <summary>How many have ended, well or not.</summary>
    public int Ended => Volatile.Read(ref _ended);

    /// <summary>How many were answered with a 2xx, whole.</summary>
    public int Answered => Volatile.Read(ref _answered);

    /// <summary>
    /// Those that failed: every GET, and of the POSTs of each phase the first five hundred by each limit and by none.
    /// </summary>
    public IReadOnlyCollection<FailedRequest> Failures => _failures;

    /// <summary>The ids of the POSTs that were answered.</summary>
    public IEnumerable<string> WritesAnswered => _writesAnswered.ToList().Select(write => IdOf(write * WriteEvery));

    /// <param name="client">Sends the requests, to relative addresses.</param>
    /// <param name="perSecond">How many.</param>
    /// <param name="prefix">What their ids begin with.</param>
    /// <param name="phase">The first phase.</param>
    public static OpenLoopLoad Start(HttpClient client, int perSecond, string prefix, Phase phase) =>
        new(client, perSecond, prefix, phase);

    /// <summary>Requests that are due from now on belong to that phase.</summary>
    public void Enter(Phase phase) => Volatile.Write(ref _phase, phase);

    /// <summary>How many that backend answered.</summary>
    public int AnsweredBy(string backend) => _answers.GetValueOrDefault(backend);

    /// <summary>Blocks the thread until that many have begun in all, or none begins any more.</summary>
    public void BlockUntilBegun(int count)
    {
        lock (_beginning)
        {
            while (_begun < count && !_stopping.IsSet)
            {
                Monitor.Wait(_beginning);
            }
        }
    }

    /// <summary>Returns when that many more were answered.</summary>
    public Task MoreAsync(int count) => UntilAsync(() => Answered, count, "were answered");

    /// <summary>Returns when that many more have ended, well or not.</summary>
    public Task MoreEndedAsync(int count) => UntilAsync(() => Ended, count, "have ended");

    /// <summary>Returns when that backend has answered that many more.</summary>
    public Task MoreByAsync(string backend, int count) =>
        UntilAsync(() => AnsweredBy(backend), count, $"were answered by {backend}");

    /// <summary>Returns when all that have begun by now have ended, well or not.</summary>
    public Task EarlierEndAsync()
    {
        var begun = Begun;
        return Eventually.BecomesTrueAsync(
            () => _underWay.Keys.All(number => number >= begun),
            ChaosSettings.Patience,
            $"the first {begun} requests have ended"
        );
    }

    /// <summary>Sends no more, and returns when those that are under way have ended.</summary>
    public async Task StopAsync()
    {
        lock (_beginning)
        {
            _stopping.Set();
            Monitor.PulseAll(_beginning);
        }

        await _dispatched.Task;
        await Eventually.BecomesTrueAsync(
            () => Ended == Begun,
            ChaosSettings.Patience,
            () => $"all requests have ended, and not only {Ended} of {Begun}"
        );
        _suppressed.Dispose();
        // Its figures outlive the client, which would hold its pool.
        _client = null!;
    }

    public async ValueTask DisposeAsync() => await StopAsync();

    private static Task UntilAsync(Func<int> figure, int count, string what)
    {
        var enough = figure() + count;
        return Eventually.BecomesTrueAsync(
            () => figure() >= enough,
            ChaosSettings.Patience,
            $"{count} more requests {what}"
        );
    }

    private string IdOf(long number) => string.Create(CultureInfo.InvariantCulture, $"{_prefix}-{number}");

    private void Dispatch()
    {
        var start = Stopwatch.GetTimestamp();
        for (long number = 0; ; number++)
        {
            var due = start + (number * _ticksApart);
            var early = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), due);
            if (early > TimeSpan.Zero ? _stopping.Wait(early) : _stopping.IsSet)
            {
                break;
            }

            _underWay.TryAdd(number, 0);
            lock (_beginning)
            {
                _begun++;
                Monitor.PulseAll(_beginning);
            }

            var (own, phase) = (number, Volatile.Read(ref _phase));
            _ = Task.Run(() => SendAsync(own, phase, due));
        }

        _dispatched.SetResult();
    }

    private async Task SendAsync(long number, Phase phase, long due)
    {
        var (id, isWrite) = (IdOf(number), number % WriteEvery == 0);
        var suppression = SuppressedRetries.OfThisRequest();
        string? failure = null;
        string? limit = null;
        var isResponse = false;
        IReadOnlyList<AttemptRecord> attempts;
        try
        {
            using var request = new HttpRequestMessage(
                isWrite ? HttpMethod.Post : HttpMethod.Get,
                new Uri("work?ms=2", UriKind.Relative)
            );
            request.Headers.Add("X-Request-Id", id);
            request.Content = isWrite ? new ByteArrayContent(Body) : null;
            using var response = await _client.SendAsync(request);
            attempts = response.GetAttempts();
            if (response.IsSuccessStatusCode)
            {
                _answers.AddOrUpdate(attempts[^1].Backend, 1, static (_, count) => count + 1);
                phase.NoteAnswer(attempts[^1].Backend);
                Interlocked.Increment(ref _answered);
                if (isWrite)
                {
                    _writesAnswered.Add((int)(number / WriteEvery));
                }
            }
            else
            {
                isResponse = true;
                failure = $"status {(int)response.StatusCode}";
                limit = LimitOf(suppression.Value, attempts);
            }
        }
        catch (Exception problem)
        {
            // Every failure is a finding, whatever its type; the scenario judges them all.
            attempts = problem.GetAttempts();
            failure = $"{problem.GetType().Name}: {problem.Message} <- {problem.InnerException?.Message}";
            limit = LimitOf(problem, attempts);
        }

        FailedRequest? failed = null;
        if (failure is not null)
        {
            var route = string.Join(", ", attempts.Select(each => $"{each.Backend} {each.Outcome} {each.Duration}"));
            var now = Stopwatch.GetTimestamp();
            failed = new FailedRequest(id, number, isWrite, due, now, limit, isResponse, $"{failure} [{route}]");
            // Each GET is judged. Many POSTs may fail in a long run; those of one kind must not hide another.
            if (
                !isWrite
                || _writesKept.AddOrUpdate((phase, limit), 1, static (_, count) => count + 1) <= MaxWriteFailuresKept
            )
            {
                _failures.Enqueue(failed);
            }
        }

        // The budget pays for what follows an attempt that counted.
        var retries = CountedOf(attempts.SkipLast(1));
        phase.Add(Stopwatch.GetElapsedTime(due), failed, retries);
        _underWay.TryRemove(number, out _);
        Interlocked.Increment(ref _ended);
    }

    /// <summary>
    /// How many of a request's attempts counted: not those that never reached a backend which it had not tried before.
    /// </summary>
    private static int CountedOf(IEnumerable<AttemptRecord> attempts)
    {
        var tried = new HashSet<string>();
        return attempts.Count(each => !tried.Add(each.Backend) || !each.Outcome.NeverSent);
    }

    /// <summary>A response cannot carry the reason why it is the last word; the library's metric gives it.</summary>
    private static string? LimitOf(string? suppression, IReadOnlyList<AttemptRecord> attempts) =>
        suppression switch
        {
            "not_idempotent" or "not_replayable" => Limit.Method,
            "budget" => Limit.Budget,
            "no_backend" => Limit.Backends,
            "deadline" or "retry_after" => Limit.Time,
            _ => CountedOf(attempts) >= MaxAttempts ? Limit.Attempts : null,
        };

    private static string? LimitOf(Exception problem, IReadOnlyList<AttemptRecord> attempts) =>
        problem switch
        {
            NoBackendAvailableException => Limit.Backends,
            { Data: var data } when data.Contains(NoBackendAvailableException.DataKey) => Limit.Backends,
            ObjectDisposedException => Limit.Disposal,
            { Data: var data } when data.Contains(RetryPolicy.BudgetExhaustedKey) => Limit.Budget,
            TaskCanceledException { InnerException: TimeoutException } => Limit.Time,
            _ => CountedOf(attempts) >= MaxAttempts ? Limit.Attempts : null,
        };
}
