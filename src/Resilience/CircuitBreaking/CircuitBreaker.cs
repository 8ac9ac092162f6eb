using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>
/// A lock-free circuit breaker: it opens after a run of failures, refuses calls for a growing break, then lets a few
/// trial calls decide whether it closes. Healthy calls cost two volatile reads and write nothing. Usable without any
/// other part of the library. Thread-safe.
/// </summary>
/// <remarks>
/// Every permit belongs to one generation of the circuit; a report that arrives after the circuit has moved on changes
/// nothing. See docs for the design: one control word, changed only by compare-and-swap.
/// </remarks>
/// <example>
/// <code>
/// if (!circuit.TryAcquire(out var permit)) return fallback;
/// try { var answer = Call(); permit.Report(CircuitOutcome.Success); return answer; }
/// catch { permit.Report(CircuitOutcome.Failure); throw; }
/// </code>
/// </example>
public sealed class CircuitBreaker
{
    private readonly Clock _clock;
    private readonly Random _random;
    private readonly ICircuitOwner? _owner;
    private CircuitRules _rules;
    private ulong _word;

    /// <summary>Creates a closed circuit.</summary>
    /// <param name="options">How it decides; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <param name="timeProvider">The clock; the system's if <see langword="null"/>.</param>
    /// <param name="random">The source of jitter, thread-safe; the shared one if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public CircuitBreaker(
        CircuitBreakerOptions? options = null,
        TimeProvider? timeProvider = null,
        Random? random = null
    )
        : this(
            new CircuitRules(options ?? new CircuitBreakerOptions()),
            timeProvider is null ? Clock.System : new Clock(timeProvider),
            random ?? RandomSource.Default,
            owner: null
        ) { }

    internal CircuitBreaker(CircuitRules rules, Clock clock, Random random, ICircuitOwner? owner)
    {
        _rules = rules;
        _clock = clock;
        _random = random;
        _owner = owner;
        var draw = rules.Start == CircuitState.Open ? random.NextDouble() : 0;
        _word = CircuitWord.Begin(rules.Start, clock.Milliseconds, rules, draw);
    }

    /// <summary>
    /// The state at this moment. A circuit whose break has ended stays <see cref="CircuitState.Open"/> until a call
    /// comes to test it.
    /// </summary>
    public CircuitState State => CircuitWord.StateOf(Word);

    /// <summary>
    /// How long a call would still be refused; zero if one would be let through,
    /// <see cref="Timeout.InfiniteTimeSpan"/> if time alone ends nothing.
    /// </summary>
    public TimeSpan RetryAfter
    {
        get
        {
            // One look at the word, and the clock after it: a trial granted in between is not from the future.
            var word = Word;
            var now = _clock.Milliseconds;
            return CircuitWord.StateOf(word) == CircuitState.ForcedOpen ? Timeout.InfiniteTimeSpan
                : CircuitWord.Admits(word, now, Rules) ? TimeSpan.Zero
                : TimeSpan.FromMilliseconds(Math.Max(0, CircuitWord.AdmitsFrom(word, now, Rules) - now));
        }
    }

    internal ulong Word => Volatile.Read(ref _word);

    internal CircuitRules Rules => Volatile.Read(ref _rules);

    /// <summary>Asks for leave to make one call.</summary>
    /// <param name="permit">The leave, to be reported exactly once.</param>
    /// <returns><see langword="false"/> if the circuit is open, or half-open with all its trials out.</returns>
    public bool TryAcquire(out CircuitPermit permit)
    {
        var isAdmitted = TryAcquireTicket(out var ticket);
        permit = isAdmitted ? new CircuitPermit(this, ticket) : default;
        return isAdmitted;
    }

    /// <summary>
    /// Closes the circuit from any state and forgets its failures; every permit that is out counts for nothing any more.
    /// </summary>
    public void Reset() => Publish(static (word, _, _, _) => CircuitWord.Reset(word), 0);

    /// <summary>Refuses every call from now on, whatever happens, until another such method is called.</summary>
    public void ForceOpen() => Force(CircuitState.ForcedOpen);

    /// <summary>Lets every call pass and records nothing from now on, until another such method is called.</summary>
    public void Disable() => Force(CircuitState.Disabled);

    /// <summary>
    /// Begins a dry run, until another such method is called: every call passes and is recorded, and where the circuit
    /// would open it says so, stays as it is and counts from zero again.
    /// </summary>
    public void MeasureOnly() => Force(CircuitState.MetricsOnly);

    /// <summary>
    /// <see cref="TryAcquire"/> for those who report each ticket once by themselves, with <see cref="Report"/>.
    /// </summary>
    internal bool TryAcquireTicket(out CircuitTicket ticket)
    {
        var word = Word;
        if (CircuitWord.StateOf(word) == CircuitState.Closed)
        {
            ticket = new CircuitTicket(CircuitWord.GenerationOf(word), isTrial: false);
            return true;
        }

        return TryAcquireSlowly(out ticket);
    }

    /// <summary>Says how the call of <paramref name="ticket"/> ended.</summary>
    internal void Report(CircuitTicket ticket, CircuitOutcome outcome)
    {
        if (outcome == CircuitOutcome.Success && IsHealthyAt(Word, ticket))
        {
            return;
        }

        ReportSlowly(ticket, outcome);
    }

    /// <summary>Records a failure learnt after its permit had been reported; ignored once the generation has passed.</summary>
    internal void ReportLateFailure(CircuitTicket permit) =>
        Publish(
            static (word, now, circuit, generation) =>
                CircuitWord.ReportLate(word, generation, now, circuit.Rules, circuit._random.NextDouble()),
            permit.Generation
        );

    /// <summary>Something else has seen the resource healthy: an open circuit lets the next call test at once.</summary>
    internal void Hint() => Publish(static (word, now, _, _) => CircuitWord.Hint(word, now), 0);

    /// <summary>
    /// Applies new rules and keeps the state, unless the rules start circuits in another one now: then this circuit takes
    /// that too, if it still is where the old rules had put it, or has come from there by itself.
    /// </summary>
    internal void Configure(CircuitRules rules)
    {
        var before = Rules;
        Volatile.Write(ref _rules, rules);
        if (before.Start != rules.Start && !(IsAutomatic(before.Start) && IsAutomatic(rules.Start)))
        {
            // A step that has read the old rules and is about to open the circuit finds another word when it publishes,
            // and computes again with these.
            Publish(
                static (word, now, circuit, start) =>
                    CircuitWord.StateOf(word) is var state
                    && (state == start.Before || (IsAutomatic(state) && IsAutomatic(start.Before)))
                        ? CircuitWord.Force(
                            word,
                            start.Now,
                            CircuitChangeReason.Configuration,
                            now,
                            circuit.Rules,
                            circuit._random.NextDouble()
                        )
                        : new CircuitStep(word, CircuitEffect.None),
                (Before: before.Start, Now: rules.Start)
            );
        }

        static bool IsAutomatic(CircuitState state) => CircuitWord.IsAutomatic(state);
    }

    internal bool Admits(long now) => CircuitWord.Admits(Word, now, Rules);

    internal long AdmitsFrom(long now) => CircuitWord.AdmitsFrom(Word, now, Rules);

    /// <summary>A success of the current closed generation with no run of failures: nothing to write.</summary>
    private static bool IsHealthyAt(ulong word, CircuitTicket ticket) =>
        CircuitWord.StateOf(word) == CircuitState.Closed
        && CircuitWord.ConsecutiveFailuresOf(word) == 0
        && CircuitWord.GenerationOf(word) == ticket.Generation;

    private bool TryAcquireSlowly(out CircuitTicket ticket)
    {
        // An expiry found here opens the circuit without admitting anybody, so the loop asks again and is refused.
        while (true)
        {
            var step = Publish(
                static (word, now, circuit, _) =>
                    CircuitWord.Acquire(word, now, circuit.Rules, circuit._random.NextDouble()),
                0
            );
            if (step.Has(CircuitEffect.Admitted))
            {
                ticket = new CircuitTicket(CircuitWord.GenerationOf(step.Word), step.Has(CircuitEffect.Trial));
                return true;
            }

            if (!step.Has(CircuitEffect.Transition))
            {
                ticket = default;
                return false;
            }
        }
    }

    private void Force(CircuitState state) =>
        Publish(
            static (word, now, circuit, state) =>
                CircuitWord.Force(word, state, CircuitChangeReason.Operator, now, circuit.Rules, 0),
            state
        );

    private void ReportSlowly(CircuitTicket ticket, CircuitOutcome outcome) =>
        Publish(
            static (word, now, circuit, report) =>
                CircuitWord.Report(
                    word,
                    report.ticket,
                    report.outcome,
                    now,
                    circuit.Rules,
                    circuit._random.NextDouble()
                ),
            (ticket, outcome)
        );

    /// <summary>
    /// Takes one step: computes the next word from the one seen and publishes it if no other thread was faster, else
    /// computes again. The clock is read after the word, so that no grant or failure in it is from the future. Each
    /// lost exchange is another thread's progress. The winner alone tells the owner.
    /// </summary>
    private CircuitStep Publish<TArg>(Func<ulong, long, CircuitBreaker, TArg, CircuitStep> compute, TArg arg)
    {
        while (true)
        {
            var seen = Word;
            var step = compute(seen, _clock.Milliseconds, this, arg);
            if (step.Word == seen)
            {
                return step;
            }

            if (Interlocked.CompareExchange(ref _word, step.Word, seen) == seen)
            {
                if (step.Has(CircuitEffect.Transition | CircuitEffect.TrialsChanged))
                {
                    _owner?.OnCircuitChanged(CircuitWord.StateOf(seen), CircuitWord.StateOf(step.Word));
                }

                return step;
            }
        }
    }
}
