using System.Runtime.InteropServices;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>
/// One state of the explored world: the control word, what each client knows, the time, and the little that the checks
/// remember beside the word, so that they do not ask it about itself. Immutable.
/// </summary>
/// <param name="Tick">The time.</param>
/// <param name="Lost">Trials of this generation that nobody will ever report.</param>
/// <param name="Run">Failures since the last success of this generation.</param>
/// <param name="LastFailureAt">When the last of them was, in ticks.</param>
/// <param name="Commands">How many commands the operator still has.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ModelState(
    ulong Word,
    ModelClient First,
    ModelClient Second,
    ModelClient Third,
    byte Tick,
    byte Lost,
    byte Run,
    byte LastFailureAt,
    byte Commands
)
{
    public ModelClient this[int client] =>
        client switch
        {
            0 => First,
            1 => Second,
            _ => Third,
        };

    public ModelState With(int client, ModelClient next) =>
        client switch
        {
            0 => this with { First = next },
            1 => this with { Second = next },
            _ => this with { Third = next },
        };

    /// <summary>
    /// One of all the states that differ only in which client is which: clients are the same program, so what holds for
    /// one such state holds for all. What nothing depends on any more is forgotten with its generation: when a trial was
    /// granted, and what exactly the word was that cannot come back, so that the exchange is lost already.
    /// </summary>
    /// <param name="clients">How many of the three are clients; the operator comes after them.</param>
    /// <param name="forgetsSeen">False where the exchange does not compare.</param>
    public ModelState Canonical(int clients, bool forgetsSeen)
    {
        var generation = CircuitWord.GenerationOf(Word);
        var (first, second, third) = (Forget(First), Forget(Second), Forget(Third));
        if (first.Rank.CompareTo(second.Rank) > 0)
        {
            (first, second) = (second, first);
        }

        if (clients > 2)
        {
            if (second.Rank.CompareTo(third.Rank) > 0)
            {
                (second, third) = (third, second);
            }

            if (first.Rank.CompareTo(second.Rank) > 0)
            {
                (first, second) = (second, first);
            }
        }

        return this with
        {
            First = first,
            Second = second,
            Third = third,
        };

        ModelClient Forget(ModelClient client)
        {
            var grantedAt = client.Generation == generation ? client.GrantedAt : (byte)0;
            return forgetsSeen && client.Seen != 0 && CircuitWord.GenerationOf(client.Seen) != generation
                ? client with
                {
                    GrantedAt = grantedAt,
                    Seen = ModelClient.Passed,
                    SeenAt = 0,
                }
                : client with
                {
                    GrantedAt = grantedAt,
                };
        }
    }

    public override string ToString() =>
        $"tick {Tick}: {CircuitWord.StateOf(Word)} {CircuitWord.GenerationOf(Word)}, "
        + $"failures {CircuitWord.ConsecutiveFailuresOf(Word)}, trials {CircuitWord.InFlightOf(Word)} out "
        + $"{CircuitWord.TrialSuccessesOf(Word)} good {CircuitWord.TrialFailuresOf(Word)} bad; "
        + $"lost {Lost}, run {Run} | {First} | {Second} | {Third}";
}
