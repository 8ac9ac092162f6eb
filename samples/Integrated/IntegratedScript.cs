using Microsoft.Extensions.Options;

namespace Integrated;

/// <summary>Failure, recovery and deployment of the backends behind one client that uses all of the library.</summary>
internal sealed class IntegratedScript : Script
{
    private const string Victim = "api-2";
    private const string Sleeper = "api-3";

    public IntegratedScript(BackendFleet fleet, IPoolControl pool, Journal journal, IOptions<DemoOptions> options)
        : base(fleet, pool, journal, options.Value)
    {
        Steps =
        [
            new("normal", "Normal operation: three backends share the traffic", Hold),
            new("kill", $"Kill {Victim} under load, as a crash does", token => KillAsync(Victim, token)),
            new("bring back", $"Start {Victim} again on its port", token => BringBackAsync(Victim, token)),
            new(
                "freeze",
                $"Freeze {Sleeper}: its connections stay open and nothing answers",
                token => FreezeAsync(Sleeper, token)
            ),
            new("resume", $"Resume {Sleeper}", token => ResumeAsync(Sleeper, token)),
            new("rolling restart", "Restart all three, drained one by one, as a deployment does", RollingRestartAsync),
        ];
    }

    public override IReadOnlyList<ScriptStep> Steps { get; }

    private async Task RollingRestartAsync(CancellationToken cancellationToken)
    {
        foreach (var backend in Fleet.Backends)
        {
            Journal.Action($"drain {backend.Name}");
            await WithinAsync(
                Options.RecoverWithin,
                $"no request is in flight to {backend.Name}",
                bound => Pool.DrainAsync(backend.Name, bound),
                cancellationToken
            );
            Journal.Action($"no request in flight to {backend.Name}: terminate it");
            await backend.TerminateAsync(cancellationToken);
            await StartAsync(backend.Name, cancellationToken);
            Pool.Enable(backend.Name);
            await UntilHealthyAsync(backend.Name, cancellationToken);
            await Task.Delay(Options.PauseBetweenRestarts, cancellationToken);
        }

        await Hold(cancellationToken);
    }
}
