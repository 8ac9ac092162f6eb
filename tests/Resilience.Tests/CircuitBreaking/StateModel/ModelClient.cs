using System.Runtime.InteropServices;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>One client, or the operator, of the explored circuit: all that it knows. Immutable.</summary>
/// <param name="Seen">The word that it has looked at and whose exchange is next; else 0.</param>
/// <param name="SeenAt">When it did, in ticks.</param>
/// <param name="Generation">The generation of its permit.</param>
/// <param name="GrantedAt">When its trial was granted, in ticks, while the circuit knows of it.</param>
/// <param name="What">Its outcome, or the operator's command.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ModelClient(
    ulong Seen,
    ModelPhase Phase,
    byte SeenAt,
    byte Generation,
    bool IsTrial,
    byte GrantedAt,
    byte What
)
{
    /// <summary>In the place of a word of a generation that has passed: no word is like this.</summary>
    public const ulong Passed = ulong.MaxValue;

    public CircuitTicket Ticket => new(Generation, IsTrial);

    public CircuitOutcome Outcome => (CircuitOutcome)What;

    public ModelCommand Command => (ModelCommand)What;

    /// <summary>Whether it holds a trial that it has not given back.</summary>
    public bool HoldsTrial =>
        IsTrial && Phase is (ModelPhase.Holding or ModelPhase.ReportingAnew or ModelPhase.Reporting);

    /// <summary>Some order, to tell clients apart that are not the same.</summary>
    public (ulong, int, int) Rank =>
        (Seen, ((int)Phase << 16) | (SeenAt << 8) | Generation, (IsTrial ? 1 << 16 : 0) | (GrantedAt << 8) | What);

    public override string ToString() =>
        $"{Phase}{(Generation == 0 ? "" : $" {(IsTrial ? "trial" : "permit")} of {Generation}")}"
        + (Seen == 0 ? "" : $" seen at {SeenAt}");
}
