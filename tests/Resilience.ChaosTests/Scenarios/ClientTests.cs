using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.ChaosTests.Infrastructure;
using Resilience.ChaosTests.Load;
using Resilience.CircuitBreaking;
using Resilience.Health.Passive;
using Resilience.IntegrationTests.Infrastructure;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Scenarios;

/// <summary>
/// Nothing is wrong with the backends; it is the client's clock, threads, configuration or life (laws 4, 12, 14 and 15;
/// R78).
/// </summary>
public sealed class ClientTests(ChaosBackends backends, ITestOutputHelper output) : ChaosTest(backends, output)
{
    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);

    [Fact]
    public async Task DateJumps_WhileABackendFails_NoGetFails()
    {
        var time = new JumpingTime();
        var run = await BeginAsync("the date jumps by hours, one answers 503", time);

        await run.StrikeAsync(async () =>
        {
            await Backends.B.SetFaultAsync("503");
            foreach (var jump in new[] { Hour, -3 * Hour, 48 * Hour, -46 * Hour })
            {
                time.SetDate(jump);
                await run.Load.MoreEndedAsync(ChaosSettings.Part / 2);
            }
        });
        await run.IsOutAsync("b");
        await run.CureAsync(() => Backends.B.SetFaultAsync("none"));
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        await EndAsync(run);
    }

    [Fact]
    public async Task TimeJumps_WhileABackendFails_FailByTheirDeadlineOnly()
    {
        var time = new JumpingTime();
        var run = await BeginAsync("a minute passes at once, four times, one answers 503", time);

        await run.StrikeAsync(async () =>
        {
            await Backends.B.SetFaultAsync("503");
            for (var jump = 0; jump < 4; jump++)
            {
                time.Sleep(TimeSpan.FromMinutes(1));
                await run.Load.MoreEndedAsync(ChaosSettings.Part / 2);
            }
        });
        await run.IsOutAsync("b");
        await run.CureAsync(() => Backends.B.SetFaultAsync("none"));
        await run.IsBackAsync("b");
        await run.GoOnAsync();

        // For a request that was under way its thirty seconds have passed: no time is left for a second attempt.
        await EndAsync(run, failure => run.WasDuring(failure) && failure.Limit == Limit.Time);
    }

    [Fact]
    public async Task ThreadPoolStarves_LongerThanAnAttemptMayTake_NoBackendIsBlamedAndNothingBegunMeanwhileFails()
    {
        // Longer than the silence that a backend is ejected for, and than an attempt may take.
        var starvation = TimeSpan.FromSeconds(ChaosSettings.IsLong ? 12 : 5);
        // What has become due meanwhile begins at once, and all of it needs an answer in the time of an attempt.
        var attempt = starvation - TimeSpan.FromSeconds(1);
        var run = await BeginAsync("thread pool starved", options => options.Timeouts.Attempt = attempt);
        var underWay = 0;

        await run.StrikeAsync(async () =>
        {
            // So slow that every backend has more requests under way than it takes to eject it: they are answered while no
            // thread is free to read it, and their time is up before one is.
            await Task.WhenAll(
                Backends.All.Select(each => each.SetFaultAsync("delay", TimeSpan.FromMilliseconds(300)))
            );
            var many = 2 * new PassiveHealthOptions().ConsecutiveFailures;
            await Eventually.BecomesTrueAsync(
                () => run.Client.Pool.Backends.All(each => each.InFlight >= many),
                ChaosSettings.Patience,
                "many are under way"
            );
            // More than the pool has threads or makes in that time; none is given back before enough requests are due.
            var enough = run.Load.Begun + (int)(starvation.TotalSeconds * ChaosSettings.Rate);
            for (var thread = 0; thread < 200; thread++)
            {
                ThreadPool.UnsafeQueueUserWorkItem(_ => run.Load.BlockUntilBegun(enough), null);
            }

            underWay = run.Load.Begun;
        });
        await run.GoOnAsync();
        await run.Load.EarlierEndAsync();
        await run.CureAsync(() => Task.WhenAll(Backends.All.Select(each => each.SetFaultAsync("none"))));
        await run.GoOnAsync();

        var row = await EndAsync(run);
        // Of those under way, one that waits for a connection is not sent before there are threads again; its time is up by
        // then, and if it may not be repeated it fails.
        run.Load.Failures.Where(each => !(each.IsWrite && each.Number < underWay && each.Limit == Limit.Time))
            .Should()
            .BeEmpty("every backend answers");
        run.Ejections.Should().Be(0, "no backend is to blame");
        // By the clock that decides when a request is due: had its time begun with its sending, none would have waited.
        row.During.Latencies.Percentile(0.99)!.Value.Should().BeGreaterThan(starvation / 2);
    }

    /// <summary>The other way round: it is the hung backend that takes the client's threads, by callers who wait on them.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task BlockedCallers_OneBackendHangs_IsFoundOutAndCallsEnd(bool isSynchronous)
    {
        // More than the pool has threads: whatever needs one waits in line with the next calls.
        const int Callers = 60;
        var connections = new Connections();
        var client = Connect(
            options => options.Add(Backends.All).Timeouts.Attempt = TimeSpan.FromSeconds(3),
            pool => pool.ConfigureTransport(connections.Watch)
        );
        client.Http.Timeout = Timeout.InfiniteTimeSpan;
        var failures = new ConcurrentQueue<Exception>();
        using var left = new CountdownEvent(Callers);
        // Connections for all: the platform makes them on the pool's threads, for synchronous callers too.
        await Task.WhenAll(
            Enumerable
                .Range(0, Callers * Backends.All.Count)
                .Select(_ => client.Http.GetStringAsync(Relative("work?ms=500")))
        );
        using var enough = new CancellationTokenSource();
        Backends.B.Freeze();
        var began = Stopwatch.GetTimestamp();

        for (var caller = 0; caller < Callers; caller++)
        {
            ThreadPool.UnsafeQueueUserWorkItem(Call, null);
        }

        // On a thread of its own, which no caller can take.
        var seen = await Task.Factory.StartNew(WhenOut, TaskCreationOptions.LongRunning);
        await enough.CancelAsync();
        await Eventually.BecomesTrueAsync(() => left.IsSet, ChaosSettings.Patience, "all calls have ended");
        Backends.B.Resume();

        Output.WriteLine($"Out after {seen}");
        // A connection is made on the pool's threads, and an attempt that waits for one there may end by its time.
        failures.Should().AllBeAssignableTo<TaskCanceledException>("the others answer whatever reaches them");
        failures
            .Select(each => each.Message)
            .Where(message => !message.Contains("Timeouts:Attempt") && !message.Contains("Timeouts:Total"))
            .Should()
            .BeEmpty("each failure names the limit that ended it");
        // Whatever an exception holds of the pool is no leak.
        failures.Clear();
        await AssertNothingLeftAsync(client, connections);

        string WhenOut()
        {
            var b = client["b"];
            while (Stopwatch.GetElapsedTime(began) is var time && time < ChaosSettings.Patience)
            {
                if (b.PassiveVerdict == PassiveVerdict.Ejected || b.Circuit.State == CircuitState.Open)
                {
                    return $"{time.TotalSeconds:0.0} s: {b.Status.Detail}";
                }

                Thread.Yield();
            }

            throw new TimeoutException("The backend that hangs was not found out.");
        }

        // Each call is an item of the pool's queue, so that others have their turn between two.
        void Call(object? state)
        {
            try
            {
                using var message = new HttpRequestMessage(HttpMethod.Get, Relative("work?ms=2"));
                var response = isSynchronous ? client.Http.Send(message) : client.Http.SendAsync(message).Result;
                response.Dispose();
            }
            catch (Exception exception)
            {
                failures.Enqueue((exception as AggregateException)?.InnerException ?? exception);
            }

            if (enough.IsCancellationRequested)
            {
                left.Signal();
            }
            else
            {
                ThreadPool.UnsafeQueueUserWorkItem(Call, null);
            }
        }
    }

    [Fact]
    public async Task Reload_EveryFiftyMilliseconds_NoRequestFails()
    {
        var settings = new ReloadedSettings(Backends.All);
        var connections = new Connections();
        var services = new ServiceCollection();
        services.AddResilientBackends(PoolName, settings.Root.GetSection("Pool")).ConfigureTransport(connections.Watch);
        services.AddHttpClient("test").UseResilientBackends(PoolName);
        var client = Own(Made(services.BuildServiceProvider()));
        var run = await BeginAsync("reload every 50 ms", client, connections);
        var refused = 0;
        using var subscription = run.Client.Pool.Subscribe(item =>
            refused += item is ConfigurationReloaded { Problems.Count: > 0 } ? 1 : 0
        );

        await run.StrikeAsync(async () =>
        {
            using var pace = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
            var enough = run.Load.Ended + (2 * ChaosSettings.Part);
            for (var reload = 0; run.Load.Ended < enough; reload++)
            {
                await pace.WaitForNextTickAsync();
                settings.Change(reload);
            }
        });
        await run.CureAsync(settings.Restore);
        await run.IsBackAsync("c");
        await run.GoOnAsync();

        var row = await EndAsync(run);
        row.During.WritesFailed.Should().Be(0, "a removed backend finishes what it has");
        refused.Should().BePositive("some of them were invalid");
    }

    [Fact]
    public async Task AddAndRemove_UnderLoad_NoRequestFails()
    {
        var run = await BeginAsync("add and remove under load");
        var c = run.Client["c"].Definition;

        await run.StrikeAsync(async () =>
        {
            for (var enough = run.Load.Ended + (2 * ChaosSettings.Part); run.Load.Ended < enough; )
            {
                run.Client.Pool.Remove("c").Should().BeTrue();
                await run.Load.MoreEndedAsync(3);
                run.Client.Pool.Add(c);
                await run.Load.MoreEndedAsync(3);
            }
        });
        await run.CureAsync(() => { });
        await run.IsBackAsync("c");
        await run.GoOnAsync();

        var row = await EndAsync(run);
        row.During.WritesFailed.Should().Be(0, "a removed backend finishes what it has");
    }

    [Fact]
    public async Task Dispose_UnderLoad_FinishesWhatRunsAndNamesTheReason()
    {
        var run = await BeginAsync("pool disposed under load");

        await run.StrikeAsync(() => run.Client.Pool.DisposeAsync().AsTask());
        await run.GoOnAsync();

        var row = await EndAsync(run, failure => failure.Limit == Limit.Disposal);
        run.Load.Failures.Should().OnlyContain(each => each.Limit == Limit.Disposal, "what runs finishes");
        row.During.ReadsLimited.Should().BePositive("nothing is sent by a pool that is gone");
    }

    [Fact]
    public async Task Dispose_AfterTrafficAndAFault_NothingHoldsThePool()
    {
        var pool = await UseAndDisposeAsync();

        await Eventually.BecomesTrueAsync(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return !pool.TryGetTarget(out _);
            },
            Limits.Wait,
            "the pool's memory is free"
        );
    }

    [Fact]
    public async Task Dispose_ThirtyPoolsThatProbeAndMeetAFault_LeaveNeitherTimersNorMemory()
    {
        // One timer of each would go unnoticed among those of a single pool, and thirty would not.
        const int Times = 6;
        const int AtOnce = 5;
        var timersBefore = Timer.ActiveCount;
        await Backends.B.SetFaultAsync("503", strikesHealth: true);

        var pools = new List<WeakReference<BackendPool>>();
        for (var time = 0; time < Times; time++)
        {
            pools.AddRange(await Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => ProbeStrikeAndDisposeAsync())));
        }

        await Eventually.BecomesTrueAsync(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                // A task that never ends would hold its pool.
                return pools.TrueForAll(each => !each.TryGetTarget(out _))
                    && Timer.ActiveCount <= timersBefore + OtherTimers;
            },
            LongestTimer,
            () =>
                $"of {pools.Count} pools neither memory nor a timer is left, and not {Timer.ActiveCount} timers instead of {timersBefore}"
        );
        AssertNoneFailedUnseen();
    }

    /// <summary>Not by the base, which holds on to whatever it has watched.</summary>
    private async Task<WeakReference<BackendPool>> ProbeStrikeAndDisposeAsync()
    {
        var connections = new Connections();
        var services = new ServiceCollection();
        services
            .AddResilientBackends(PoolName, options => options.Add(Backends.All).ProbeOften().ForgiveSoon())
            .ConfigureTransport(connections.Watch);
        services.AddHttpClient("test").UseResilientBackends(PoolName);
        try
        {
            await using var provider = services.BuildServiceProvider();
            var pool = provider.GetRequiredKeyedService<BackendPool>(PoolName);
            using var http = provider.GetRequiredService<IHttpClientFactory>().CreateClient("test");
            await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => http.GetStringAsync(Relative("work?ms=1"))));
            await Eventually.BecomesTrueAsync(
                () => pool.Find("b") is { ActiveVerdict: ActiveVerdict.Unhealthy },
                Limits.Wait,
                "the probes have met the fault"
            );
            return new WeakReference<BackendPool>(pool);
        }
        finally
        {
            // The timers that look after connections are the transport's, which outlives its pool.
            connections.End();
        }
    }

    /// <summary>Not by the base, which holds on to whatever it has watched.</summary>
    private async Task<WeakReference<BackendPool>> UseAndDisposeAsync()
    {
        var services = new ServiceCollection();
        services.AddResilientBackends(PoolName, options => options.Add(Backends.All));
        services.AddHttpClient("test").UseResilientBackends(PoolName);
        await using var provider = services.BuildServiceProvider();
        var pool = provider.GetRequiredKeyedService<BackendPool>(PoolName);
        using var http = provider.GetRequiredService<IHttpClientFactory>().CreateClient("test");
        var load = OpenLoopLoad.Start(http, ChaosSettings.Rate, "memory", new Phase("all"));
        await using (load)
        {
            await load.MoreByAsync("b", 5);
            await Backends.B.KillAsync();
            await load.MoreAsync(ChaosSettings.Rate);
        }

        load.Failures.Where(each => !each.IsWrite).Should().BeEmpty();
        return new WeakReference<BackendPool>(pool);
    }

    private Task<ChaosRun> BeginAsync(string name, TimeProvider time) =>
        BeginWithAsync(
            name,
            options => options.Add(Backends.All),
            configurePool: pool => pool.Services.AddSingleton(time)
        );
}
