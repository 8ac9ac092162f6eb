using FsCheck;
using FsCheck.Fluent;
using Resilience.CircuitBreaking;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>
/// Any sequence of steps that one thread can take must leave the circuit as it leaves <see cref="CircuitOracle"/>: its
/// state, its counts, all that its snapshot shows. Each byte is one step, so that a failing sequence shrinks to the steps
/// that matter.
/// </summary>
[Trait("Category", "Slow")]
public sealed class CircuitModelTests
{
    /// <summary>
    /// Where the sequences begin that must go everywhere: whether they do must not change from run to run. Those that
    /// look for a difference begin somewhere else each time.
    /// </summary>
    private static readonly (ulong Seed, ulong Gamma) Everywhere = (20261121, 4711);

    private static readonly Dictionary<string, CircuitOracle.Terms> AllTerms = new()
    {
        ["one failure, one trial"] = new(Trials: 1, Successes: 1) { Failures = 1 },
        ["three failures, two trials close"] = new(Trials: 1, Successes: 2) { Failures = 3 },
        ["two trials at once, three close"] = new(Trials: 2, Successes: 3) { Failures = 2 },
        ["three trials at once, two decide"] = new(Trials: 3, Successes: 2) { Failures = 2 },
        ["two of three trials close"] = new(Trials: 2, Successes: 2, Spare: 1) { Failures = 1 },
        ["two of five trials close"] = new(Trials: 3, Successes: 2, Spare: 3) { Failures = 2 },
        ["half of the calls fail"] = new(Trials: 1, Successes: 1) { FailureRate = 0.5 },
        ["all calls fail within a short time"] = new(Trials: 2, Successes: 2) { FailureRate = 1, Sampling = 20 },
        ["half of the calls are slow"] = new(Trials: 1, Successes: 1) { Slow = 6 },
        ["every rule together"] = new(Trials: 2, Successes: 2, Spare: 1)
        {
            Failures = 4,
            FailureRate = 0.6,
            Slow = 9,
            SlowRate = 0.7,
            Throughput = 6,
            HasGenerator = true,
        },
        ["the failure says how long"] = new(Trials: 1, Successes: 2) { Failures = 2, HasGenerator = true },
        ["begins open"] = new(Trials: 1, Successes: 1) { Failures = 2, Start = CircuitState.Open },
        ["begins half-open"] = new(Trials: 2, Successes: 2) { Failures = 2, Start = CircuitState.HalfOpen },
        ["begins forced open"] = new(Trials: 1, Successes: 1) { Failures = 1, Start = CircuitState.ForcedOpen },
        ["begins disabled"] = new(Trials: 1, Successes: 1) { Failures = 1, Start = CircuitState.Disabled },
        ["begins with a dry run"] = new(Trials: 1, Successes: 1)
        {
            Failures = 3,
            FailureRate = 0.5,
            Start = CircuitState.MetricsOnly,
        },
    };

    public static TheoryData<string> Names => [.. AllTerms.Keys];

    [Theory]
    [Trait("Category", "Property")]
    [MemberData(nameof(Names))]
    public void AnySequenceOfSteps_BehavesAsTheOracle(string name)
    {
        var terms = AllTerms[name];

        Prop.ForAll<byte[]>(steps => new Run(terms).Take(steps))
            .Check(Properties.Config.WithMaxTest(600).WithEndSize(250));
    }

    [Fact]
    [Trait("Category", "Property")]
    public void AnySequenceOfSteps_ComesToEveryState()
    {
        // The sequences are worth something only if they go everywhere.
        var changes = new HashSet<(CircuitState, CircuitState)>();

        Prop.ForAll<byte[]>(steps =>
            {
                var run = new Run(AllTerms["three failures, two trials close"]);
                run.Take(steps);
                changes.UnionWith(run.Oracle.Changes);
            })
            .Check(
                Config
                    .QuickThrowOnFailure.WithMaxTest(1_500)
                    .WithEndSize(250)
                    .WithReplay(Everywhere.Seed, Everywhere.Gamma)
            );

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

    [Fact]
    [Trait("Category", "Property")]
    public void AnySequenceOfSteps_OpensForEveryReason()
    {
        var reasons = new HashSet<CircuitChangeReason>();
        var (stale, wouldOpens) = (0, 0);

        Prop.ForAll<byte[]>(steps =>
            {
                var run = new Run(AllTerms["every rule together"]);
                run.Take(steps);
                reasons.UnionWith(run.Oracle.Reasons);
                stale += run.Oracle.Stale;
                wouldOpens += run.Oracle.WouldOpens;
            })
            .Check(
                Config
                    .QuickThrowOnFailure.WithMaxTest(600)
                    .WithEndSize(250)
                    .WithReplay(Everywhere.Seed, Everywhere.Gamma)
            );

        reasons
            .Should()
            .BeEquivalentTo(Enum.GetValues<CircuitChangeReason>().Except([CircuitChangeReason.Configuration]));
        stale.Should().BePositive();
        wouldOpens.Should().BePositive();
    }

    private sealed class Run
    {
        private readonly CircuitOracle.Terms _terms;
        private readonly CircuitFixture _fixture;
        private readonly List<(CircuitTicket Real, CircuitOracle.Permit Model, double At)> _out = [];
        private readonly List<(CircuitTicket Real, CircuitOracle.Permit Model)> _succeeded = [];
        private readonly List<string> _log = [];
        private double _now;

        public Run(CircuitOracle.Terms terms)
        {
            _terms = terms;
            Oracle = new CircuitOracle(terms);
            _fixture = new CircuitFixture(options =>
            {
                options.InitialState = terms.Start;
                options.ConsecutiveFailures = terms.Failures;
                options.FailureRate = terms.FailureRate;
                options.SlowCallDuration = terms.Slow is { } slow ? TimeSpan.FromSeconds(slow) : null;
                options.SlowCallRate = terms.SlowRate;
                options.SamplingDuration = TimeSpan.FromSeconds(terms.Sampling);
                options.MinimumThroughput = terms.Throughput;
                options.HalfOpenTrials = terms.Trials;
                options.SuccessThreshold = terms.Successes;
                options.HalfOpenTrialCount = terms.Tested;
                options.FailureWindow = TimeSpan.FromSeconds(terms.Window);
                options.BreakDuration = TimeSpan.FromSeconds(terms.Break);
                options.MaxBreakDuration = TimeSpan.FromSeconds(terms.MaxBreak);
                options.HalfOpenExpiry = TimeSpan.FromSeconds(terms.Expiry);
                options.BreakDurationGenerator = terms.HasGenerator ? AskedBreak : null;
            });
        }

        public CircuitOracle Oracle { get; }

        public void Take(byte[] steps)
        {
            foreach (var step in steps)
            {
                Take(step);
                Compare();
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

        private void Compare()
        {
            var snapshot = _fixture.Circuit.TakeSnapshot();
            Verify(snapshot.State == Oracle.State, "the states differ");
            Verify(_fixture.Circuit.State == Oracle.State, "the state differs from the snapshot's");
            Verify(_fixture.Owner.Calls >= Oracle.Changes.Count, "a change was not told");
            Verify(snapshot.Generation == Oracle.Reasons.Count + 1, "the generations differ");
            Verify(snapshot.ConsecutiveFailures == Oracle.Run, "the runs differ");
            Verify(snapshot.Successes == Oracle.Successes, "the successes differ");
            Verify(snapshot.Failures == Oracle.Failures, "the failures differ");
            Verify(snapshot.Ignored == Oracle.Ignored, "the ignored differ");
            Verify(snapshot.Rejected == Oracle.Rejected, "the rejected differ");
            Verify(snapshot.Stale == Oracle.Stale, "the stale differ");
            Verify(snapshot.SlowCalls == Oracle.SlowCalls, "the slow differ");
            Verify(snapshot.FailureRate == Oracle.FailureShare(_now), "the shares of failures differ");
            Verify(snapshot.SlowCallRate == Oracle.SlowShare(_now), "the shares of slow calls differ");
            Verify(snapshot.LastFailure == Oracle.LastFailure, "the last failures differ");
            Verify(
                Oracle.Reasons.Count == 0
                    ? snapshot.LastChange is null
                    : snapshot.LastChange?.Reason == Oracle.Reasons[^1] && snapshot.LastChange.To == Oracle.State,
                "the last changes differ"
            );
            var wait = Oracle.RetryAfter(_now);
            Verify(
                wait is null
                    ? snapshot.RetryAfter == Timeout.InfiniteTimeSpan
                    : snapshot.RetryAfter.TotalSeconds - wait is >= 0 and < 0.2,
                "the waits differ"
            );
        }

        /// <summary>Cheap while it holds: this runs some hundred thousand times.</summary>
        private void Verify(bool holds, string otherwise)
        {
            if (!holds)
            {
                throw new InvalidOperationException(
                    $"{otherwise}: circuit {_fixture.Circuit.TakeSnapshot()}, oracle {Oracle.State}, run {Oracle.Run}, "
                        + $"share {Oracle.FailureShare(_now)}, slow {Oracle.SlowShare(_now)}, "
                        + $"wait {Oracle.RetryAfter(_now)}, after {string.Join(", ", _log)}"
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
                _out.Add((permit, expected, _now));
            }
        }

        private void Report(int which, CircuitOutcome outcome)
        {
            if (_out.Count > 0)
            {
                // Old permits stay out for long, so that stale reports are frequent; a call never reported is a hung one.
                var at = which % 3 == 0 ? 0 : _out.Count - 1;
                var (real, model, since) = _out[at];
                _out.RemoveAt(at);
                _log.Add($"{outcome} of {at}");
                // Some failures say nothing, some how long the break should be, and of these some say too long.
                var failing = outcome == CircuitOutcome.Failure && which > 3 ? Failing(which) : null;
                _fixture.Circuit.Report(real, outcome, TimeSpan.FromSeconds(_now - since).Ticks, failing);
                Oracle.Report(model, outcome, _now, _now - since >= _terms.Slow, failing);
                if (outcome == CircuitOutcome.Success)
                {
                    _succeeded.Add((real, model));
                }
            }

            static CircuitOracle.Failing Failing(int which) => new(which is > 4 and < 10 ? which * 3 : null);
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

        private TimeSpan? AskedBreak(CircuitFailure failure)
        {
            Verify(failure.Openings == Oracle.Openings, "the openings told differ");
            return failure.Exception is CircuitOracle.Failing { Asked: { } seconds }
                ? TimeSpan.FromSeconds(seconds)
                : null;
        }
    }
}
