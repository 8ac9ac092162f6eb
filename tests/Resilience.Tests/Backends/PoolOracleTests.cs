using System.Collections.Concurrent;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Health.Passive;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

/// <summary>
/// Law 12 against an oracle: whatever happens at once to many backends, probes, requests, the operator's actions, dry
/// runs, reloads and members that come and go, each is at rest what its own events make of it one by one, and the
/// snapshot says so (peers' mistakes 11, 12 and 18).
/// </summary>
public sealed class PoolOracleTests
{
    private const int Rounds = 40;

    /// <summary>Each has one thread that makes everything happen to it, so that its order is known.</summary>
    private static readonly string[] Owned = ["a", "b", "c", "d"];

    /// <summary>Nothing happens to these: so many that law 6 never has a say in what becomes of the others.</summary>
    private static readonly string[] Spares = [.. Enumerable.Range(0, 16).Select(i => $"spare{i}")];

    private static readonly TimeSpan[] Pauses = [.. new[] { 0, 0.5, 2, 6, 15 }.Select(TimeSpan.FromSeconds)];
    private static readonly BackendEvent[] Events = Enum.GetValues<BackendEvent>();

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task ConcurrentEvents_AtRest_AreWhatTheOracleMakesOfThem(int seed)
    {
        var time = new FakeTime();
        var answers = new ConcurrentDictionary<string, bool>();
        using var pool = CreatePool(time);
        var passive = new PassiveHealthChecker(pool, Passive(isDryRun: false));
        await using var checker = new HealthChecker(
            pool,
            probe: HealthProbe.From(
                (backend, _) => ValueTask.FromResult(new ProbeResult(answers[backend.Name], "told"))
            )
        );
        var oracles = Owned.ToDictionary(name => name, _ => new BackendOracle());
        var random = new Random(seed);
        var seen = new HashSet<(BackendState, StateReason)>();

        for (var round = 0; round < Rounds; round++)
        {
            var now = pool.Clock.Milliseconds;
            var scripts = Owned.ToDictionary(name => name, _ => random.GetItems(Events, random.Next(1, 30)));
            var (churnSeed, noiseSeed) = (random.Next(), random.Next());
            await Task.WhenAll([
                .. scripts.Select(script =>
                    Task.Run(() => PlayAsync(pool, checker, answers, script.Key, script.Value))
                ),
                Task.Run(() => Churn(pool, churnSeed)),
                Task.Run(() => Disturb(pool, noiseSeed)),
            ]);
            foreach (var (name, script) in scripts)
            {
                Array.ForEach(script, what => oracles[name].Happens(what, now));
            }

            if (round % 5 == 4)
            {
                var isDryRun = round % 10 == 4;
                passive.Configure(Passive(isDryRun));
                Array.ForEach(Owned, name => oracles[name].SetDryRun(isDryRun));
            }

            Rest(Pools.RebuildSpacing);
            Rest(random.GetItems(Pauses, 1)[0]);
        }

        seen.Should()
            .BeEquivalentTo(
                new[]
                {
                    (BackendState.Healthy, StateReason.None),
                    (BackendState.Draining, StateReason.Draining),
                    (BackendState.Unhealthy, StateReason.Disabled),
                    (BackendState.Unhealthy, StateReason.Passive),
                    (BackendState.Unhealthy, StateReason.Active),
                },
                "what never happens proves nothing"
            );

        void Rest(TimeSpan pause)
        {
            time.Advance(pause);
            foreach (var (name, oracle) in oracles)
            {
                oracle.Pass(pool.Clock.Milliseconds);
                seen.Add(oracle.Shown);
                ShouldBe(pool.Find(name)!, oracle, pool.Clock.Milliseconds);
            }

            pool.AvailableNames()
                .Where(name => !IsGuest(name))
                .Should()
                .BeEquivalentTo([.. Owned.Where(name => oracles[name].IsAvailable), .. Spares]);
            pool.Snapshot.IsFailOpen.Should().BeFalse();
        }
    }

    private static void ShouldBe(Backend backend, BackendOracle oracle, long now)
    {
        (backend.Status.State, backend.Status.Reason).Should().Be(oracle.Shown);
        backend.Administration.Should().Be(oracle.Administration);
        backend.ActiveVerdict.Should().Be(oracle.Active);
        backend.PassiveVerdict.Should().Be(oracle.Passive);
        backend.EjectedFor.Should().Be(oracle.EjectedFor(now));
        backend.ConsecutiveProbeSuccesses.Should().Be(oracle.ProbesUp);
        backend.ConsecutiveProbeFailures.Should().Be(oracle.ProbesDown);
        backend.Passive.ConsecutiveFailures.Should().Be(oracle.Failures);
        backend.InFlight.Should().Be(0);
    }

    private static async Task PlayAsync(
        BackendPool pool,
        HealthChecker checker,
        ConcurrentDictionary<string, bool> answers,
        string name,
        BackendEvent[] script
    )
    {
        var backend = pool.Find(name)!;
        foreach (var what in script)
        {
            if (what is BackendEvent.ProbeSucceeds or BackendEvent.ProbeFails)
            {
                answers[name] = what == BackendEvent.ProbeSucceeds;
                await checker.CheckAsync(backend);
            }
            else
            {
                Play(backend, what);
            }
        }
    }

    private static void Play(Backend backend, BackendEvent what)
    {
        switch (what)
        {
            case BackendEvent.SetAlive or BackendEvent.SetDead:
                backend.SetAlive(what == BackendEvent.SetAlive);
                break;
            case BackendEvent.Drain:
                backend.Drain();
                break;
            case BackendEvent.Disable:
                backend.Disable();
                break;
            case BackendEvent.Enable or BackendEvent.EnableAgain:
                backend.Enable();
                break;
            default:
                backend.TryLease()?.End(OutcomeOf(what));
                break;
        }
    }

    private static AttemptOutcome OutcomeOf(BackendEvent what) =>
        what switch
        {
            BackendEvent.RequestSucceeds => new(OutcomeKind.Success, StatusCode: 200),
            BackendEvent.RequestFails or BackendEvent.RequestFailsAgain => new(
                OutcomeKind.Failure,
                FailureKind.Connect
            ),
            BackendEvent.AsksForTwoSeconds => new(
                OutcomeKind.Neutral,
                StatusCode: 429,
                RetryAfter: TimeSpan.FromSeconds(2)
            ),
            BackendEvent.AsksForSevenSeconds => new(
                OutcomeKind.Neutral,
                StatusCode: 429,
                RetryAfter: TimeSpan.FromSeconds(7)
            ),
            _ => new(OutcomeKind.Neutral, FailureKind.Cancelled),
        };

    /// <summary>Whole lists in another order, with other weights and other guests, and one added by hand.</summary>
    private static void Churn(BackendPool pool, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 10; i++)
        {
            string[] names = [.. Owned, .. Spares, .. Guests().Where(_ => random.Next(2) == 0)];
            random.Shuffle(names);
            pool.Apply(names.Select(name => Pools.Definition(name, random.Next(1, 4))));
            pool.Add(Pools.Definition("guest-by-hand"));
            pool.Remove("guest-by-hand").Should().BeTrue();
        }
    }

    /// <summary>The guests, while there are any, have no order that anybody could know.</summary>
    private static void Disturb(BackendPool pool, int seed)
    {
        var random = new Random(seed);
        for (var i = 0; i < 100; i++)
        {
            var what = random.GetItems(Events, 1)[0];
            if (
                what is not (BackendEvent.ProbeSucceeds or BackendEvent.ProbeFails)
                && pool.Find(Guests().ElementAt(random.Next(3))) is { } guest
            )
            {
                Play(guest, what);
            }
        }
    }

    private static IEnumerable<string> Guests() => ["guest0", "guest1", "guest2"];

    private static bool IsGuest(string name) => name.StartsWith("guest", StringComparison.Ordinal);

    /// <summary>Without circuits of a say: they would open on the same failures, and have an oracle of their own.</summary>
    private static BackendPool CreatePool(FakeTime time) =>
        Pools.Create(time, Pools.CircuitsOpenAfter(4_095), [.. Owned, .. Spares]);

    private static PassiveHealthOptions Passive(bool isDryRun) =>
        new()
        {
            ConsecutiveFailures = 3,
            FailureRate = 0,
            Silence = false,
            EjectionTime = TimeSpan.FromSeconds(5),
            MaxEjectionTime = TimeSpan.FromSeconds(20),
            Jitter = 0,
            DryRun = isDryRun,
        };
}
