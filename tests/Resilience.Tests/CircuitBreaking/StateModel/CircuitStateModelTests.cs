using Resilience.CircuitBreaking;
using Xunit.Abstractions;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>
/// The proof of the circuit's protocol: every interleaving of its steps, within some ticks of time and some generations,
/// keeps every invariant of the control word; and the same exploration of a protocol that is broken in one place finds
/// what that breaks. The steps are the functions that the class itself calls.
/// </summary>
[Trait("Category", "Slow")]
public sealed class CircuitStateModelTests(ITestOutputHelper output)
{
    private static readonly CircuitState[] Automatic = [CircuitState.Closed, CircuitState.Open, CircuitState.HalfOpen];

    [Fact]
    public void EveryInterleaving_TwoClientsOneTrialAtATime_KeepsEveryInvariant() =>
        KeepsEveryInvariant(new ModelTerms(Clients: 2, Trials: 1, Successes: 2, Tested: 2), Automatic);

    [Fact]
    public void EveryInterleaving_TwoClientsTwoTrialsAtATimeTwoOfThreeClose_KeepsEveryInvariant() =>
        KeepsEveryInvariant(new ModelTerms(Clients: 2, Trials: 2, Successes: 2, Tested: 3), Automatic);

    [Fact]
    public void EveryInterleaving_ThreeClientsOneTrialCloses_KeepsEveryInvariant() =>
        KeepsEveryInvariant(new ModelTerms(Clients: 3, Trials: 1, Successes: 1, Tested: 1), Automatic);

    [Fact]
    public void EveryInterleaving_FailuresLearntAfterTheirReport_KeepsEveryInvariant() =>
        KeepsEveryInvariant(
            new ModelTerms(Clients: 2, Trials: 2, Successes: 2, Tested: 3) { HasLateFailures = true },
            Automatic
        );

    [Fact]
    public void EveryInterleaving_RatesThatOpenBesideRuns_KeepsEveryInvariant_I7() =>
        KeepsEveryInvariant(
            new ModelTerms(Clients: 2, Trials: 1, Successes: 1, Tested: 1) { HasRates = true },
            Automatic
        );

    [Fact]
    public void EveryInterleaving_AnOperatorBesideTwoClients_KeepsEveryInvariant() =>
        KeepsEveryInvariant(
            new ModelTerms(Clients: 2, Trials: 1, Successes: 1, Tested: 1)
            {
                Commands = 2,
                LastTick = 3,
                LastGeneration = 4,
            },
            Enum.GetValues<CircuitState>()
        );

    private void KeepsEveryInvariant(ModelTerms terms, CircuitState[] states)
    {
        var exploration = Exploration.Of(terms);

        output.WriteLine(exploration.ToString());
        exploration.Broken.Should().Be(Invariants.None);
        // What is kept is worth something only if the circuit went everywhere.
        exploration.Changes.Select(change => change.To).Distinct().Should().BeEquivalentTo(states);
        exploration
            .Changes.Should()
            .Contain([
                (CircuitState.Closed, CircuitState.Open),
                (CircuitState.Open, CircuitState.HalfOpen),
                (CircuitState.HalfOpen, CircuitState.Open),
                (CircuitState.HalfOpen, CircuitState.Closed),
            ]);
    }
}
