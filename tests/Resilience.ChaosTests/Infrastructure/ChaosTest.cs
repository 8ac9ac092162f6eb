using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.ChaosTests.Load;
using Resilience.DependencyInjection;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Retries;
using Xunit.Abstractions;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>
/// The base of the scenarios: each begins on three backends that are well, and ends with the bars that all of them keep.
/// </summary>
[Collection(ChaosCollection.Name)]
public abstract class ChaosTest(ChaosBackends backends, ITestOutputHelper output) : ResilienceTest
{
    /// <summary>Of the clients by which the test tells each backend what to do, and of what runs the test.</summary>
    private protected const int OtherTimers = 5;

    /// <summary>
    /// A watch that is pooled looks once more when the time of its last wait is up, and finds that nobody waits: by default
    /// after thirty seconds.
    /// </summary>
    private protected static readonly TimeSpan LongestTimer = 4 * Limits.Wait;

    private static int LastScenario;

    private readonly List<Exception> _unobserved = [];

    private protected ChaosBackends Backends => backends;

    private protected ITestOutputHelper Output => output;

    /// <summary>How many timers were armed when the test began.</summary>
    private protected long TimersBefore { get; private set; }

    /// <summary>Whether the pools of the short version probe, and often; those of the long one do as by default.</summary>
    private protected virtual bool ProbesOften => true;

    public override async Task InitializeAsync()
    {
        await base.InitializeAsync();
        await backends.MendAsync();
        // What a test before this one has left, if it failed before it could judge that itself.
        CollectWhatIsLeft();
        TaskScheduler.UnobservedTaskException += Note;
        TimersBefore = Timer.ActiveCount;
    }

    public override async Task DisposeAsync()
    {
        try
        {
            await base.DisposeAsync();
            // Whatever way it has ended: by the next test its tasks are nobody's.
            AssertNoneFailedUnseen();
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= Note;
        }
    }

    /// <summary>Begins a scenario on the three backends.</summary>
    private protected Task<ChaosRun> BeginAsync(string name, Action<ResilientBackendsOptions>? configure = null) =>
        BeginWithAsync(name, options => options.Add(backends.All), configure);

    /// <summary>Begins a scenario on the backends that are added.</summary>
    private protected Task<ChaosRun> BeginWithAsync(
        string name,
        Action<ResilientBackendsOptions> add,
        Action<ResilientBackendsOptions>? configure = null,
        Action<IResilientBackendsBuilder>? configurePool = null
    )
    {
        var connections = new Connections();
        var budget = new RetryBudgetOptions();
        var client = Connect(
            options =>
            {
                add(options);
                Hasten(options);
                configure?.Invoke(options);
                budget = options.Retry.Budget;
            },
            pool =>
            {
                pool.ConfigureTransport(connections.Watch);
                configurePool?.Invoke(pool);
            }
        );
        return BeginAsync(name, client, connections, budget);
    }

    /// <summary>Begins a scenario with a client of its own making.</summary>
    private protected async Task<ChaosRun> BeginAsync(
        string name,
        ResilientClient client,
        Connections connections,
        RetryBudgetOptions? budget = null
    )
    {
        // Only the library's own limits may end a request.
        client.Http.Timeout = Timeout.InfiniteTimeSpan;
        var prefix = $"s{Interlocked.Increment(ref LastScenario)}";
        return Own(await ChaosRun.BeginAsync(name, prefix, client, connections, budget ?? new RetryBudgetOptions()));
    }

    /// <summary>
    /// Ends the scenario, writes its row and asserts what every scenario must keep: no GET failed, no POST was seen
    /// twice, the budget was kept, and nothing is left.
    /// </summary>
    /// <param name="run">The scenario.</param>
    /// <param name="mayFail">The failed GETs that are no finding; none if null.</param>
    private protected async Task<ScenarioRow> EndAsync(ChaosRun run, Func<FailedRequest, bool>? mayFail = null)
    {
        var figures = await run.EndAsync();
        var elapsed = Stopwatch.GetElapsedTime(run.StartedAt);
        var arrived = backends.Arrived(run.Prefix, run.Behind);
        var row = figures with { Arrived = arrived.Count };
        output.WriteLine(ScenarioRow.Header);
        output.WriteLine(row.ToString());
        foreach (var failure in run.Load.Failures.OrderBy(each => each.IsWrite).ThenBy(each => each.Number).Take(10))
        {
            output.WriteLine(failure.ToString());
        }

        // What was counted is held against what was kept: a failure that was lost would be none.
        row.FailedReads.Should().Be(run.Load.Failures.Count(each => !each.IsWrite), "every GET that failed is judged");
        run.Load.Failures.Where(each => !each.IsWrite && !(mayFail?.Invoke(each) ?? false))
            .Should()
            .BeEmpty("a request that may be repeated fails only where no backend can answer");
        AssertNoneTwice(run);
        AssertBudget(run, row, arrived, elapsed);
        await AssertNothingLeftAsync(run.Client, run.Connections);
        row.AppendTo(ChaosSettings.TableFile);
        return row;
    }

    /// <summary>Each answered POST has arrived once, and no other more than once (law 2).</summary>
    private void AssertNoneTwice(ChaosRun run)
    {
        var times = backends
            .Arrived(run.Prefix)
            .Where(line => line.StartsWith("POST ", StringComparison.Ordinal))
            .GroupBy(line => line["POST ".Length..])
            .ToDictionary(each => each.Key, each => each.Count());
        times.Where(each => each.Value > 1).Should().BeEmpty("no POST may be seen twice");
        if (!run.LedgersMayLag)
        {
            run.Load.WritesAnswered.Where(id => !times.ContainsKey(id))
                .Should()
                .BeEmpty("somebody has seen what is answered");
        }
    }

    /// <summary>
    /// By default a fifth of the requests and ten a second, over a window of ten seconds (law 9): by what the client says
    /// that it has sent again, and by what the servers have seen again, whoever sent it.
    /// </summary>
    private static void AssertBudget(ChaosRun run, ScenarioRow row, IReadOnlyList<string> arrived, TimeSpan elapsed)
    {
        var (budget, seconds) = (run.Budget, (elapsed + run.Budget.Window).TotalSeconds);
        var allowed = (int)((budget.Ratio * row.Requests) + (budget.MinimumPerSecond * seconds));
        row.Retries.Should().BeLessThanOrEqualTo(allowed, "the budget pays for them");
        (arrived.Count - arrived.DistinctBy(line => line.Split(' ')[^1]).Count())
            .Should()
            .BeLessThanOrEqualTo(allowed, "the servers see no more again than the budget pays for");
    }

    /// <summary>
    /// Ends a client that sends nothing any more, and asserts that nothing is left of it: nothing in flight, no socket, no
    /// timer, no task that failed unseen, and no memory, which a task that never ends would hold too.
    /// </summary>
    private protected async Task AssertNothingLeftAsync(ResilientClient client, Connections connections)
    {
        await AssertNothingInFlightAsync();
        var pool = await client.LetGoAsync();
        await connections.EndAsync();
        await Eventually.BecomesTrueAsync(
            () => Timer.ActiveCount <= TimersBefore + OtherTimers,
            LongestTimer,
            () => $"no timer is left, and not {Timer.ActiveCount} instead of {TimersBefore}"
        );
        await LeavesMemoryAsync(pool);
        AssertNoneFailedUnseen();
    }

    /// <summary>Returns when nothing holds that pool any more.</summary>
    private protected Task LeavesMemoryAsync(WeakReference pool) =>
        Eventually.BecomesTrueAsync(
            async () =>
            {
                // An event that came late may have told the base of a backend since, which holds its pool.
                await AssertNothingInFlightAsync();
                return !IsInMemory(pool);
            },
            LongestTimer,
            "nothing holds the pool that was disposed, no task of its that never ends either"
        );

    private protected static bool IsInMemory(WeakReference held)
    {
        CollectWhatIsLeft();
        return held.IsAlive;
    }

    private protected void AssertNoneFailedUnseen()
    {
        CollectWhatIsLeft();
        lock (_unobserved)
        {
            _unobserved.Should().BeEmpty("no task fails unseen");
        }
    }

    /// <summary>A failed task that nobody has looked at says so when it is finalised.</summary>
    private static void CollectWhatIsLeft()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }

    /// <summary>Back soon in the short version; by the library's own defaults in the long one.</summary>
    private void Hasten(ResilientBackendsOptions options)
    {
        if (ChaosSettings.IsLong)
        {
            options.HealthCheck.Enabled = true;
            return;
        }

        if (ProbesOften)
        {
            options.ProbeOften();
        }

        options.ForgiveSoon();
        options.Timeouts.Attempt = TimeSpan.FromSeconds(3);
    }

    private void Note(object? sender, UnobservedTaskExceptionEventArgs problem)
    {
        lock (_unobserved)
        {
            _unobserved.Add(problem.Exception);
        }
    }
}
