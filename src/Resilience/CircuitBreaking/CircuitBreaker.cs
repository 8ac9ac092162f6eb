using System.Runtime.CompilerServices;
using Resilience.Primitives;

namespace Resilience.CircuitBreaking;

/// <summary>
/// A lock-free circuit breaker: it opens when calls fail in a row, too often or too slowly, refuses calls for a growing
/// break, then lets a few trial calls decide whether it closes. Usable without any other part of the library, by permits
/// (<see cref="TryAcquire"/>) or around a call (<c>Execute</c> and <c>ExecuteAsync</c>). Thread-safe.
/// </summary>
/// <remarks>
/// Every permit belongs to one generation of the circuit; a report that arrives after the circuit has moved on changes
/// nothing. One control word, changed only by compare-and-swap, holds all that decides; a healthy call reads it twice and
/// writes, if successes are counted, one counter.
/// </remarks>
/// <example>
/// <code>
/// if (!circuit.TryAcquire(out var permit)) return fallback;
/// try { var answer = Call(); permit.Report(CircuitOutcome.Success); return answer; }
/// catch (Exception exception) { permit.Report(CircuitOutcome.Failure, exception); throw; }
/// </code>
/// </example>
public sealed class CircuitBreaker
{
    private readonly Clock _clock;
    private readonly Random _random;
    private readonly ICircuitOwner? _owner;
    private CircuitRules _rules;
    private ulong _word;
    private CircuitTotals _totals;
    private CircuitRates _rates;
    private CircuitHistory _history;

    /// <summary>Creates a circuit, closed unless the options say otherwise.</summary>
    /// <param name="name">Its name in exceptions and events.</param>
    /// <param name="options">How it decides; the defaults if <see langword="null"/>. Read once, here.</param>
    /// <param name="timeProvider">The clock; the system's if <see langword="null"/>.</param>
    /// <param name="random">The source of jitter, thread-safe; the shared one if <see langword="null"/>.</param>
    /// <exception cref="ArgumentException">An option is out of its range; the message names all that are.</exception>
    public CircuitBreaker(
        string name = CircuitDefaults.Name,
        CircuitBreakerOptions? options = null,
        TimeProvider? timeProvider = null,
        Random? random = null
    )
        : this(
            name,
            new CircuitRules(options ?? new CircuitBreakerOptions()),
            Clock.Of(timeProvider),
            random ?? RandomSource.Default,
            owner: null
        ) { }

    internal CircuitBreaker(string name, CircuitRules rules, Clock clock, Random random, ICircuitOwner? owner)
    {
        ArgumentNullException.ThrowIfNull(name);
        Name = name;
        _rules = rules;
        _clock = clock;
        _random = random;
        _owner = owner;
        _totals.KeepSuccesses(rules.CountSuccesses);
        var draw = rules.Start == CircuitState.Open ? random.NextDouble() : 0;
        _word = CircuitWord.Begin(rules.Start, clock.Milliseconds, rules, draw);
    }

    private delegate CircuitStep Step<in TArg>(
        ulong word,
        long now,
        CircuitRules rules,
        double random,
        long? length,
        TArg arg
    );

    /// <summary>Its name in exceptions and events.</summary>
    public string Name { get; }

    /// <summary>
    /// The state at this moment. A circuit whose break has ended stays <see cref="CircuitState.Open"/> until a call
    /// comes to test it.
    /// </summary>
    public CircuitState State => CircuitWord.StateOf(Word);

    /// <summary>
    /// How long a call would still be refused; zero if one would be let through,
    /// <see cref="Timeout.InfiniteTimeSpan"/> if time alone ends nothing.
    /// </summary>
    public TimeSpan RetryAfter => RetryAfterOf(Word);

    internal ulong Word => Volatile.Read(ref _word);

    internal CircuitRules Rules => Volatile.Read(ref _rules);

    /// <summary>Asks for leave to make one call.</summary>
    /// <param name="permit">The leave, to be reported exactly once with <see cref="CircuitPermit.Report"/>.</param>
    /// <returns>
    /// <see langword="false"/> if the circuit is open, forced open, or half-open with all its trials out.
    /// </returns>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryAcquire(out CircuitPermit permit)
    {
        if (TryAcquireTicket(out var ticket))
        {
            permit = new CircuitPermit(this, ticket, StartedAt());
            return true;
        }

        permit = default;
        return false;
    }

    /// <summary>
    /// Closes the circuit from any state and forgets its failures; every permit that is out counts for nothing any more.
    /// </summary>
    public void Reset() => Publish(static (word, _, _, _, _, _) => CircuitWord.Reset(word), 0);

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
    /// Something else has seen the resource healthy: an open circuit lets the next call test at once, without waiting for
    /// the end of its break. It helps once until the circuit has changed, and nothing in every other state.
    /// </summary>
    public void Hint() => Publish(static (word, now, _, _, _, _) => CircuitWord.Hint(word, now), 0);

    /// <summary>
    /// Everything about it at this moment: state, generation and run of failures from one look; the last change may be the
    /// one before while a thread that has just made one is about to tell of it.
    /// </summary>
    public CircuitSnapshot TakeSnapshot()
    {
        var word = Word;
        var now = _clock.Milliseconds;
        var generation = CircuitWord.GenerationOf(word);
        return new CircuitSnapshot
        {
            Name = Name,
            State = CircuitWord.StateOf(word),
            RetryAfter = RetryAfterOf(word),
            Generation = (int)generation,
            ConsecutiveFailures = (int)CircuitWord.ConsecutiveFailuresOf(word),
            FailureRate = _rates.FailureRate(Rules, generation, now),
            SlowCallRate = _rates.SlowCallRate(Rules, generation, now),
            LastFailure = _history.LastFailure,
            LastChange = _history.LastChange,
            Successes = _totals.Successes,
            Failures = _totals.Failures,
            Ignored = _totals.Ignored,
            Rejected = _totals.Rejected,
            Stale = _totals.Stale,
            SlowCalls = _rates.SlowCalls,
        };
    }

    /// <summary>
    /// Calls <paramref name="handler"/> for every change from now on, in order, each once, on the thread pool and never two
    /// at a time, until the result is disposed. A slow or throwing handler harms neither calls nor other subscribers; one
    /// that falls behind by more than 1,024 changes misses the oldest, and the next one says how many.
    /// </summary>
    /// <param name="onError">Told of what the handler throws; nobody is if <see langword="null"/>.</param>
    public IDisposable Subscribe(Action<CircuitChanged> handler, Action<Exception>? onError = null)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return _history.Subscribe(handler, onError ?? (static _ => { }), ref _word);
    }

    /// <summary>
    /// <see cref="TryAcquire"/> for those who report each ticket once by themselves, with
    /// <see cref="Report(CircuitTicket, CircuitOutcome, long, Exception?, object?)"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
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

    /// <summary>What a caller gets that was refused just now.</summary>
    internal CircuitOpenException Refusal()
    {
        var word = Word;
        return new CircuitOpenException(Name, CircuitWord.StateOf(word), RetryAfterOf(word), _history.LastFailure);
    }

    /// <summary>When a call begins, in the clock's fine ticks; negative if nobody asks how long it takes.</summary>
    internal long StartedAt() => Rules.HasSlowRule ? _clock.Ticks : -1;

    /// <summary>How long a call has taken that began at <paramref name="startedAt"/>; 0 if nobody asks.</summary>
    internal long TicksSince(long startedAt) => startedAt < 0 ? 0 : _clock.Ticks - startedAt;

    /// <summary>Whether a call that ended so leaves nothing behind: a success where all is well and nobody counts.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool IsTraceless(CircuitTicket ticket, CircuitOutcome outcome) =>
        outcome == CircuitOutcome.Success && CircuitWord.IsHealthy(Word, ticket.Generation) && !Rules.MeasuresSuccesses;

    /// <summary>Says how the call of <paramref name="ticket"/> ended, and what else is known of it.</summary>
    /// <param name="ticks">How long it took, in ticks of 100 ns; 0 if nobody measured.</param>
    internal void Report(
        CircuitTicket ticket,
        CircuitOutcome outcome,
        long ticks = 0,
        Exception? exception = null,
        object? result = null
    )
    {
        if (outcome != CircuitOutcome.Success || !CircuitWord.IsHealthy(Word, ticket.Generation))
        {
            ReportSlowly(ticket, outcome, ticks, exception, result);
            return;
        }

        _totals.CountSuccess();
        var rules = Rules;
        if (
            rules.HasWindow
            && _rates.Measure(rules, ticket.Generation, _clock.Milliseconds, isFailure: false, ticks) is { } reason
        )
        {
            // A success can let failures show that came before: the first of enough calls, or the one that takes time on.
            Trip(ticket, reason, exception, result);
        }
    }

    /// <summary>Records a failure learnt after its permit had been reported; ignored once the generation has passed.</summary>
    internal void ReportLateFailure(CircuitTicket ticket)
    {
        var step = Publish(
            static (word, now, rules, random, length, generation) =>
                CircuitWord.ReportLate(word, generation, now, rules, random, length),
            ticket.Generation,
            default(CircuitEvidence)
        );
        if (step.Has(CircuitEffect.Stale) || CircuitWord.StateOf(step.Word) == CircuitState.Disabled)
        {
            return;
        }

        _totals.TurnIntoFailure();
        var rules = Rules;
        if (
            rules.HasFailureRule
            && !ticket.IsTrial
            && !step.Has(CircuitEffect.Transition)
            && _rates.MeasureFailures(rules, ticket.Generation, _clock.Milliseconds, isFailure: true)
        )
        {
            Trip(ticket, CircuitChangeReason.FailureRate);
        }
    }

    /// <summary>
    /// Applies new rules and keeps the state, unless the rules start circuits in another one now: then this circuit takes
    /// that too, if it still is where the old rules had put it, or has come from there by itself.
    /// </summary>
    internal void Configure(CircuitRules rules)
    {
        var before = Rules;
        _totals.KeepSuccesses(rules.CountSuccesses);
        Volatile.Write(ref _rules, rules);
        if (before.Start != rules.Start && !(IsAutomatic(before.Start) && IsAutomatic(rules.Start)))
        {
            // A step that has read the old rules and is about to open the circuit finds another word when it publishes,
            // and computes again with these.
            Publish(
                static (word, now, rules, random, _, start) =>
                    CircuitWord.StateOf(word) is var state
                    && (state == start.Before || (IsAutomatic(state) && IsAutomatic(start.Before)))
                        ? CircuitWord.Force(word, start.Now, CircuitChangeReason.Configuration, now, rules, random)
                        : new CircuitStep(word, CircuitEffect.None),
                (Before: before.Start, Now: rules.Start)
            );
        }

        static bool IsAutomatic(CircuitState state) => CircuitWord.IsAutomatic(state);
    }

    internal bool Admits(long now) => CircuitWord.Admits(Word, now, Rules);

    internal long AdmitsFrom(long now) => CircuitWord.AdmitsFrom(Word, now, Rules);

    private bool TryAcquireSlowly(out CircuitTicket ticket)
    {
        // Most calls that come here are refused: one look, the clock after it, and a count.
        ticket = default;
        while (CircuitWord.Admits(Word, _clock.Milliseconds, Rules))
        {
            if (TryAcquireTrial(ref ticket))
            {
                return true;
            }

            // Another thread has taken the trial, or the trials' expiry has opened the circuit: look again.
        }

        _totals.CountRejected();
        return false;
    }

    private bool TryAcquireTrial(ref CircuitTicket ticket)
    {
        var step = Publish(static (word, now, rules, random, _, _) => CircuitWord.Acquire(word, now, rules, random), 0);
        if (!step.Has(CircuitEffect.Admitted))
        {
            return false;
        }

        ticket = new CircuitTicket(CircuitWord.GenerationOf(step.Word), step.Has(CircuitEffect.Trial));
        return true;
    }

    private void ReportSlowly(
        CircuitTicket ticket,
        CircuitOutcome outcome,
        long ticks,
        Exception? exception,
        object? result
    )
    {
        var rules = Rules;
        // A trial that is too slow shows that the resource has not recovered, whatever it answered.
        var isFailedTrial = ticket.IsTrial && outcome == CircuitOutcome.Success && CircuitRates.IsSlow(rules, ticks);
        var step = Publish(
            static (word, now, rules, random, length, report) =>
                CircuitWord.Report(word, report.Ticket, report.Outcome, now, rules, random, length),
            (Ticket: ticket, Outcome: isFailedTrial ? CircuitOutcome.Failure : outcome),
            new CircuitEvidence(exception, result)
        );
        if (CircuitWord.StateOf(step.Word) == CircuitState.Disabled)
        {
            return;
        }

        if (step.Has(CircuitEffect.Stale))
        {
            _totals.CountStale();
            return;
        }

        _totals.Count(outcome);
        if (outcome == CircuitOutcome.Neutral)
        {
            return;
        }

        var isFailure = outcome == CircuitOutcome.Failure;
        if (isFailure && exception is not null)
        {
            _history.Note(exception);
        }

        if (ticket.IsTrial || !rules.HasWindow || step.Has(CircuitEffect.Transition))
        {
            _rates.CountIfSlow(rules, ticks);
        }
        else if (_rates.Measure(rules, ticket.Generation, _clock.Milliseconds, isFailure, ticks) is { } reason)
        {
            Trip(ticket, reason, exception, result);
        }
    }

    /// <summary>
    /// A window has seen too much of its generation's calls; if the circuit has moved on meanwhile, nothing happens.
    /// </summary>
    private void Trip(
        CircuitTicket ticket,
        CircuitChangeReason reason,
        Exception? exception = null,
        object? result = null
    ) =>
        Publish(
            static (word, now, rules, random, length, trip) =>
                CircuitWord.Trip(word, trip.Generation, trip.Reason, now, rules, random, length),
            (ticket.Generation, Reason: reason),
            new CircuitEvidence(exception, result),
            _rates.FiguresOf(reason, ticket.Generation, _clock.Milliseconds)
        );

    private void Force(CircuitState state) =>
        Publish(
            static (word, now, rules, random, _, state) =>
                CircuitWord.Force(word, state, CircuitChangeReason.Operator, now, rules, random),
            state
        );

    /// <summary>
    /// Takes one step: computes the next word from the one seen and publishes it if no other thread was faster, else
    /// computes again. The clock is read after the word, so that no grant or failure in it is from the future. Each
    /// lost exchange is another thread's progress. The winner alone tells of the change.
    /// </summary>
    /// <param name="evidence">The call that may begin a break; <see langword="null"/> if no call is to blame.</param>
    /// <param name="figures">What a window has counted, if that is the reason.</param>
    private CircuitStep Publish<TArg>(
        Step<TArg> compute,
        TArg arg,
        CircuitEvidence? evidence = null,
        (int Total, int Bad) figures = default
    )
    {
        var random = 0.0;
        long? length = null;
        var isMeasured = false;
        while (true)
        {
            var seen = Word;
            var now = _clock.Milliseconds;
            var step = compute(seen, now, Rules, random, length, arg);
            if (step.Word == seen)
            {
                return step;
            }

            if (
                !isMeasured
                && step.Has(CircuitEffect.Transition)
                && CircuitWord.StateOf(step.Word) == CircuitState.Open
            )
            {
                // Only a break needs its length: a draw, and perhaps the user's own code, which belongs outside the step.
                random = _random.NextDouble();
                length = evidence is { } blamed ? GivenLength(seen, blamed) : null;
                isMeasured = true;
                continue;
            }

            if (Interlocked.CompareExchange(ref _word, step.Word, seen) == seen)
            {
                if (step.Has(CircuitEffect.Transition))
                {
                    Tell(seen, step, now, evidence?.Exception, figures);
                }

                if (step.Has(CircuitEffect.Transition | CircuitEffect.TrialsChanged))
                {
                    _owner?.OnCircuitChanged(CircuitWord.StateOf(seen), CircuitWord.StateOf(step.Word), step.Reason);
                }

                return step;
            }
        }
    }

    private long? GivenLength(ulong word, in CircuitEvidence evidence) =>
        Rules.GivenBreakMilliseconds(
            new CircuitFailure(Name, evidence.Exception, evidence.Result, (int)CircuitWord.StreakOf(word))
        );

    private void Tell(ulong seen, CircuitStep step, long now, Exception? exception, (int Total, int Bad) figures)
    {
        var to = CircuitWord.StateOf(step.Word);
        var (calls, failures) = step.Reason switch
        {
            CircuitChangeReason.ConsecutiveFailures => Same(CircuitWord.ConsecutiveFailuresOf(seen) + 1),
            CircuitChangeReason.TrialsFailed => Trials(successes: 0, failures: 1),
            CircuitChangeReason.TrialsSucceeded => Trials(successes: 1, failures: 0),
            _ => figures,
        };
        var change = new CircuitChanged(
            Name,
            _clock.UtcNow,
            CircuitWord.StateOf(seen),
            to,
            step.Reason,
            (int)CircuitWord.GenerationOf(step.Word)
        )
        {
            Calls = calls,
            Failures = failures,
            BreakDuration =
                to == CircuitState.Open
                    ? TimeSpan.FromMilliseconds(CircuitWord.BreakEnd(step.Word) - now)
                    : TimeSpan.Zero,
            LastFailure = exception ?? _history.LastFailure,
        };
        _history.Tell(change);

        static (int Total, int Bad) Same(uint count) => ((int)count, (int)count);

        (int Total, int Bad) Trials(uint successes, uint failures)
        {
            var failed = (int)(CircuitWord.TrialFailuresOf(seen) + failures);
            return ((int)(CircuitWord.TrialSuccessesOf(seen) + successes) + failed, failed);
        }
    }

    /// <summary>The clock is read after the word: a trial granted in between is not from the future.</summary>
    private TimeSpan RetryAfterOf(ulong word)
    {
        var now = _clock.Milliseconds;
        return CircuitWord.StateOf(word) == CircuitState.ForcedOpen ? Timeout.InfiniteTimeSpan
            : CircuitWord.Admits(word, now, Rules) ? TimeSpan.Zero
            : TimeSpan.FromMilliseconds(Math.Max(0, CircuitWord.AdmitsFrom(word, now, Rules) - now));
    }
}
