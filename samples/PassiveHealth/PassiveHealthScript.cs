using Microsoft.Extensions.Options;

namespace PassiveHealth;

/// <summary>R146: what real traffic alone finds, without a single probe. Circuits are switched off.</summary>
internal sealed class PassiveHealthScript : Script
{
    private const string Failing = "api-1";
    private const string Slow = "api-2";
    private const string Frozen = "api-3";

    public PassiveHealthScript(BackendFleet fleet, IPoolControl pool, Journal journal, IOptions<DemoOptions> options)
        : base(fleet, pool, journal, options.Value)
    {
        Steps =
        [
            new("normal", "Three backends, judged by their answers alone", Hold),
            new(
                "errors",
                $"{Failing} answers every request with 500: five in a row eject it",
                token => SpoilAsync(Failing, "answers 500", "status=500", token)
            ),
            new("mended", $"{Failing} is well: it returns when its ejection ends", token => MendAsync(Failing, token)),
            new(
                "slow",
                $"{Slow} takes 400 ms: half of its answers beyond 300 ms eject it",
                token => SpoilAsync(Slow, "is slow", "delay=400", token)
            ),
            new("fast", $"{Slow} is fast again", token => MendAsync(Slow, token)),
            new("silence", $"Freeze {Frozen}: others answer, it does not", token => FreezeAsync(Frozen, token)),
            new("resume", $"Resume {Frozen}", token => ResumeAsync(Frozen, token)),
        ];
    }

    public override IReadOnlyList<ScriptStep> Steps { get; }
}
