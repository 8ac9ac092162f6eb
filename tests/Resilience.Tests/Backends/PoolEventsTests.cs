using Microsoft.Extensions.Logging;
using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>R57, S5: every change is told once, in order, to everybody.</summary>
public sealed class PoolEventsTests
{
    private static readonly AttemptOutcome Success = new(OutcomeKind.Success, StatusCode: 200);

    private readonly FakeTime _time = new();

    [Fact]
    public async Task Events_OfOneBackend_ComeInOrderAndChain()
    {
        var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var events = new EventRecord(pool);

        backend.SetAlive(false);
        backend.SetAlive(false);
        _time.Advance(TimeSpan.FromSeconds(1));
        backend.SetAlive(true);
        backend.SetAlive(true);
        backend.Disable();
        backend.Drain();
        backend.Drain();
        backend.Enable();

        var changes = (await events.EndAsync()).Cast<BackendStateChanged>().ToArray();
        changes
            .Select(change => (change.From.State, change.To.State, change.To.Reason))
            .Should()
            .Equal(
                (BackendState.Healthy, BackendState.Unhealthy, StateReason.Active),
                (BackendState.Unhealthy, BackendState.Healthy, StateReason.None),
                (BackendState.Healthy, BackendState.Unhealthy, StateReason.Disabled),
                (BackendState.Unhealthy, BackendState.Draining, StateReason.Draining),
                (BackendState.Draining, BackendState.Healthy, StateReason.None)
            );
        changes.Should().OnlyContain(change => change.Pool == "catalog" && change.Backend == backend);
        changes[1].Time.Should().Be(changes[0].Time + TimeSpan.FromSeconds(1));
        changes[1].To.Since.Should().Be(changes[1].Time);
    }

    /// <summary>R83, S40.</summary>
    [Fact]
    public async Task Events_OfACircuit_FollowItsWholeLife()
    {
        var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(1), "a", "b");
        var backend = pool.Find("a")!;
        var events = new EventRecord(pool);

        backend.Fail();
        _time.Advance(Pools.Break);
        backend.Fail();
        _time.Advance(TimeSpan.FromSeconds(11));
        backend.Succeed();
        backend.Succeed();

        var all = await events.EndAsync();
        all.OfType<BackendCircuitChanged>()
            .Select(change => (change.From, change.To))
            .Should()
            .Equal(
                (CircuitState.Closed, CircuitState.Open),
                (CircuitState.Open, CircuitState.HalfOpen),
                (CircuitState.HalfOpen, CircuitState.Open),
                (CircuitState.Open, CircuitState.HalfOpen),
                (CircuitState.HalfOpen, CircuitState.Closed)
            );
        all.OfType<BackendStateChanged>()
            .Select(change => (change.From.State, change.To.State))
            .Should()
            .Equal(
                [(BackendState.Healthy, BackendState.Unhealthy), (BackendState.Unhealthy, BackendState.Healthy)],
                "to a reader it was unhealthy all the time"
            );
    }

    [Fact]
    public async Task Events_OfMembers_ComeInOrder()
    {
        var pool = Pools.Create(_time, "a", "b");
        var events = new EventRecord(pool);

        pool.Add(Pools.Definition("c"));
        pool.Remove("a");
        pool.Apply([new BackendDefinition("http://elsewhere.test") { Name = "b" }]);

        (await events.EndAsync())
            .Select(item =>
                item switch
                {
                    BackendAdded added => $"+{added.Backend}",
                    BackendRemoved removed => $"-{removed.Backend}",
                    BackendStateChanged change => $"{change.Backend}:{change.To.State}",
                    _ => item.ToString(),
                }
            )
            .Should()
            .Equal("+c", "a:Draining", "-a", "b:Draining", "-b", "+b");
    }

    [Fact]
    public async Task Events_AfterANoOp_AreNone()
    {
        var pool = Pools.Create(_time, "a", "b");
        var events = new EventRecord(pool);

        pool.Apply([Pools.Definition("a"), Pools.Definition("b")]);
        pool.Find("a")!.Enable();
        pool.Find("a")!.SetAlive(true);
        pool.Find("a")!.Succeed();
        _time.Advance(TimeSpan.FromMinutes(1));

        (await events.EndAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Subscribe_ThrowingSubscriber_LivesOnAndHarmsNobody()
    {
        var logs = new CollectingLoggerFactory();
        var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b")],
            new RoundRobinSelector(),
            timeProvider: _time,
            loggerFactory: logs
        );
        var events = new EventRecord(pool);
        var calls = 0;
        var second = new TaskCompletionSource();
        using var throwing = pool.Subscribe(_ =>
        {
            if (++calls == 2)
            {
                second.SetResult();
            }

            throw new InvalidOperationException("subscriber");
        });

        pool.Find("a")!.Disable();
        pool.Find("a")!.Enable();

        await second.Task.WaitAsync(TimeSpan.FromSeconds(15));
        var line = await logs.WaitForAsync(entry => entry.EventId.Id == 108);
        line.Level.Should().Be(LogLevel.Error);
        line.Exception!.Message.Should().Be("subscriber");
        (await events.EndAsync()).Should().HaveCount(2);
    }

    [Fact]
    public async Task Subscribe_Disposed_HearsNothingMore()
    {
        var pool = Pools.Create(_time, "a", "b");
        var heard = new List<PoolEvent>();
        var first = new TaskCompletionSource();
        var subscription = pool.Subscribe(item =>
        {
            heard.Add(item);
            first.TrySetResult();
        });
        pool.Find("a")!.Disable();
        await first.Task.WaitAsync(TimeSpan.FromSeconds(15));
        var events = new EventRecord(pool);

        subscription.Dispose();
        pool.Find("a")!.Enable();

        (await events.EndAsync()).Should().ContainSingle();
        heard.Should().ContainSingle();
    }

    /// <summary>The subscriber's queue is bounded: the oldest events go, and the next one says how many.</summary>
    [Fact]
    public async Task Subscribe_TooSlow_IsToldHowManyItMissed()
    {
        var pool = Pools.Create(_time, "a", "b");
        var backend = pool.Find("a")!;
        var heard = new List<PoolEvent>();
        var isBlocked = new TaskCompletionSource();
        using var gate = new ManualResetEventSlim();
        var ended = new TaskCompletionSource();
        using var subscription = pool.Subscribe(item =>
        {
            heard.Add(item);
            isBlocked.TrySetResult();
            gate.Wait(TimeSpan.FromSeconds(15));
            if (item is BackendAdded)
            {
                ended.SetResult();
            }
        });
        backend.Disable();
        await isBlocked.Task.WaitAsync(TimeSpan.FromSeconds(15));

        for (var i = 0; i < 1_000; i++)
        {
            backend.Enable();
            backend.Disable();
        }

        pool.Add(Pools.Definition("last"));
        gate.Set();
        await ended.Task.WaitAsync(TimeSpan.FromSeconds(15));

        heard.Should().HaveCount(1 + 1_024);
        heard[1].Missed.Should().Be(2_001 - 1_024);
        heard.Sum(item => item.Missed).Should().Be(2_001 - 1_024);
        pool.Dispose();
    }

    [Fact]
    public async Task WatchAsync_PoolDisposed_DeliversTheRestAndEnds()
    {
        var pool = Pools.Create(_time, "a", "b");
        var events = new EventRecord(pool);
        pool.Find("a")!.Disable();

        var all = await events.EndAsync();

        all.Should().ContainSingle();
        var afterwards = 0;
        await foreach (var _ in pool.WatchAsync())
        {
            afterwards++;
        }

        afterwards.Should().Be(0);
    }

    [Fact]
    public async Task WatchAsync_Cancelled_Ends()
    {
        using var pool = Pools.Create(_time, "a", "b");
        using var cancellation = new CancellationTokenSource();
        var watching = Task.Run(async () =>
        {
            await foreach (var _ in pool.WatchAsync(cancellation.Token)) { }
        });

        await cancellation.CancelAsync();

        await FluentActions
            .Awaiting(() => watching.WaitAsync(TimeSpan.FromSeconds(15)))
            .Should()
            .ThrowAsync<OperationCanceledException>();
    }

    /// <summary>R59, law 12: whoever changes what at the same time, each pair begins where the one before ended.</summary>
    [Fact]
    public async Task Events_UnderConcurrentChanges_ChainForEachBackend()
    {
        var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(3), "a", "b", "c");
        var events = new EventRecord(pool);
        var backends = pool.Backends;
        await Task.WhenAll(
            Enumerable
                .Range(0, 4)
                .Select(worker =>
                    Task.Run(() =>
                    {
                        var random = new Random(worker);
                        for (var i = 0; i < 40; i++)
                        {
                            var backend = backends[random.Next(3)];
                            switch (random.Next(6))
                            {
                                case 0:
                                    backend.SetAlive(false);
                                    break;
                                case 1:
                                    backend.SetAlive(true);
                                    break;
                                case 2:
                                    backend.Disable();
                                    break;
                                case 3:
                                    backend.Enable();
                                    break;
                                default:
                                    backend.TryLease()?.End(new AttemptOutcome(OutcomeKind.Failure));
                                    break;
                            }
                        }
                    })
                )
        );
        var statuses = backends.ToDictionary(backend => backend, backend => backend.State);
        var circuits = backends.ToDictionary(backend => backend, backend => backend.Circuit.State);

        var all = await events.EndAsync();

        all.Should().OnlyContain(item => item.Missed == 0);
        foreach (var backend in backends)
        {
            var last = BackendState.Healthy;
            foreach (var change in all.OfType<BackendStateChanged>().Where(change => change.Backend == backend))
            {
                change.From.State.Should().Be(last);
                change.To.State.Should().NotBe(last);
                last = change.To.State;
            }

            last.Should().Be(statuses[backend]);
            var lastCircuit = CircuitState.Closed;
            foreach (var change in all.OfType<BackendCircuitChanged>().Where(change => change.Backend == backend))
            {
                change.From.Should().Be(lastCircuit);
                change.To.Should().NotBe(lastCircuit);
                lastCircuit = change.To;
            }

            lastCircuit.Should().Be(circuits[backend]);
        }
    }

    /// <summary>Law 5: loud, and only once, however much changes while it lasts.</summary>
    [Fact]
    public async Task Log_FailOpen_IsOneWarningWhenItBeginsAndOneLineWhenItEnds()
    {
        var logs = new CollectingLoggerFactory { MinimumLevel = LogLevel.Information };
        var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b"), Pools.Definition("c")],
            new RoundRobinSelector(),
            new BackendPoolOptions { FailOpenThreshold = 0.5 },
            _time,
            loggerFactory: logs
        );
        foreach (var (name, isAlive) in new[] { ("a", false), ("b", false), ("c", false), ("c", true), ("b", true) })
        {
            _time.Advance(Pools.Rest);
            pool.Find(name)!.SetAlive(isAlive);
        }

        _time.Advance(Pools.Rest);
        await logs.WaitForAsync(entry => entry.EventId.Id == 107);

        logs.Entries.Where(entry => entry.EventId.Id is 106 or 107)
            .Select(entry => (entry.Level, entry.Message))
            .Should()
            .Equal(
                (
                    LogLevel.Warning,
                    "Pool catalog: health leaves no backend, or too few, so verdicts are ignored until enough recover (fail-open)"
                ),
                (LogLevel.Information, "Pool catalog: health verdicts count again (fail-open has ended)")
            );
        pool.Dispose();
    }

    [Fact]
    public async Task Log_StateChange_IsOneLineWithItsReason_R165()
    {
        var logs = new CollectingLoggerFactory { MinimumLevel = LogLevel.Information };
        var pool = new BackendPool(
            "catalog",
            [Pools.Definition("a"), Pools.Definition("b")],
            new RoundRobinSelector(),
            Pools.CircuitsOpenAfter(1),
            _time,
            loggerFactory: logs
        );
        await logs.WaitForAsync(entry => entry.EventId.Id == 104 && (string?)entry["Backend"] == "b");

        pool.Find("a")!.Fail();
        pool.Find("b")!.Drain();
        await logs.WaitForAsync(entry => entry.EventId.Id == 103);

        logs.Entries.Where(entry => entry.EventId.Id != 104)
            .Select(entry => (entry.Level, entry.Message))
            .Should()
            .Equal(
                (
                    LogLevel.Warning,
                    "Pool catalog: backend a is unhealthy (Circuit): circuit opened, the last failure: no connection"
                ),
                (LogLevel.Information, "Pool catalog: backend b is draining: drained by the operator")
            );
        pool.Dispose();
    }
}
