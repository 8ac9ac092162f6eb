namespace Resilience.CircuitBreaking;

/// <summary>What one step on a circuit's control word did, besides the new word.</summary>
[Flags]
internal enum CircuitEffect
{
    None = 0,

    /// <summary>The caller holds a permit.</summary>
    Admitted = 1,

    /// <summary>The permit is a half-open circuit's trial.</summary>
    Trial = 2,

    /// <summary>The state changed: the generation went up by one.</summary>
    Transition = 4,

    /// <summary>A half-open circuit has given out or got back a trial, so whom it admits may have changed.</summary>
    TrialsChanged = 8,

    /// <summary>The report belongs to a generation that has passed and changed nothing.</summary>
    Stale = 16,

    /// <summary>A circuit that only measures has come to where it would have opened.</summary>
    WouldOpen = 32,
}

/// <summary>A step's result: the word to publish, what publishing it means, and why, if it is a transition.</summary>
internal readonly record struct CircuitStep(ulong Word, CircuitEffect Effect, CircuitChangeReason Reason = default)
{
    public bool Has(CircuitEffect effect) => (Effect & effect) != 0;
}

/// <summary>
/// Everything that decides admission, in one 64-bit word, and every step on it as a pure function from (word, time,
/// input) to (new word, effect). <see cref="CircuitBreaker"/> publishes the steps by compare-and-swap; the state model
/// of the tests explores the very same functions, so that what is proven is what runs.
/// <code>
/// 63..61 state | 60..56 streak: openings no closing interrupted | 55..36 generation: +1 on every transition | 35..0 payload
///   closed, metrics only   consecutive failures 12 | time of the last failure 24 (64 ms units)
///   open                   end of the break 36 (8 ms units)
///   half-open              in flight 6 | successes 6 | failures 6 | time of the last grant 18 (64 ms units)
///   forced open, disabled  nothing
/// </code>
/// All times are milliseconds of the circuit's clock. Where a step may begin a break, <c>random</c> is a draw from [0, 1)
/// for its jitter, and <c>length</c>, in milliseconds, takes the place of the length that the rules would give it.
/// </summary>
internal static class CircuitWord
{
    private const int StateShift = 61;
    private const int StreakShift = 56;
    private const int GenerationShift = 36;
    private const ulong StreakMask = 0x1F;
    private const ulong GenerationMask = 0xF_FFFF;
    private const ulong PayloadMask = (1UL << GenerationShift) - 1;

    private const int FailuresShift = 24;
    private const ulong LastFailureMask = (1UL << FailuresShift) - 1;

    /* State, generation and failures in a row: closed is the state zero. */
    private const ulong HealthMask = ~(StreakMask << StreakShift) & ~LastFailureMask;

    private const int InFlightShift = 30;
    private const int SuccessesShift = 24;
    private const int TrialFailuresShift = 18;
    private const ulong TrialCountMask = 0x3F;
    private const ulong LastGrantMask = (1UL << TrialFailuresShift) - 1;

    /* Powers of two: a division of a non-negative time by them is a shift. */
    private const int CoarseUnit = 64;
    private const int FineUnit = 8;

    /// <summary>Generations start at one, so that a default permit is stale.</summary>
    public static ulong Initial { get; } = Compose(CircuitState.Closed, 0, 1, 0);

    public static CircuitState StateOf(ulong word) => (CircuitState)(word >> StateShift);

    public static uint GenerationOf(ulong word) => (uint)((word >> GenerationShift) & GenerationMask);

    public static uint StreakOf(ulong word) => (uint)((word >> StreakShift) & StreakMask);

    /// <summary>The run of failures of a closed or measuring circuit; it may have expired.</summary>
    public static uint ConsecutiveFailuresOf(ulong word) =>
        IsCounting(word) ? (uint)((word & PayloadMask) >> FailuresShift) : 0;

    /// <summary>The trials that a half-open circuit has out.</summary>
    public static uint InFlightOf(ulong word) =>
        StateOf(word) == CircuitState.HalfOpen ? TrialCount(word, InFlightShift) : 0;

    /// <summary>The trials of a half-open circuit that have succeeded.</summary>
    public static uint TrialSuccessesOf(ulong word) =>
        StateOf(word) == CircuitState.HalfOpen ? TrialCount(word, SuccessesShift) : 0;

    /// <summary>The trials of a half-open circuit that have failed.</summary>
    public static uint TrialFailuresOf(ulong word) =>
        StateOf(word) == CircuitState.HalfOpen ? TrialCount(word, TrialFailuresShift) : 0;

    /// <summary>A closed circuit of that generation with no run of failures: a success has nothing to write here.</summary>
    public static bool IsHealthy(ulong word, uint generation) =>
        (word & HealthMask) == (ulong)generation << GenerationShift;

    /// <summary>The generation after this one; they begin anew after the last.</summary>
    public static uint Following(uint generation) => (uint)((generation + 1) & GenerationMask);

    /// <summary>Whether one generation came after another, less than half the way round before.</summary>
    public static bool IsAfter(uint generation, uint other) =>
        generation != other && ((generation - other) & GenerationMask) <= GenerationMask / 2;

    /// <summary>Whether a circuit in <paramref name="state"/> changes its state by itself, by what it sees.</summary>
    public static bool IsAutomatic(CircuitState state) => state <= CircuitState.HalfOpen;

    /// <summary>Whether a call at this moment would be admitted; the answer may be old before it is used.</summary>
    public static bool Admits(ulong word, long now, CircuitRules rules) =>
        StateOf(word) switch
        {
            CircuitState.Closed or CircuitState.Disabled or CircuitState.MetricsOnly => true,
            CircuitState.Open => now >= BreakEnd(word),
            CircuitState.HalfOpen => HasFreeTrial(word, rules) || IsExpired(word, now, rules),
            _ => false,
        };

    /// <summary>
    /// When <see cref="Admits"/> turns true by the passing of time alone: the end of the break, or the expiry of the
    /// trials that are out; <see cref="long.MaxValue"/> if it does not.
    /// </summary>
    public static long AdmitsFrom(ulong word, long now, CircuitRules rules)
    {
        switch (StateOf(word))
        {
            case CircuitState.Open:
                return BreakEnd(word);
            case CircuitState.HalfOpen when !HasFreeTrial(word, rules):
                var age = (long)((Coarse(now, LastGrantMask) - (word & LastGrantMask)) & LastGrantMask);
                var coarseNow = now / CoarseUnit * CoarseUnit;
                return coarseNow - (age * CoarseUnit) + rules.HalfOpenExpiryMilliseconds + (2 * CoarseUnit);
            default:
                return long.MaxValue;
        }
    }

    /// <summary>
    /// Asks for a permit. An open circuit past its break turns half-open, and exactly the caller that publishes this
    /// owns the first trial; half-open trials that never reported expire, counted from the last grant.
    /// </summary>
    public static CircuitStep Acquire(ulong word, long now, CircuitRules rules, double random)
    {
        switch (StateOf(word))
        {
            case CircuitState.Closed or CircuitState.Disabled or CircuitState.MetricsOnly:
                return new(word, CircuitEffect.Admitted);

            case CircuitState.Open when now >= BreakEnd(word):
                var first = Next(
                    word,
                    CircuitState.HalfOpen,
                    StreakOf(word),
                    (1UL << InFlightShift) | Coarse(now, LastGrantMask)
                );
                return new(
                    first,
                    CircuitEffect.Admitted
                        | CircuitEffect.Trial
                        | CircuitEffect.Transition
                        | CircuitEffect.TrialsChanged,
                    CircuitChangeReason.BreakEnded
                );

            case CircuitState.HalfOpen when HasFreeTrial(word, rules):
                var granted = ((word & ~LastGrantMask) | Coarse(now, LastGrantMask)) + (1UL << InFlightShift);
                return new(granted, CircuitEffect.Admitted | CircuitEffect.Trial | CircuitEffect.TrialsChanged);

            case CircuitState.HalfOpen when IsExpired(word, now, rules):
                // Nobody failed here, so nobody is asked how long this break should be.
                return new(
                    Open(word, now, rules, random, length: null),
                    CircuitEffect.Transition,
                    CircuitChangeReason.TrialsLost
                );

            default:
                return new(word, CircuitEffect.None);
        }
    }

    /// <summary>Reports a permit's outcome. A report of another generation changes nothing.</summary>
    public static CircuitStep Report(
        ulong word,
        CircuitTicket ticket,
        CircuitOutcome outcome,
        long now,
        CircuitRules rules,
        double random,
        long? length = null
    )
    {
        if (GenerationOf(word) != ticket.Generation)
        {
            return new(word, CircuitEffect.Stale);
        }

        return StateOf(word) switch
        {
            CircuitState.Closed or CircuitState.MetricsOnly => ReportCounted(word, outcome, now, rules, random, length),
            CircuitState.HalfOpen => ReportTrial(word, outcome, now, rules, random, length),
            CircuitState.Disabled => new(word, CircuitEffect.None),
            _ => new(word, CircuitEffect.Stale),
        };
    }

    /// <summary>
    /// Records a failure that was learnt after its permit had been reported as a success (a body that broke): it counts
    /// for the permit's generation, in a half-open one instead of that success, and there is no trial to give back.
    /// </summary>
    public static CircuitStep ReportLate(
        ulong word,
        uint generation,
        long now,
        CircuitRules rules,
        double random,
        long? length = null
    )
    {
        if (GenerationOf(word) != generation)
        {
            return new(word, CircuitEffect.Stale);
        }

        return StateOf(word) switch
        {
            CircuitState.Closed or CircuitState.MetricsOnly => ReportCounted(
                word,
                CircuitOutcome.Failure,
                now,
                rules,
                random,
                length
            ),
            CircuitState.HalfOpen => FailTrial(
                word - (Math.Min(TrialCount(word, SuccessesShift), 1UL) << SuccessesShift),
                now,
                rules,
                random,
                length
            ),
            CircuitState.Disabled => new(word, CircuitEffect.None),
            _ => new(word, CircuitEffect.Stale),
        };
    }

    /// <summary>
    /// Opens a closed circuit because the calls of <paramref name="generation"/> went wrong too often within their time;
    /// one that only measures tells that it would. Every other word, and every other generation, is left alone.
    /// </summary>
    public static CircuitStep Trip(
        ulong word,
        uint generation,
        CircuitChangeReason reason,
        long now,
        CircuitRules rules,
        double random,
        long? length = null
    ) =>
        GenerationOf(word) == generation && IsCounting(word)
            ? Tripped(word, reason, now, rules, random, length)
            : new(word, CircuitEffect.Stale);

    /// <summary>
    /// Something else has seen the resource healthy: an open circuit may test at once. A second hint in the same
    /// generation finds the break over and changes nothing.
    /// </summary>
    public static CircuitStep Hint(ulong word, long now) =>
        StateOf(word) == CircuitState.Open && BreakEnd(word) > now
            ? new((word & ~PayloadMask) | ((ulong)(now / FineUnit) & PayloadMask), CircuitEffect.TrialsChanged)
            : new(word, CircuitEffect.None);

    /// <summary>Closes the circuit from any state and forgets its failures; every permit that is out becomes stale.</summary>
    public static CircuitStep Reset(ulong word) =>
        new(Next(word, CircuitState.Closed, 0, 0), CircuitEffect.Transition, CircuitChangeReason.Operator);

    /// <summary>
    /// Puts the circuit into a state from whatever it is in, and makes every permit that is out stale. One that is in a
    /// forced state already stays as it is.
    /// </summary>
    public static CircuitStep Force(
        ulong word,
        CircuitState state,
        CircuitChangeReason reason,
        long now,
        CircuitRules rules,
        double random
    ) =>
        StateOf(word) == state && !IsAutomatic(state)
            ? new(word, CircuitEffect.None)
            : new(Forced(word, state, now, rules, random), CircuitEffect.Transition, reason);

    /// <summary>The word of a new circuit, in generation one.</summary>
    public static ulong Begin(CircuitState state, long now, CircuitRules rules, double random) =>
        Forced(Compose(CircuitState.Closed, 0, 0, 0), state, now, rules, random);

    /// <summary>The end of an open circuit's break.</summary>
    public static long BreakEnd(ulong word) => (long)(word & PayloadMask) * FineUnit;

    /// <summary>Whether calls pass and their failures are counted for the rules that open a circuit.</summary>
    private static bool IsCounting(ulong word) => StateOf(word) is CircuitState.Closed or CircuitState.MetricsOnly;

    private static CircuitStep ReportCounted(
        ulong word,
        CircuitOutcome outcome,
        long now,
        CircuitRules rules,
        double random,
        long? length
    )
    {
        switch (outcome)
        {
            case CircuitOutcome.Success:
                // A run of zero stays as it is: a healthy circuit is never written to.
                return new(word & ~PayloadMask, CircuitEffect.None);

            case CircuitOutcome.Failure:
                // Both times are cut to whole units, so one is taken off: a run is never forgotten too early.
                var age = (Coarse(now, LastFailureMask) - (word & LastFailureMask)) & LastFailureMask;
                var isExpired = ((long)age - 1) * CoarseUnit >= rules.FailureWindowMilliseconds;
                var failures = isExpired ? 1 : ConsecutiveFailuresOf(word) + 1;
                if (failures >= rules.ConsecutiveFailures)
                {
                    return Tripped(word, CircuitChangeReason.ConsecutiveFailures, now, rules, random, length);
                }

                var counted = ((ulong)Math.Min(failures, 0xFFFu) << FailuresShift) | Coarse(now, LastFailureMask);
                return new((word & ~PayloadMask) | counted, CircuitEffect.None);

            default:
                return new(word, CircuitEffect.None);
        }
    }

    /// <summary>
    /// One that only measures goes on in its next generation: it counts from zero again, and what was admitted before
    /// the opening that was not made is as stale as it would be after one.
    /// </summary>
    private static CircuitStep Tripped(
        ulong word,
        CircuitChangeReason reason,
        long now,
        CircuitRules rules,
        double random,
        long? length
    ) =>
        StateOf(word) == CircuitState.MetricsOnly
            ? new(
                Next(word, CircuitState.MetricsOnly, 0, 0),
                CircuitEffect.Transition | CircuitEffect.WouldOpen,
                reason
            )
            : new(Open(word, now, rules, random, length), CircuitEffect.Transition, reason);

    private static CircuitStep ReportTrial(
        ulong word,
        CircuitOutcome outcome,
        long now,
        CircuitRules rules,
        double random,
        long? length
    )
    {
        if (TrialCount(word, InFlightShift) == 0)
        {
            // A second report of the same permit: there is nothing left to give back.
            return new(word, CircuitEffect.Stale);
        }

        var returned = word - (1UL << InFlightShift);
        switch (outcome)
        {
            case CircuitOutcome.Failure:
                return FailTrial(returned, now, rules, random, length);

            case CircuitOutcome.Success when TrialCount(word, SuccessesShift) + 1 >= rules.SuccessThreshold:
                return new(
                    Next(word, CircuitState.Closed, 0, 0),
                    CircuitEffect.Transition,
                    CircuitChangeReason.TrialsSucceeded
                );

            case CircuitOutcome.Success:
                return new(returned + (1UL << SuccessesShift), CircuitEffect.TrialsChanged);

            default:
                return new(returned, CircuitEffect.TrialsChanged);
        }
    }

    /// <summary>One failure more: the circuit opens once so many have failed that too few can succeed.</summary>
    private static CircuitStep FailTrial(ulong word, long now, CircuitRules rules, double random, long? length) =>
        TrialCount(word, TrialFailuresShift) + 1 > rules.TrialCount - rules.SuccessThreshold
            ? new(Open(word, now, rules, random, length), CircuitEffect.Transition, CircuitChangeReason.TrialsFailed)
            : new(word + (1UL << TrialFailuresShift), CircuitEffect.TrialsChanged);

    /// <summary>
    /// No more trials at once than allowed, and none more than those that decide; but always one when none is out, since
    /// a reload may have lowered their number to what there is already.
    /// </summary>
    private static bool HasFreeTrial(ulong word, CircuitRules rules)
    {
        var inFlight = TrialCount(word, InFlightShift);
        return inFlight == 0
            || (
                inFlight < rules.Trials
                && inFlight + TrialCount(word, SuccessesShift) + TrialCount(word, TrialFailuresShift) < rules.TrialCount
            );
    }

    /// <summary>
    /// Whether the last grant is at least the expiry old. The grant is kept in whole units, so one unit is added: a
    /// trial younger than the expiry is never discarded.
    /// </summary>
    private static bool IsExpired(ulong word, long now, CircuitRules rules)
    {
        var age = (Coarse(now, LastGrantMask) - (word & LastGrantMask)) & LastGrantMask;
        return ((long)age - 1) * CoarseUnit >= rules.HalfOpenExpiryMilliseconds;
    }

    private static ulong Forced(ulong word, CircuitState state, long now, CircuitRules rules, double random) =>
        state switch
        {
            CircuitState.Open => Open(word, now, rules, random, length: null),
            CircuitState.HalfOpen => Next(word, state, 0, Coarse(now, LastGrantMask)),
            _ => Next(word, state, 0, 0),
        };

    private static ulong Open(ulong word, long now, CircuitRules rules, double random, long? length)
    {
        var streak = StreakOf(word);
        var end = now + (length ?? rules.BreakMilliseconds(streak, random));
        var payload = (ulong)((end + FineUnit - 1) / FineUnit) & PayloadMask;
        return Next(word, CircuitState.Open, Math.Min(streak + 1, (uint)StreakMask), payload);
    }

    private static ulong Next(ulong word, CircuitState state, uint streak, ulong payload) =>
        Compose(state, streak, GenerationOf(word) + 1, payload);

    private static ulong Compose(CircuitState state, uint streak, uint generation, ulong payload) =>
        ((ulong)state << StateShift)
        | ((ulong)streak << StreakShift)
        | ((generation & GenerationMask) << GenerationShift)
        | payload;

    private static uint TrialCount(ulong word, int shift) => (uint)((word >> shift) & TrialCountMask);

    /// <summary>A time in units of 64 ms, cut to the width of its field; differences are taken modulo that width.</summary>
    private static ulong Coarse(long now, ulong mask) => (ulong)(now / CoarseUnit) & mask;
}
