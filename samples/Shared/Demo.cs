using Shared.Display;
using Shared.Pool;

namespace Shared;

/// <summary>Runs the script under load, and shows both.</summary>
internal sealed class Demo(
    BackendFleet fleet,
    IPoolView pool,
    Traffic traffic,
    LoadGenerator load,
    Script script,
    Journal journal,
    ILiveDisplay display,
    IHostApplicationLifetime lifetime
)
{
    /// <summary>The exit code of a program that Ctrl+C ended: 128 + SIGINT.</summary>
    private const int Interrupted = 130;

    /// <summary>Starts the backends and the host, runs the script, stops both and returns the exit code.</summary>
    public async Task<int> RunAsync(IHost host)
    {
        // Starting the host arms Ctrl+C; the backends come first, so that the pool finds them there.
        await fleet.StartAsync(CancellationToken.None);
        await host.StartAsync();
        var interrupted = lifetime.ApplicationStopping;
        try
        {
            await RunUnderLoadAsync(interrupted);
            await host.StopAsync(CancellationToken.None);
            await fleet.TerminateAsync(CancellationToken.None);
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            await fleet.DisposeAsync();
            await Console.Out.WriteLineAsync("Interrupted; the backends are stopped.");
            return Interrupted;
        }

        var summary = new Summary(traffic.Snapshot(), script.Unmet, journal.Elapsed);
        await Console.Out.WriteLineAsync(summary.Text);
        return summary.ExitCode;
    }

    private async Task RunUnderLoadAsync(CancellationToken interrupted)
    {
        using var changes = pool.OnChange(change =>
            journal.Pool(
                $"{change.Name}: {change.From} -> {change.To}{(change.Reason is "" ? "" : $" ({change.Reason})")}"
            )
        );
        await load.WarmUpAsync(interrupted);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(interrupted);
        var loading = load.RunAsync(end.Token, interrupted);
        var showing = ShowAsync(end.Token);
        try
        {
            await script.RunAsync(interrupted);
        }
        finally
        {
            await end.CancelAsync();
            await loading;
            await showing;
            display.Finish(Status());
        }
    }

    private async Task ShowAsync(CancellationToken end)
    {
        using var timer = new PeriodicTimer(display.RefreshInterval);
        try
        {
            do
            {
                display.Show(Status());
            } while (await timer.WaitForNextTickAsync(end));
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested) { }
    }

    private DemoStatus Status()
    {
        var seen = traffic.Snapshot();
        var backends = pool.Rows()
            .Select(row => new BackendStatus(
                row,
                fleet[row.Name].Condition,
                seen.Shares.GetValueOrDefault(row.Name),
                seen.Served.GetValueOrDefault(row.Name)
            ));
        return new DemoStatus(journal.Elapsed, script.Steps, script.Current, [.. backends], seen);
    }
}
