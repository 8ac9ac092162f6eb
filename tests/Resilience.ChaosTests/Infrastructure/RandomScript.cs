using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.ChaosTests.Infrastructure;

/// <summary>
/// What befalls the backends, one thing after another, drawn from a seed: the same seed is the same script, so many
/// requests apart.
/// </summary>
internal sealed class RandomScript
{
    private readonly List<Step> _steps = [];
    private readonly int _atOnce;

    /// <param name="seed">What it is drawn from.</param>
    /// <param name="steps">How many things befall a backend.</param>
    /// <param name="atOnce">How many backends may be ill at a time.</param>
    /// <param name="backends">How many backends there are.</param>
    public RandomScript(int seed, int steps, int atOnce, int backends)
    {
        _atOnce = atOnce;
        var random = new Random(seed);
        var ill = new Dictionary<int, Affliction>();
        for (var struck = 0; struck < steps || ill.Count > 0; )
        {
            var cures = ill.Count == atOnce || struck == steps || (ill.Count > 0 && random.Next(2) == 0);
            var candidates = Enumerable.Range(0, backends).Where(each => ill.ContainsKey(each) == cures).ToList();
            var backend = candidates[random.Next(candidates.Count)];
            var affliction = cures ? ill[backend] : Affliction.All[random.Next(Affliction.All.Count)];
            // From a quarter of a second to a second and a quarter.
            var pause = (ChaosSettings.Rate / 4) + random.Next(ChaosSettings.Rate);
            _steps.Add(new Step(backend, affliction, cures, pause));
            if (cures)
            {
                ill.Remove(backend);
            }
            else
            {
                ill[backend] = affliction;
                struck++;
            }
        }
    }

    /// <summary>
    /// Plays it; every backend is well in the end. Where only one may be ill at a time, the next falls ill when nobody
    /// waits for that one any more and it is back in the rotation, and not only well: a request that it let hang would
    /// meet the next one too, and as long as its circuit is open it takes no traffic.
    /// </summary>
    public async Task PlayAsync(ChaosRun run, IReadOnlyList<BackendProcess> backends)
    {
        foreach (var step in _steps)
        {
            var backend = backends[step.Backend];
            await (step.Cures ? step.Affliction.Cure(backend) : step.Affliction.Strike(backend));
            if (step.Cures && _atOnce == 1)
            {
                await run.Load.EarlierEndAsync();
                await run.Load.MoreByAsync(backend.Name, 1);
                await Eventually.BecomesTrueAsync(
                    () => run.Client[backend.Name].IsAlive,
                    ChaosSettings.Patience,
                    $"{backend.Name} is back"
                );
            }

            await run.Load.MoreEndedAsync(step.Pause);
        }
    }

    public override string ToString() =>
        string.Join(
            ", ",
            _steps.Select(step =>
                $"{(char)('a' + step.Backend)} {(step.Cures ? "no longer " : "")}{step.Affliction.Name} +{step.Pause}"
            )
        );

    private sealed record Step(int Backend, Affliction Affliction, bool Cures, int Pause);
}
