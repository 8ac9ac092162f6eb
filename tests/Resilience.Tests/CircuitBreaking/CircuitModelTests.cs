using FsCheck;
using FsCheck.Fluent;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// Any sequence of steps that one thread can take must leave the circuit as it leaves <see cref="CircuitOracle"/>. Each
/// byte is one step, so that a failing sequence shrinks to the steps that matter.
/// </summary>
public sealed class CircuitModelTests
{
    [Theory]
    [InlineData(1, 1, 1, 0)]
    [InlineData(3, 1, 2, 0)]
    [InlineData(2, 2, 3, 0)]
    [InlineData(2, 3, 2, 0)]
    [InlineData(1, 2, 2, 1)]
    [InlineData(2, 3, 2, 3)]
    public void AnySequenceOfSteps_BehavesAsTheOracle(int failures, int trials, int successes, int spare)
    {
        var terms = new CircuitOracle.Terms(failures, trials, successes, Spare: spare);

        Prop.ForAll<byte[]>(steps => new Run(terms).Take(steps))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_500).WithEndSize(250));
    }

    [Fact]
    public void AnySequenceOfSteps_ComesToEveryState()
    {
        // The sequences are worth something only if they go everywhere.
        var changes = new HashSet<(CircuitState, CircuitState)>();

        Prop.ForAll<byte[]>(steps =>
            {
                var run = new Run(new CircuitOracle.Terms(3, 1, 2));
                run.Take(steps);
                changes.UnionWith(run.Oracle.Changes);
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(1_500).WithEndSize(250));

        CircuitState[] forced = [CircuitState.ForcedOpen, CircuitState.Disabled, CircuitState.MetricsOnly];
        changes
            .Should()
            .BeEquivalentTo([
                (CircuitState.Closed, CircuitState.Open),
                (CircuitState.Open, CircuitState.HalfOpen),
                (CircuitState.Open, CircuitState.Closed),
                (CircuitState.HalfOpen, CircuitState.Open),
                (CircuitState.HalfOpen, CircuitState.Closed),
                .. from state in forced
                from other in Enum.GetValues<CircuitState>()
                where other != state
                select (other, state),
                .. forced.Select(state => (state, CircuitState.Closed)),
            ]);
    }

    private sealed class Run
    {
        private readonly CircuitFixture _fixture;
        private readonly List<(CircuitTicket Real, CircuitOracle.Permit Model)> _out = [];
        private readonly List<(CircuitTicket Real, CircuitOracle.Permit Model)> _succeeded = [];
        private readonly List<string> _log = [];
        private double _now;

        public Run(CircuitOracle.Terms terms)
        {
            Oracle = new CircuitOracle(terms);
            _fixture = new CircuitFixture(options =>
            {
                options.ConsecutiveFailures = terms.Failures;
                options.HalfOpenTrials = terms.Trials;
                options.SuccessThreshold = terms.Successes;
                options.HalfOpenTrialCount = terms.Tested;
                options.FailureWindow = TimeSpan.FromSeconds(terms.Window);
                options.BreakDuration = TimeSpan.FromSeconds(terms.Break);
                options.MaxBreakDuration = TimeSpan.FromSeconds(terms.MaxBreak);
                options.HalfOpenExpiry = TimeSpan.FromSeconds(terms.Expiry);
            });
        }

        public CircuitOracle Oracle { get; }

        public void Take(byte[] steps)
        {
            foreach (var step in steps)
            {
                Take(step);
                Verify(_fixture.Circuit.State == Oracle.State, "the states differ");
                Verify(_fixture.Owner.Calls >= Oracle.Changes.Count, "a change was not told");
            }

            _fixture.Owner.Changes.Should().Equal(Oracle.Changes);
            _fixture.Owner.WouldOpens.Should().Be(Oracle.WouldOpens);
        }

        private void Take(byte step)
        {
            var which = step >> 4;
            switch (step & 15)
            {
                case <= 4:
                    Acquire();
                    break;
                case <= 6:
                    Report(which, CircuitOutcome.Success);
                    break;
                case <= 10:
                    Report(which, CircuitOutcome.Failure);
                    break;
                case 11:
                    Report(which, CircuitOutcome.Neutral);
                    break;
                case 12 when which == 0 || (which is 1 or 2 or 7 && !CircuitWord.IsAutomatic(Oracle.State)):
                    _log.Add("reset");
                    _fixture.Circuit.Reset();
                    Oracle.Reset();
                    break;
                case 12 when which < 4:
                    _log.Add("hint");
                    _fixture.Circuit.Hint();
                    Oracle.Hint(_now);
                    break;
                case 12 when which < 7:
                    Force(which - 4 + CircuitState.ForcedOpen);
                    break;
                case 12:
                    ReportLate(which);
                    break;
                default:
                    // Mostly short, sometimes past an expiry.
                    var seconds = which < 12 ? which : which * 3;
                    _log.Add($"+{seconds} s");
                    _fixture.Advance(seconds);
                    _now += seconds;
                    break;
            }
        }

        /// <summary>Cheap while it holds: this runs some hundred thousand times.</summary>
        private void Verify(bool holds, string otherwise)
        {
            if (!holds)
            {
                throw new InvalidOperationException(
                    $"{otherwise}: circuit {_fixture.Circuit.State}, oracle {Oracle.State}, after {string.Join(", ", _log)}"
                );
            }
        }

        private void Force(CircuitState state)
        {
            _log.Add($"force {state}");
            switch (state)
            {
                case CircuitState.ForcedOpen:
                    _fixture.Circuit.ForceOpen();
                    break;
                case CircuitState.Disabled:
                    _fixture.Circuit.Disable();
                    break;
                default:
                    _fixture.Circuit.MeasureOnly();
                    break;
            }

            Oracle.Force(state);
        }

        private void Acquire()
        {
            var isAdmitted = _fixture.Circuit.TryAcquireTicket(out var permit);
            var expected = Oracle.TryAcquire(_now);
            _log.Add(isAdmitted ? "acquire" : "acquire (refused)");
            Verify(isAdmitted == (expected is not null), "only one of the two admits");
            if (expected is not null)
            {
                Verify(permit.IsTrial == expected.IsTrial, "only one of the two takes it for a trial");
                _out.Add((permit, expected));
            }
        }

        private void Report(int which, CircuitOutcome outcome)
        {
            if (_out.Count > 0)
            {
                // Old permits stay out for long, so that stale reports are frequent; a call never reported is a hung one.
                var at = which % 3 == 0 ? 0 : _out.Count - 1;
                var (real, model) = _out[at];
                _out.RemoveAt(at);
                _log.Add($"{outcome} of {at}");
                _fixture.Circuit.Report(real, outcome);
                Oracle.Report(model, outcome, _now);
                if (outcome == CircuitOutcome.Success)
                {
                    _succeeded.Add((real, model));
                }
            }
        }

        private void ReportLate(int which)
        {
            if (_succeeded.Count > 0)
            {
                var at = which % 2 == 0 ? 0 : _succeeded.Count - 1;
                var (real, model) = _succeeded[at];
                _succeeded.RemoveAt(at);
                _log.Add($"late failure of {at}");
                _fixture.Circuit.ReportLateFailure(real);
                Oracle.ReportLate(model, _now);
            }
        }
    }
}
