namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>Where a client of the circuit stands between two of its steps on the shared word.</summary>
internal enum ModelPhase : byte
{
    /// <summary>Holds nothing. Whoever has lost the exchange when asking for a permit comes back here and asks again.</summary>
    Idle,

    /// <summary>Has read the clock and not yet the word: only in the broken variant that takes them in this order.</summary>
    ReadingClockFirst,

    /// <summary>Has looked at the word and computed what asking makes of it; the exchange is next.</summary>
    Acquiring,

    /// <summary>Holds a permit; its call runs, for as long as it likes.</summary>
    Holding,

    /// <summary>Has lost the exchange of its report and must look again.</summary>
    ReportingAnew,

    /// <summary>Has computed what its report makes of the word; the exchange is next.</summary>
    Reporting,

    /// <summary>Has reported, and still knows its permit.</summary>
    Reported,

    /// <summary>As <see cref="Reporting"/>, with a permit that was reported before.</summary>
    ReportingTwice,

    /// <summary>As <see cref="Reporting"/>, with a failure learnt after its success was reported.</summary>
    ReportingLate,

    /// <summary>As <see cref="Reporting"/>: the window that its reported call went into says that the circuit must open.</summary>
    Tripping,

    /// <summary>The operator has computed what a command makes of the word; the exchange is next.</summary>
    Commanding,
}
