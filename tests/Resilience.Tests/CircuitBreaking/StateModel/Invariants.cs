namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>What must hold in every state, or of every step, of a circuit that several clients use at once.</summary>
[Flags]
internal enum Invariants
{
    None = 0,

    /// <summary>Never more trials in flight than allowed at once, never more in flight and ended than decide.</summary>
    TrialsAreFewI1 = 1 << 1,

    /// <summary>The trials that the word counts in flight are those that clients hold or have lost.</summary>
    TrialsAreAccountedForI2 = 1 << 2,

    /// <summary>From everywhere there is a way on which the circuit closes.</summary>
    CanAlwaysRecoverI3 = 1 << 3,

    /// <summary>A report of a generation that has passed changes nothing.</summary>
    StaleReportsChangeNothingI4 = 1 << 4,

    /// <summary>The generation goes up by one with every transition, which its step tells, and never else.</summary>
    TransitionsAreGenerationsI5 = 1 << 5,

    /// <summary>A run of failures opens the circuit at the threshold and not before.</summary>
    RunOpensAtThresholdI6 = 1 << 6,

    /// <summary>A window that has seen too much opens the circuit, unless the calls that it counted are of the past.</summary>
    RatesOpenI7 = 1 << 7,

    /// <summary>Open admits nobody before the end of its break; then one caller turns it half-open and owns a trial.</summary>
    BreakIsKeptI8 = 1 << 8,

    /// <summary>Nothing but a hint moves the end of a break, and a hint only moves it nearer.</summary>
    BreakEndStaysI9 = 1 << 9,

    /// <summary>What the operator says happens, makes every permit stale, and is not undone by clients.</summary>
    OperatorWinsI10 = 1 << 10,

    /// <summary>A neutral report gives back its trial and changes nothing else.</summary>
    NeutralChangesNothingI11 = 1 << 11,

    /// <summary>Who asks whether the circuit admits (as pickers do) hears what a call would hear.</summary>
    AdmissionIsForeseenI12 = 1 << 12,

    /// <summary>A second report of one permit has no effect.</summary>
    SecondReportsChangeNothingI15 = 1 << 15,

    /// <summary>A trial that is out and younger than the expiry is not given up.</summary>
    YoungTrialsLiveI16 = 1 << 16,

    /// <summary>Where the class takes a shorter way, the step itself would have changed nothing.</summary>
    ShortcutsAreRightR117 = 1 << 17,
}
