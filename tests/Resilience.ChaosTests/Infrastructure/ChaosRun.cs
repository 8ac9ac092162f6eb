using System.Collections.Concurrent;
using System.Diagnostics;
using Resilience.Backends;
using Resilience.ChaosTests.Load;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Retries;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>
/// One scenario under way: a client under load, and the three phases before, during and after what is done to its
/// backends. Waits for what happens, never for a time.
/// </summary>
internal sealed class ChaosRun : IAsyncDisposable
{
    private static int HasWarmedUp;

    private readonly ConcurrentDictionary<string, long> _firstOut = new();
    private readonly Phase _before = new("before");
    private readonly Phase _during = new("during");
    private readonly Phase _after = new("after");
    private readonly IDisposable _subscription;
    private readonly string _name;
    private IReadOnlyList<string> _outBeforeCure = [];
    private long _struckAt;
    private long _curedAt;
    private TimeSpan? _avoided;
    private TimeSpan? _recovered;
    private int _ejections;

    private ChaosRun(
        string name,
        string prefix,
        ResilientClient client,
        Connections connections,
        RetryBudgetOptions budget
    )
    {
        _name = name;
        Connections = connections;
        Prefix = prefix;
        Client = client;
        Budget = budget;
        _subscription = client.Pool.Subscribe(Note);
        Load = OpenLoopLoad.Start(client.Http, ChaosSettings.Rate, prefix, _before);
    }

    /// <summary>What the ids of its requests begin with.</summary>
    public string Prefix { get; }

    public ResilientClient Client { get; }

    public OpenLoopLoad Load { get; }

    /// <summary>What the pool's transports have opened.</summary>
    public Connections Connections { get; }

    /// <summary>Whether a backend writes into its ledger only after it has answered, and may be killed in between.</summary>
    public bool LedgersMayLag { get; set; }

    /// <summary>The backend that another one passes on to, if there is one: what it sees has been counted there.</summary>
    public string? Behind { get; set; }

    /// <summary>The terms of the pool's budget of retries.</summary>
    public RetryBudgetOptions Budget { get; }

    /// <summary>When the load began.</summary>
    public long StartedAt { get; } = Stopwatch.GetTimestamp();

    /// <summary>How many ejections there have been.</summary>
    public int Ejections => Volatile.Read(ref _ejections);

    /// <summary>Begins the load; returns when every backend has answered and the figures before the fault are taken.</summary>
    public static async Task<ChaosRun> BeginAsync(
        string name,
        string prefix,
        ResilientClient client,
        Connections connections,
        RetryBudgetOptions budget
    )
    {
        // What the first requests of a process cost is nobody's figure, nor is what a first connection costs.
        var enough = Interlocked.Exchange(ref HasWarmedUp, 1) == 0 ? ChaosSettings.Rate : 3;
        var warmUp = OpenLoopLoad.Start(client.Http, ChaosSettings.Rate, $"{prefix}w", new Phase("warm-up"));
        await using (warmUp)
        {
            foreach (var backend in client.Pool.Backends)
            {
                await warmUp.MoreByAsync(backend.Name, enough);
            }
        }

        var run = new ChaosRun(name, prefix, client, connections, budget);
        await run.GoOnAsync();
        return run;
    }

    /// <summary>Does something to the backends; what is due from now on belongs to the phase during it.</summary>
    public Task StrikeAsync(Action fault) =>
        StrikeAsync(() =>
        {
            fault();
            return Task.CompletedTask;
        });

    /// <inheritdoc cref="StrikeAsync(Action)"/>
    public async Task StrikeAsync(Func<Task> fault)
    {
        Load.Enter(_during);
        Volatile.Write(ref _struckAt, Stopwatch.GetTimestamp());
        await fault();
    }

    /// <summary>Undoes it; what is due from then on belongs to the phase after it.</summary>
    public async Task CureAsync(Func<Task> cure)
    {
        _outBeforeCure = [.. Client.Pool.Backends.Where(each => !each.IsAlive).Select(each => each.Name)];
        await cure();
        _curedAt = Stopwatch.GetTimestamp();
        Load.Enter(_after);
    }

    /// <inheritdoc cref="CureAsync(Func{Task})"/>
    public Task CureAsync(Action cure) =>
        CureAsync(() =>
        {
            cure();
            return Task.CompletedTask;
        });

    /// <summary>Returns when the struck backend is out of the rotation, and takes the time that it took.</summary>
    public async Task IsAvoidedAsync(string backend)
    {
        await Eventually.BecomesTrueAsync(
            () => _firstOut.ContainsKey(backend),
            ChaosSettings.Patience,
            $"{backend} is out of the rotation"
        );
        _avoided = Stopwatch.GetElapsedTime(_struckAt, _firstOut[backend]);
    }

    /// <summary>
    /// Returns when that backend is out of the rotation at this moment: it has been back since it was first avoided, if a
    /// fault lasts for longer than an ejection.
    /// </summary>
    public Task IsOutAsync(string backend) =>
        Eventually.BecomesTrueAsync(
            () => !Client[backend].IsAlive,
            ChaosSettings.Patience,
            $"{backend} is out of the rotation again"
        );

    /// <summary>
    /// Returns when the cured backend has answered a request that was begun after its cure, and takes the time that it
    /// took, of several backends the longest, if there was anywhere to come back from.
    /// </summary>
    public async Task IsBackAsync(string backend)
    {
        await Eventually.BecomesTrueAsync(
            () => _after.FirstAnswerBy(backend) is not null,
            ChaosSettings.Patience,
            $"{backend} has answered what was begun after its cure"
        );
        if (_outBeforeCure.Contains(backend))
        {
            var back = Stopwatch.GetElapsedTime(_curedAt, _after.FirstAnswerBy(backend)!.Value);
            _recovered = back > _recovered ? back : _recovered ?? back;
        }
    }

    /// <summary>Returns when enough more requests for figures have ended.</summary>
    public Task GoOnAsync() => Load.MoreEndedAsync(ChaosSettings.Part);

    /// <summary>Stops the load and returns the figures, when nothing runs any more.</summary>
    public async Task<ScenarioRow> EndAsync()
    {
        await Load.StopAsync();
        _subscription.Dispose();
        return new ScenarioRow(
            _name,
            _before,
            _during,
            _after,
            _avoided ?? FirstAvoided(),
            _recovered,
            Connections.Opened
        );
    }

    /// <summary>Whether any of the time of that request lies between the fault and its cure.</summary>
    public bool WasDuring(FailedRequest request) =>
        request.EndedAt >= _struckAt && (_curedAt == 0 || request.Due <= _curedAt);

    public async ValueTask DisposeAsync()
    {
        try
        {
            await Load.DisposeAsync();
        }
        finally
        {
            _subscription.Dispose();
            // A scenario that failed has not come to this: its connections, and what looks after them, would live on in the
            // next one.
            await Client.DisposeAsync();
            Connections.End();
        }
    }

    /// <summary>From the fault to the first state change that took any backend out before the cure, if one did.</summary>
    private TimeSpan? FirstAvoided()
    {
        var outs = _firstOut.Values.Where(at => _curedAt == 0 || at <= _curedAt).ToList();
        return outs.Count == 0 ? null : Stopwatch.GetElapsedTime(_struckAt, outs.Min());
    }

    private void Note(PoolEvent item)
    {
        switch (item)
        {
            case BackendStateChanged { To.State: BackendState.Unhealthy } change when Volatile.Read(ref _struckAt) != 0:
                _firstOut.TryAdd(change.Backend.Name, Stopwatch.GetTimestamp());
                break;
            case BackendEjected { IsEnforced: true }:
                Interlocked.Increment(ref _ejections);
                break;
            default:
                break;
        }
    }
}
