using Shared.Pool;

namespace Shared;

/// <summary>
/// What happens to the backends, step by step. Every wait is for a condition and has a bound; a bound that is exceeded
/// is reported, counted, and the script goes on.
/// </summary>
internal abstract class Script(BackendFleet fleet, IPoolControl pool, Journal journal, DemoOptions options)
{
    public abstract IReadOnlyList<ScriptStep> Steps { get; }

    /// <summary>The index of the running step; the number of steps when all are done.</summary>
    public int Current { get; private set; }

    /// <summary>How many conditions were not met within their bounds.</summary>
    public int Unmet { get; private set; }

    protected BackendFleet Fleet => fleet;

    protected IPoolControl Pool => pool;

    protected Journal Journal => journal;

    protected DemoOptions Options => options;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (var backend in fleet.Backends)
        {
            await UntilHealthyAsync(backend.Name, cancellationToken);
        }

        for (Current = 0; Current < Steps.Count; Current++)
        {
            journal.Step($"{Current + 1}/{Steps.Count} {Steps[Current].Description}");
            await Steps[Current].RunAsync(cancellationToken);
        }
    }

    /// <summary>Leaves what has happened to be watched.</summary>
    protected Task Hold(CancellationToken cancellationToken) => Task.Delay(options.Hold, cancellationToken);

    protected async Task KillAsync(string name, CancellationToken cancellationToken)
    {
        journal.Action($"SIGKILL to {name} (pid {fleet[name].Id})");
        await fleet[name].KillAsync(cancellationToken);
        await UntilOutAsync(name, "is gone", cancellationToken);
        await Hold(cancellationToken);
    }

    protected async Task BringBackAsync(string name, CancellationToken cancellationToken)
    {
        await StartAsync(name, cancellationToken);
        await UntilHealthyAsync(name, cancellationToken);
        await Hold(cancellationToken);
    }

    protected async Task FreezeAsync(string name, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            journal.Action("skipped: Windows cannot freeze a process with a signal");
            return;
        }

        journal.Action($"SIGSTOP to {name} (pid {fleet[name].Id})");
        fleet[name].Freeze();
        await UntilOutAsync(name, "no longer answers", cancellationToken);
        await Hold(cancellationToken);
    }

    protected async Task ResumeAsync(string name, CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            journal.Action("skipped: nothing is frozen");
            return;
        }

        journal.Action($"SIGCONT to {name}");
        fleet[name].Resume();
        await UntilHealthyAsync(name, cancellationToken);
        await Hold(cancellationToken);
    }

    /// <summary>Makes a backend answer otherwise, and waits until the pool has noticed.</summary>
    protected async Task SpoilAsync(string name, string what, string behaviour, CancellationToken cancellationToken)
    {
        journal.Action($"{name} {what}");
        await fleet[name].BehaveAsync(behaviour, cancellationToken);
        await UntilOutAsync(name, what, cancellationToken);
        await Hold(cancellationToken);
    }

    protected async Task MendAsync(string name, CancellationToken cancellationToken)
    {
        journal.Action($"{name} answers well again");
        await fleet[name].BehaveAsync("", cancellationToken);
        await UntilHealthyAsync(name, cancellationToken);
        await Hold(cancellationToken);
    }

    protected async Task StartAsync(string name, CancellationToken cancellationToken)
    {
        await fleet[name].StartAsync(cancellationToken);
        journal.Action($"{name} runs again (pid {fleet[name].Id})");
    }

    protected Task UntilHealthyAsync(string name, CancellationToken cancellationToken) =>
        WithinAsync(
            options.RecoverWithin,
            $"the pool takes {name} back",
            bound => pool.WaitUntilHealthyAsync(name, bound),
            cancellationToken
        );

    /// <summary>Waits until the pool has taken a backend out, and says how long that took.</summary>
    protected async Task UntilOutAsync(string name, string why, CancellationToken cancellationToken)
    {
        var began = journal.Elapsed;
        await WithinAsync(
            options.NoticeWithin,
            $"the pool notices that {name} {why}",
            bound => pool.WaitUntilUnhealthyAsync(name, bound),
            cancellationToken
        );
        journal.Action($"noticed after {(journal.Elapsed - began).TotalMilliseconds:0} ms");
    }

    protected async Task WithinAsync(
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
            journal.Problem($"not within {limit.TotalSeconds:0} s: {condition}");
        }
    }
}
