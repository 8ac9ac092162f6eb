using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking.StateModel;

/// <summary>
/// A circuit's control word with clients that use it as <see cref="CircuitBreaker"/> does, one step at a time: a look at
/// the word (with the clock, which is read after it), and the exchange that publishes what was computed from it, or is
/// lost. Between any two steps every other client may take its own, and time may pass. A call succeeds, fails, is
/// cancelled, runs for as long as it likes, or is lost for ever; one that throws is one that fails, for the word.
/// </summary>
internal sealed class CircuitModel
{
    /* Sixteen of the word's coarse units, so that whole ticks are exact whatever the units cut off. */
    private const long Tick = 1_024;
    private const long Birth = 1_000 * Tick;

    /* More than any sound circuit loses in a generation; a broken one could go on for ever. */
    private const int MostLost = 4;

    private static readonly CircuitOutcome[] Outcomes = Enum.GetValues<CircuitOutcome>();
    private static readonly ModelCommand[] AllCommands = Enum.GetValues<ModelCommand>();

    private readonly ModelTerms _terms;
    private readonly ModelSteps _steps;
    private readonly CircuitRules _rules;

    public CircuitModel(ModelTerms terms, ModelSteps steps)
    {
        _terms = terms;
        _steps = steps;
        _rules = CircuitFixture.Rules(options =>
        {
            options.ConsecutiveFailures = terms.Failures;
            options.HalfOpenTrials = terms.Trials;
            options.SuccessThreshold = terms.Successes;
            options.HalfOpenTrialCount = terms.Tested;
            // A break takes one tick; an expiry, and a run's end, two: one tick is younger, and less than two are enough.
            options.BreakDuration = TimeSpan.FromMilliseconds(Tick);
            options.MaxBreakDuration = TimeSpan.FromMilliseconds(Tick);
            options.HalfOpenExpiry = TimeSpan.FromMilliseconds(1.9 * Tick);
            options.FailureWindow = TimeSpan.FromMilliseconds(1.9 * Tick);
        });
    }

    public ModelState Start =>
        new(
            CircuitWord.Initial,
            default,
            default,
            default,
            Tick: 0,
            Lost: 0,
            Run: 0,
            LastFailureAt: 0,
            _terms.Commands
        );

    /// <summary>Every step that any client, or time, can take.</summary>
    public void AddMoves(in ModelState state, List<ModelMove> moves)
    {
        for (var client = 0; client < _terms.Clients; client++)
        {
            AddClientMoves(state, client, moves);
        }

        if (_terms.Commands > 0)
        {
            AddOperatorMoves(state, _terms.Clients, moves);
        }

        if (state.Tick < _terms.LastTick)
        {
            moves.Add(new(state with { Tick = (byte)(state.Tick + 1) }, Client: -1, "time passes", Invariants.None));
        }
    }

    /// <summary>What a state breaks by itself.</summary>
    public Invariants BrokenIn(in ModelState state)
    {
        if (CircuitWord.StateOf(state.Word) != CircuitState.HalfOpen)
        {
            return Invariants.None;
        }

        var generation = CircuitWord.GenerationOf(state.Word);
        var held = 0;
        for (var client = 0; client < _terms.Clients; client++)
        {
            held += state[client].HoldsTrial && state[client].Generation == generation ? 1 : 0;
        }

        var inFlight = CircuitWord.InFlightOf(state.Word);
        var ended = CircuitWord.TrialSuccessesOf(state.Word) + CircuitWord.TrialFailuresOf(state.Word);
        var broken = Invariants.None;
        if (inFlight > _terms.Trials || held > _terms.Trials || inFlight + ended > _terms.Tested)
        {
            broken |= Invariants.TrialsAreFewI1;
        }

        return inFlight == held + state.Lost ? broken : broken | Invariants.TrialsAreAccountedForI2;
    }

    /// <summary>Closed, or in a state that is the operator's to end, or too far away to be followed.</summary>
    public bool IsRecovered(in ModelState state) =>
        IsTooFar(state) || CircuitWord.StateOf(state.Word) is not (CircuitState.Open or CircuitState.HalfOpen);

    public bool IsTooFar(in ModelState state) => CircuitWord.GenerationOf(state.Word) > _terms.LastGeneration;

    public bool MustRecoverFrom(in ModelState state) => state.Tick <= _terms.LastTickToRecoverFrom;

    private static long TimeAt(byte tick) => Birth + (tick * Tick);

    private void AddClientMoves(in ModelState state, int client, List<ModelMove> moves)
    {
        var own = state[client];
        switch (own.Phase)
        {
            case ModelPhase.Idle when _steps.ReadsClockFirst:
                var early = own with { Phase = ModelPhase.ReadingClockFirst, SeenAt = state.Tick };
                moves.Add(new(state.With(client, early), client, "reads the clock", Invariants.None));
                break;

            case ModelPhase.Idle:
                LookToAcquire(state, client, state.Tick, moves);
                break;

            case ModelPhase.ReadingClockFirst:
                LookToAcquire(state, client, own.SeenAt, moves);
                break;

            case ModelPhase.Acquiring:
                PublishAcquire(state, client, moves);
                break;

            case ModelPhase.Holding:
                foreach (var outcome in Outcomes)
                {
                    LookToReport(state, client, ModelPhase.Reporting, outcome, moves);
                }

                Lose(state, client, moves);
                break;

            case ModelPhase.ReportingAnew:
                LookToReport(state, client, ModelPhase.Reporting, own.Outcome, moves);
                break;

            case ModelPhase.Reported:
                AddMovesAfterReport(state, client, moves);
                break;

            default:
                PublishReport(state, client, moves);
                break;
        }
    }

    private void LookToAcquire(in ModelState state, int client, byte seenAt, List<ModelMove> moves)
    {
        var now = TimeAt(seenAt);
        var step = _steps.Acquire(state.Word, now, _rules);
        var isForeseen =
            CircuitWord.Admits(state.Word, now, _rules) == step.Has(CircuitEffect.Admitted | CircuitEffect.Transition);
        var broken = isForeseen ? Invariants.None : Invariants.AdmissionIsForeseenI12;
        if (
            CircuitWord.StateOf(state.Word) == CircuitState.Closed
            && step != new CircuitStep(state.Word, CircuitEffect.Admitted)
        )
        {
            broken |= Invariants.ShortcutsAreRightR117;
        }

        if (step.Word != state.Word)
        {
            var next = new ModelClient(state.Word, ModelPhase.Acquiring, seenAt, 0, IsTrial: false, 0, 0);
            moves.Add(new(state.With(client, next), client, "looks, to get a trial", broken));
            return;
        }

        if (step.Has(CircuitEffect.Transition))
        {
            broken |= Invariants.TransitionsAreGenerationsI5;
        }

        if (
            step.Has(CircuitEffect.Admitted)
            && CircuitWord.StateOf(state.Word) is CircuitState.Open or CircuitState.HalfOpen or CircuitState.ForcedOpen
        )
        {
            broken |= Invariants.BreakIsKeptI8;
        }

        moves.Add(new(state.With(client, Admitted(step, seenAt)), client, "asks for a permit", broken));
    }

    private void PublishAcquire(in ModelState state, int client, List<ModelMove> moves)
    {
        var own = state[client];
        if (state.Word != own.Seen && !_steps.WritesBlindly)
        {
            moves.Add(new(state.With(client, default), client, "loses the exchange", Invariants.None));
            return;
        }

        var now = TimeAt(own.SeenAt);
        var step = _steps.Acquire(own.Seen, now, _rules);
        var broken = BrokenBy(state.Word, step, isClients: true);
        if (CircuitWord.StateOf(own.Seen) == CircuitState.Open)
        {
            var isKept =
                now >= CircuitWord.BreakEnd(own.Seen)
                && CircuitWord.StateOf(step.Word) == CircuitState.HalfOpen
                && CircuitWord.InFlightOf(step.Word) == 1
                && step.Has(CircuitEffect.Admitted)
                && step.Has(CircuitEffect.Trial);
            broken |= isKept ? Invariants.None : Invariants.BreakIsKeptI8;
        }

        if (CircuitWord.StateOf(step.Word) == CircuitState.Open)
        {
            broken |= BrokenByOpening(step.Word, now);
            broken |= GivesUpYoungTrial(state, own.SeenAt) ? Invariants.YoungTrialsLiveI16 : Invariants.None;
        }

        Publish(state, client, step, Admitted(step, own.SeenAt), "publishes its trial or an expiry", broken, moves);
    }

    private void LookToReport(
        in ModelState state,
        int client,
        ModelPhase phase,
        CircuitOutcome outcome,
        List<ModelMove> moves
    )
    {
        var own = state[client] with { Seen = state.Word, SeenAt = state.Tick, Phase = phase, What = (byte)outcome };
        var step = ReportStep(own);
        var isWrong =
            phase == ModelPhase.Reporting
            && outcome == CircuitOutcome.Success
            && CircuitWord.IsHealthy(state.Word, own.Generation)
            && step != new CircuitStep(state.Word, CircuitEffect.None);
        var shortcut = isWrong ? Invariants.ShortcutsAreRightR117 : Invariants.None;
        if (step.Word != state.Word)
        {
            moves.Add(new(state.With(client, own), client, "looks, to report", shortcut));
            return;
        }

        // Nothing to publish: the report has happened here.
        var after = AfterReport(state, client, own, step, out var broken);
        moves.Add(new(after, client, "reports", broken | shortcut));
    }

    private void PublishReport(in ModelState state, int client, List<ModelMove> moves)
    {
        var own = state[client];
        if (state.Word != own.Seen && !_steps.WritesBlindly)
        {
            var again = own.Phase == ModelPhase.Reporting ? ModelPhase.ReportingAnew : ModelPhase.Reported;
            var next = own with { Seen = 0, SeenAt = 0, Phase = again };
            moves.Add(new(state.With(client, next), client, "loses the exchange", Invariants.None));
            return;
        }

        var step = ReportStep(own);
        var broken = BrokenBy(state.Word, step, isClients: true) | BrokenByReport(state.Word, own, step);
        var after = AfterReport(state, client, own, step, out var alsoBroken);
        Publish(after, client, step, after[client], "publishes its report", broken | alsoBroken, moves);
    }

    private CircuitStep ReportStep(ModelClient own)
    {
        var now = TimeAt(own.SeenAt);
        return own.Phase switch
        {
            ModelPhase.ReportingLate => _steps.ReportLate(own.Seen, own.Generation, now, _rules),
            ModelPhase.Tripping => _steps.Trip(own.Seen, own.Generation, now, _rules),
            _ => _steps.Report(own.Seen, own.Ticket, own.Outcome, now, _rules),
        };
    }

    private Invariants BrokenByReport(ulong seen, ModelClient own, CircuitStep step)
    {
        var broken = Invariants.None;
        if (own.Generation != CircuitWord.GenerationOf(seen))
        {
            broken |= Invariants.StaleReportsChangeNothingI4;
        }

        if (own.Phase == ModelPhase.ReportingTwice)
        {
            broken |= Invariants.SecondReportsChangeNothingI15;
        }

        if (own.Phase == ModelPhase.Reporting && own.Outcome == CircuitOutcome.Neutral)
        {
            var isOneTrialBack =
                CircuitWord.GenerationOf(step.Word) == CircuitWord.GenerationOf(seen)
                && CircuitWord.InFlightOf(step.Word) + 1 == CircuitWord.InFlightOf(seen)
                && CircuitWord.TrialSuccessesOf(step.Word) == CircuitWord.TrialSuccessesOf(seen)
                && CircuitWord.TrialFailuresOf(step.Word) == CircuitWord.TrialFailuresOf(seen)
                && CircuitWord.ConsecutiveFailuresOf(step.Word) == CircuitWord.ConsecutiveFailuresOf(seen);
            broken |= isOneTrialBack ? Invariants.None : Invariants.NeutralChangesNothingI11;
        }

        return CircuitWord.StateOf(step.Word) == CircuitState.Open && CircuitWord.StateOf(seen) != CircuitState.Open
            ? broken | BrokenByOpening(step.Word, TimeAt(own.SeenAt))
            : broken;
    }

    /// <summary>
    /// The state once the report has taken effect, whether or not it wrote anything, except for what it wrote. Here the
    /// run of failures is counted a second time, from the reports alone.
    /// </summary>
    private ModelState AfterReport(
        in ModelState state,
        int client,
        ModelClient own,
        CircuitStep step,
        out Invariants broken
    )
    {
        var after = state;
        broken =
            step.Word == own.Seen && step.Has(CircuitEffect.Transition)
                ? Invariants.TransitionsAreGenerationsI5
                : Invariants.None;
        if (own.Phase == ModelPhase.Tripping && own.Generation == CircuitWord.GenerationOf(own.Seen))
        {
            var mustOpen = CircuitWord.StateOf(own.Seen) == CircuitState.Closed;
            broken |=
                mustOpen && CircuitWord.StateOf(step.Word) != CircuitState.Open
                    ? Invariants.RatesOpenI7
                    : Invariants.None;
        }

        var counts =
            own.Phase is not (ModelPhase.ReportingTwice or ModelPhase.Tripping)
            && CircuitWord.StateOf(own.Seen) is CircuitState.Closed or CircuitState.MetricsOnly
            && own.Generation == CircuitWord.GenerationOf(own.Seen);
        var isFailure = own.Phase == ModelPhase.ReportingLate || own.Outcome == CircuitOutcome.Failure;
        if (counts && isFailure)
        {
            var isNewRun = own.SeenAt - state.LastFailureAt >= 2;
            after = state with
            {
                Run = (byte)(isNewRun ? 1 : Math.Min(state.Run + 1, _terms.Failures + 1)),
                LastFailureAt = own.SeenAt,
            };
        }
        else if (counts && own.Outcome == CircuitOutcome.Success)
        {
            after = state with { Run = 0, LastFailureAt = 0 };
        }

        if (counts)
        {
            var hasTripped = CircuitWord.GenerationOf(step.Word) != CircuitWord.GenerationOf(own.Seen);
            var isRight =
                hasTripped == (after.Run >= _terms.Failures)
                && (hasTripped || CircuitWord.ConsecutiveFailuresOf(step.Word) == after.Run);
            broken |= isRight ? Invariants.None : Invariants.RunOpensAtThresholdI6;
        }

        var isRemembered =
            (_terms.HasLateFailures && own is { Phase: ModelPhase.Reporting, Outcome: CircuitOutcome.Success })
            || (_terms.HasRates && own is { Phase: ModelPhase.Reporting, IsTrial: false })
            || (_steps.LetsReportTwice && own.Phase == ModelPhase.Reporting);
        return after.With(
            client,
            isRemembered ? own with { Seen = 0, SeenAt = 0, GrantedAt = 0, Phase = ModelPhase.Reported } : default
        );
    }

    private void AddMovesAfterReport(in ModelState state, int client, List<ModelMove> moves)
    {
        moves.Add(new(state.With(client, default), client, "forgets its permit", Invariants.None));
        if (_terms.HasLateFailures && state[client].Outcome == CircuitOutcome.Success)
        {
            LookToReport(state, client, ModelPhase.ReportingLate, CircuitOutcome.Success, moves);
        }

        if (_terms.HasRates && !state[client].IsTrial)
        {
            LookToReport(state, client, ModelPhase.Tripping, state[client].Outcome, moves);
        }

        if (_steps.LetsReportTwice)
        {
            foreach (var outcome in Outcomes)
            {
                LookToReport(state, client, ModelPhase.ReportingTwice, outcome, moves);
            }
        }
    }

    private void AddOperatorMoves(in ModelState state, int client, List<ModelMove> moves)
    {
        var own = state[client];
        if (own.Phase == ModelPhase.Commanding)
        {
            PublishCommand(state, client, moves);
            return;
        }

        if (state.Commands == 0)
        {
            return;
        }

        foreach (var command in AllCommands)
        {
            var next = new ModelClient(
                state.Word,
                ModelPhase.Commanding,
                state.Tick,
                0,
                IsTrial: false,
                0,
                (byte)command
            );
            if (CommandStep(next).Word != state.Word)
            {
                var begun = state with { Commands = (byte)(state.Commands - 1) };
                moves.Add(new(begun.With(client, next), client, "looks, to command", Invariants.None));
            }
        }
    }

    private void PublishCommand(in ModelState state, int client, List<ModelMove> moves)
    {
        var own = state[client];
        if (state.Word != own.Seen && !_steps.WritesBlindly)
        {
            // It insists: looks again at once.
            var anew = own with
            {
                Seen = state.Word,
                SeenAt = state.Tick,
            };
            var next = CommandStep(anew).Word == state.Word ? default : anew;
            moves.Add(new(state.With(client, next), client, "loses the exchange and looks again", Invariants.None));
            return;
        }

        var step = CommandStep(own);
        var broken = BrokenBy(state.Word, step, isClients: false);
        if (own.Command == ModelCommand.Hint)
        {
            var isNearer =
                CircuitWord.GenerationOf(step.Word) == CircuitWord.GenerationOf(own.Seen)
                && CircuitWord.StateOf(step.Word) == CircuitState.Open
                && CircuitWord.BreakEnd(step.Word) < CircuitWord.BreakEnd(own.Seen);
            broken |= isNearer ? Invariants.None : Invariants.BreakEndStaysI9;
        }
        else
        {
            var hasWon =
                CircuitWord.StateOf(step.Word) == TargetOf(own.Command)
                && CircuitWord.GenerationOf(step.Word) == CircuitWord.GenerationOf(own.Seen) + 1;
            broken |= hasWon ? Invariants.None : Invariants.OperatorWinsI10;
        }

        Publish(state, client, step, default, "publishes a command", broken, moves);
    }

    private CircuitStep CommandStep(ModelClient own) =>
        own.Command switch
        {
            ModelCommand.Reset => _steps.Reset(own.Seen),
            ModelCommand.Hint => _steps.Hint(own.Seen, TimeAt(own.SeenAt)),
            _ => _steps.Force(own.Seen, TargetOf(own.Command), TimeAt(own.SeenAt), _rules),
        };

    private static CircuitState TargetOf(ModelCommand command) =>
        command switch
        {
            ModelCommand.ForceOpen => CircuitState.ForcedOpen,
            ModelCommand.Disable => CircuitState.Disabled,
            ModelCommand.MeasureOnly => CircuitState.MetricsOnly,
            _ => CircuitState.Closed,
        };

    private static void Publish(
        in ModelState state,
        int client,
        CircuitStep step,
        ModelClient own,
        string what,
        Invariants broken,
        List<ModelMove> moves
    )
    {
        var next = state.With(client, own) with { Word = step.Word };
        if (CircuitWord.GenerationOf(step.Word) != CircuitWord.GenerationOf(state.Word))
        {
            next = next with { Lost = 0, Run = 0, LastFailureAt = 0 };
        }

        moves.Add(new(next, client, what, broken));
    }

    /// <summary>What any published step breaks that does not look like one.</summary>
    private static Invariants BrokenBy(ulong word, CircuitStep step, bool isClients)
    {
        var broken = Invariants.None;
        var (from, to) = (CircuitWord.StateOf(word), CircuitWord.StateOf(step.Word));
        var generations = CircuitWord.GenerationOf(step.Word) - CircuitWord.GenerationOf(word);
        var isTransition = step.Has(CircuitEffect.Transition);
        if (generations != (isTransition ? 1 : 0) || (from != to && !isTransition))
        {
            broken |= Invariants.TransitionsAreGenerationsI5;
        }

        if (isClients && from == CircuitState.Open && to == CircuitState.Open && step.Word != word)
        {
            broken |= Invariants.BreakEndStaysI9;
        }

        if (isClients && !CircuitWord.IsAutomatic(from) && (from != to || from != CircuitState.MetricsOnly))
        {
            broken |= Invariants.OperatorWinsI10;
        }

        return broken;
    }

    private static Invariants BrokenByOpening(ulong opened, long now) =>
        CircuitWord.BreakEnd(opened) == now + Tick ? Invariants.None : Invariants.BreakIsKeptI8;

    private bool GivesUpYoungTrial(in ModelState state, byte seenAt)
    {
        var generation = CircuitWord.GenerationOf(state.Word);
        for (var client = 0; client < _terms.Clients; client++)
        {
            var other = state[client];
            if (other.HoldsTrial && other.Generation == generation && seenAt - other.GrantedAt < 2)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A trial's age counts from the look at the clock with which it was granted.</summary>
    private static ModelClient Admitted(CircuitStep step, byte seenAt) =>
        step.Has(CircuitEffect.Admitted)
            ? new ModelClient(
                0,
                ModelPhase.Holding,
                0,
                (byte)CircuitWord.GenerationOf(step.Word),
                step.Has(CircuitEffect.Trial),
                step.Has(CircuitEffect.Trial) ? seenAt : (byte)0,
                0
            )
            : default;

    private static void Lose(in ModelState state, int client, List<ModelMove> moves)
    {
        var own = state[client];
        var isMissed =
            own.IsTrial
            && CircuitWord.StateOf(state.Word) == CircuitState.HalfOpen
            && own.Generation == CircuitWord.GenerationOf(state.Word);
        var next = isMissed ? state with { Lost = (byte)Math.Min(state.Lost + 1, MostLost) } : state;
        moves.Add(new(next.With(client, default), client, "is lost with its permit", Invariants.None));
    }
}
