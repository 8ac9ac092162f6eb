using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>
/// The steps that are explored: those of <see cref="CircuitWord"/>, which <see cref="CircuitBreaker"/> takes, or, to show
/// that the exploration sees what it looks for, with one of them broken.
/// </summary>
internal sealed record ModelSteps
{
    public Func<ulong, long, CircuitRules, CircuitStep> Acquire { get; init; } =
        static (word, now, rules) => CircuitWord.Acquire(word, now, rules, random: 0);

    public Func<ulong, CircuitTicket, CircuitOutcome, long, CircuitRules, CircuitStep> Report { get; init; } =
        static (word, ticket, outcome, now, rules) => CircuitWord.Report(word, ticket, outcome, now, rules, random: 0);

    public Func<ulong, uint, long, CircuitRules, CircuitStep> ReportLate { get; init; } =
        static (word, generation, now, rules) => CircuitWord.ReportLate(word, generation, now, rules, random: 0);

    public Func<ulong, uint, long, CircuitRules, CircuitStep> Trip { get; init; } =
        static (word, generation, now, rules) =>
            CircuitWord.Trip(word, generation, CircuitChangeReason.FailureRate, now, rules, random: 0);

    public Func<ulong, CircuitState, long, CircuitRules, CircuitStep> Force { get; init; } =
        static (word, state, now, rules) =>
            CircuitWord.Force(word, state, CircuitChangeReason.Operator, now, rules, random: 0);

    public Func<ulong, CircuitStep> Reset { get; init; } = CircuitWord.Reset;

    public Func<ulong, long, CircuitStep> Hint { get; init; } = CircuitWord.Hint;

    /// <summary>Broken: what <see cref="CircuitTrial"/> prevents.</summary>
    public bool LetsReportTwice { get; init; }

    /// <summary>Broken: the clock is read before the word, so that what the word tells may be from the future.</summary>
    public bool ReadsClockFirst { get; init; }

    /// <summary>Broken: the word is written whether or not it still is the one that was seen.</summary>
    public bool WritesBlindly { get; init; }
}
