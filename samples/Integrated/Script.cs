using Integrated.Pool;
using Microsoft.Extensions.Options;

namespace Integrated;

/// <summary>
/// What happens to the backends, step by step. Every wait is for a condition and has a bound; a bound that is exceeded
/// is reported, counted, and the script goes on.
/// </summary>
internal sealed class Script
{
    private const string Victim = "api-2";
    private const string Sleeper = "api-3";

    private readonly BackendFleet _fleet;
    private readonly IPoolControl _pool;
    private readonly Journal _journal;
    private readonly DemoOptions _options;

    public Script(BackendFleet fleet, IPoolControl pool, Journal journal, IOptions<DemoOptions> options)
    {
        _fleet = fleet;
        _pool = pool;
        _journal = journal;
        _options = options.Value;
        Steps =
        [
            new("normal", "Normal operation: three backends share the traffic", Hold),
            new("kill", $"Kill {Victim} under load, as a crash does", KillAsync),
            new("bring back", $"Start {Victim} again on its port", BringBackAsync),
            new("freeze", $"Freeze {Sleeper}: its connections stay open and nothing answers", FreezeAsync),
            new("resume", $"Resume {Sleeper}", ResumeAsync),
            new("rolling restart", "Restart all three, drained one by one, as a deployment does", RollingRestartAsync),
        ];
    }

    public IReadOnlyList<ScriptStep> Steps { get; }

    /// <summary>The index of the running step; the number of steps when all are done.</summary>
    public int Current { get; private set; }

    /// <summary>How many conditions were not met within their bounds.</summary>
    public int Unmet { get; private set; }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        for (Current = 0; Current < Steps.Count; Current++)
        {
            _journal.Step($"{Current + 1}/{Steps.Count} {Steps[Current].Description}");
            await Steps[Current].RunAsync(cancellationToken);
        }
    }

    private Task Hold(CancellationToken cancellationToken) => Task.Delay(_options.Hold, cancellationToken);

    private async Task KillAsync(CancellationToken cancellationToken)
    {
        _journal.Action($"SIGKILL to {Victim} (pid {_fleet[Victim].Id})");
        await _fleet[Victim].KillAsync(cancellationToken);
        await WithinAsync(
            _options.NoticeWithin,
            $"the pool notices that {Victim} is gone",
            bound => _pool.WaitUntilUnhealthyAsync(Victim, bound),
            cancellationToken
        );
        await Hold(cancellationToken);
    }

    private async Task BringBackAsync(CancellationToken cancellationToken)
    {
        await StartAsync(Victim, cancellationToken);
        await UntilHealthyAsync(Victim, cancellationToken);
        await Hold(cancellationToken);
    }

    private async Task FreezeAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            _journal.Action("skipped: Windows cannot freeze a process with a signal");
            return;
        }

        _journal.Action($"SIGSTOP to {Sleeper} (pid {_fleet[Sleeper].Id})");
        _fleet[Sleeper].Freeze();
        await WithinAsync(
            _options.NoticeWithin,
            $"the pool notices that {Sleeper} no longer answers",
            bound => _pool.WaitUntilUnhealthyAsync(Sleeper, bound),
            cancellationToken
        );
        await Hold(cancellationToken);
    }

    private async Task ResumeAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            _journal.Action("skipped: nothing is frozen");
            return;
        }

        _journal.Action($"SIGCONT to {Sleeper}");
        _fleet[Sleeper].Resume();
        await UntilHealthyAsync(Sleeper, cancellationToken);
        await Hold(cancellationToken);
    }

    private async Task RollingRestartAsync(CancellationToken cancellationToken)
    {
        foreach (var backend in _fleet.Backends)
        {
            _journal.Action($"drain {backend.Name}");
            await WithinAsync(
                _options.RecoverWithin,
                $"no request is in flight to {backend.Name}",
                bound => _pool.DrainAsync(backend.Name, bound),
                cancellationToken
            );
            _journal.Action($"no request in flight to {backend.Name}: terminate it");
            await backend.TerminateAsync(cancellationToken);
            await StartAsync(backend.Name, cancellationToken);
            _pool.Enable(backend.Name);
            await UntilHealthyAsync(backend.Name, cancellationToken);
            await Task.Delay(_options.PauseBetweenRestarts, cancellationToken);
        }

        await Hold(cancellationToken);
    }

    private async Task StartAsync(string name, CancellationToken cancellationToken)
    {
        await _fleet[name].StartAsync(cancellationToken);
        _journal.Action($"{name} runs again (pid {_fleet[name].Id})");
    }

    private Task UntilHealthyAsync(string name, CancellationToken cancellationToken) =>
        WithinAsync(
            _options.RecoverWithin,
            $"the pool takes {name} back",
            bound => _pool.WaitUntilHealthyAsync(name, bound),
            cancellationToken
        );

    private async Task WithinAsync(
        TimeSpan limit,
        string condition,
        Func<CancellationToken, Task> wait,
        CancellationToken cancellationToken
    )
    {
        using var bound = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        bound.CancelAfter(limit);
        try
        {
            await wait(bound.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Unmet++;
            _journal.Problem($"not within {limit.TotalSeconds:0} s: {condition}");
        }
    }
}
