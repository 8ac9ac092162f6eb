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
/// try { var answer = Call(); circuit.Report(permit, CircuitOutcome.Success); return answer; }
/// catch { circuit.Report(permit, CircuitOutcome.Failure); throw; }
/// </code>
/// </example>
public sealed class CircuitBreaker
{
    private readonly Clock _clock;
    private readonly Random _random;
    private readonly ICircuitOwner? _owner;
    private CircuitRules _rules;
    private ulong _word = CircuitWord.Initial;

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
    }

    /// <summary>
    /// The state at this moment. A circuit whose break has ended stays <see cref="CircuitState.Open"/> until a call
    /// comes to test it.
    /// </summary>
    public CircuitState State => CircuitWord.StateOf(Word);

    /// <summary>How long a call would still be refused; zero if one would be let through.</summary>
    public TimeSpan RetryAfter
    {
        get
        {
            // One look at the word, and the clock after it: a trial granted in between is not from the future.
            var word = Word;
            var now = _clock.Milliseconds;
            return CircuitWord.Admits(word, now, Rules)
                ? TimeSpan.Zero
                : TimeSpan.FromMilliseconds(Math.Max(0, CircuitWord.AdmitsFrom(word, now, Rules) - now));
        }
    }

    internal ulong Word => Volatile.Read(ref _word);

    internal CircuitRules Rules => Volatile.Read(ref _rules);

    /// <summary>Asks for leave to make one call.</summary>
    /// <param name="permit">The leave, to be reported exactly once with <see cref="Report"/>.</param>
    /// <returns><see langword="false"/> if the circuit is open, or half-open with all its trials out.</returns>
    public bool TryAcquire(out CircuitPermit permit)
    {
        var word = Word;
        if (CircuitWord.StateOf(word) == CircuitState.Closed)
        {
            permit = new CircuitPermit(CircuitWord.GenerationOf(word), isTrial: false);
            return true;
        }

        return TryAcquireSlowly(out permit);
    }

    /// <summary>Says how the call of <paramref name="permit"/> ended.</summary>
    /// <param name="permit">The permit that <see cref="TryAcquire"/> gave.</param>
    /// <param name="outcome">What the call showed of the protected resource.</param>
    public void Report(CircuitPermit permit, CircuitOutcome outcome)
    {
        if (outcome == CircuitOutcome.Success && Word is var word && IsHealthyAt(word, permit))
        {
            return;
        }

        ReportSlowly(permit, outcome);
    }

    /// <summary>Closes the circuit from any state and forgets its failures.</summary>
    public void Reset() => Publish(static (word, _, _, _) => CircuitWord.Reset(word), 0);

    /// <summary>Records a failure learnt after its permit had been reported; ignored once the generation has passed.</summary>
    internal void ReportLateFailure(CircuitPermit permit) =>
        Publish(
            static (word, now, circuit, generation) =>
                CircuitWord.ReportLate(word, generation, now, circuit.Rules, circuit._random.NextDouble()),
            permit.Generation
        );

    /// <summary>Something else has seen the resource healthy: an open circuit lets the next call test at once.</summary>
    internal void Hint() => Publish(static (word, now, _, _) => CircuitWord.Hint(word, now), 0);

    /// <summary>Applies new rules and keeps the state; a circuit that is switched off closes.</summary>
    internal void Configure(CircuitRules rules)
    {
        Volatile.Write(ref _rules, rules);
        if (!rules.IsEnabled)
        {
            // Whatever the state: a step that has read the old rules and is about to open the circuit finds another
            // word when it publishes, and computes again with these.
            Reset();
        }
    }

    internal bool Admits(long now) => CircuitWord.Admits(Word, now, Rules);

    internal long AdmitsFrom(long now) => CircuitWord.AdmitsFrom(Word, now, Rules);

    /// <summary>A success of the current closed generation with no run of failures: nothing to write.</summary>
    private static bool IsHealthyAt(ulong word, CircuitPermit permit) =>
        CircuitWord.StateOf(word) == CircuitState.Closed
        && CircuitWord.ConsecutiveFailuresOf(word) == 0
        && CircuitWord.GenerationOf(word) == permit.Generation;

    private bool TryAcquireSlowly(out CircuitPermit permit)
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
                permit = new CircuitPermit(CircuitWord.GenerationOf(step.Word), step.Has(CircuitEffect.Trial));
                return true;
            }

            if (!step.Has(CircuitEffect.Transition))
            {
                permit = default;
                return false;
            }
        }
    }

    private void ReportSlowly(CircuitPermit permit, CircuitOutcome outcome) =>
        Publish(
            static (word, now, circuit, report) =>
                CircuitWord.Report(
                    word,
                    report.permit,
                    report.outcome,
                    now,
                    circuit.Rules,
                    circuit._random.NextDouble()
                ),
            (permit, outcome)
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
