using Microsoft.Extensions.Options;

namespace ActiveHealth;

/// <summary>R145: what probes alone find, and how fast. Passive detection and circuits are switched off.</summary>
internal sealed class ActiveHealthScript : Script
{
    private const string Crashed = "api-1";
    private const string Leaving = "api-2";
    private const string Frozen = "api-3";

    public ActiveHealthScript(BackendFleet fleet, IPoolControl pool, Journal journal, IOptions<DemoOptions> options)
        : base(fleet, pool, journal, options.Value)
    {
        Steps =
        [
            new("normal", "Three backends, probed twice a second at /health", Hold),
            new("crash", $"Kill {Crashed}: its probes are refused", token => KillAsync(Crashed, token)),
            new("back", $"Start {Crashed}: two good probes take it back", token => BringBackAsync(Crashed, token)),
            new(
                "says no",
                $"{Leaving} answers its probes with 503, as before a shutdown: it still serves, nothing fails",
                token => SpoilAsync(Leaving, "says that it is not ready", "health=503", token)
            ),
            new("says yes", $"{Leaving} is ready again", token => MendAsync(Leaving, token)),
            new("freeze", $"Freeze {Frozen}: its probes time out", token => FreezeAsync(Frozen, token)),
            new("resume", $"Resume {Frozen}", token => ResumeAsync(Frozen, token)),
        ];
    }

    public override IReadOnlyList<ScriptStep> Steps { get; }
}
