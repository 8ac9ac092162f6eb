using Resilience.Backends;
using Resilience.CircuitBreaking;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.CircuitBreaking;

/// <summary>The rows about circuits that say what they are for rather than what one step does.</summary>
public sealed class CircuitRowsTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly FakeTime _time = new();

    [Fact]
    public void Circuit_FromFailingToRecovered_FailsFastAndTestsBetween_R80_R135_R154()
    {
        var circuit = Create(failures: 3, seconds: 5);
        var reached = new List<CircuitState> { circuit.State };
        var calls = 0;

        for (var i = 0; i < 5; i++)
        {
            Call(circuit, CircuitOutcome.Failure, ref calls);
        }

        reached.Add(circuit.State);
        calls.Should().Be(3, "the fourth and the fifth fail without a call");
        _time.Advance(TimeSpan.FromSeconds(5.1));
        circuit.TryAcquire(out var trial);
        reached.Add(circuit.State);
        Call(circuit, CircuitOutcome.Success, ref calls);
        calls.Should().Be(3, "one call tests, the others wait for what it finds");
        trial.Report(CircuitOutcome.Success);
        Call(circuit, CircuitOutcome.Success, ref calls);
        reached.Add(circuit.State);

        reached.Should().Equal(CircuitState.Closed, CircuitState.Open, CircuitState.HalfOpen, CircuitState.Closed);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 60)]
    [InlineData(4_095, 43_200)]
    public void Circuit_AnyThresholdAndBreak_TakesBoth_R81_R136(int failures, double seconds)
    {
        var circuit = Create(failures, seconds);
        var calls = 0;

        while (circuit.State == CircuitState.Closed)
        {
            Call(circuit, CircuitOutcome.Failure, ref calls);
        }

        calls.Should().Be(failures);
        circuit.RetryAfter.TotalSeconds.Should().BeApproximately(seconds, 0.01);
        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromMilliseconds(1));
        circuit.TryAcquire(out _).Should().BeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(10));
        circuit.TryAcquire(out _).Should().BeTrue();
    }

    [Fact]
    public void Circuit_CallsOfAnEarlierGeneration_AreIgnored_R137_R150()
    {
        var circuit = Create(failures: 2, seconds: 5);
        circuit.TryAcquire(out var fromBefore);
        circuit.TryAcquire(out var alsoFromBefore);
        circuit.Reset();
        var calls = 0;
        Call(circuit, CircuitOutcome.Failure, ref calls);

        fromBefore.Report(CircuitOutcome.Failure);
        alsoFromBefore.Report(CircuitOutcome.Success);

        circuit.State.Should().Be(CircuitState.Closed, "the old failure does not make the second one");
        Call(circuit, CircuitOutcome.Failure, ref calls);
        circuit.State.Should().Be(CircuitState.Open, "the old success has not ended the run");
        circuit.TakeSnapshot().Stale.Should().Be(2);
    }

    [Fact]
    public void Circuit_Refusing_NeverMakesTheCall_R153_R186()
    {
        var circuit = Create(failures: 1, seconds: 5);
        var calls = 0;
        Call(circuit, CircuitOutcome.Failure, ref calls);
        var made = 0;

        for (var i = 0; i < 1_000; i++)
        {
            FluentActions.Invoking(() => circuit.Execute(() => made++)).Should().Throw<CircuitOpenException>();
        }

        made.Should().Be(0);
        circuit.TakeSnapshot().Rejected.Should().Be(1_000);
    }

    [Fact]
    public void Circuit_OfOneBackendOpens_TheOthersAreNotTouched_R85()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(2), "a", "b");
        var (a, b) = (pool.Find("a")!, pool.Find("b")!);
        b.Fail();

        a.Fail(times: 2);

        a.Circuit.State.Should().Be(CircuitState.Open);
        b.Circuit.State.Should().Be(CircuitState.Closed, "each backend has a circuit of its own");
        a.TryLease().Should().BeNull();
        b.TryLease().Should().NotBeNull();
    }

    [Fact]
    public void Circuit_BesideProbes_RefusesWhereTheyOnlyAdvise_R151()
    {
        using var pool = Pools.Create(_time, Pools.CircuitsOpenAfter(2), "a");
        var backend = pool.Find("a")!;
        backend.SetAlive(false);
        _time.Advance(Pools.Rest);

        pool.TryLease().Should().NotBeNull("nothing else is left, and a verdict of probes is advice");
        backend.SetAlive(true);
        backend.Fail(times: 2);
        _time.Advance(Pools.Rest);

        backend.ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
        pool.TryLease().Should().BeNull("the circuit fails fast whatever the probes say");
    }

    [Fact]
    public void Circuit_AThreadIsHeldUpInTheMiddleOfAStep_NobodyWaitsForIt_R116_R117()
    {
        // Without a lock: whoever is stopped between the look and the exchange holds nothing that others need.
        var time = new HeldTime();
        var circuit = new CircuitBreaker(
            "held",
            new CircuitBreakerOptions { ConsecutiveFailures = 2, Jitter = 0 },
            time,
            new ScriptedRandom(0)
        );
        circuit.TryAcquire(out var permit);
        using var held = time.HoldNextLook();
        var thread = new Thread(() => permit.Report(CircuitOutcome.Failure)) { IsBackground = true };
        thread.Start();
        held.WaitUntilHeld(Limit);
        var calls = 0;

        Call(circuit, CircuitOutcome.Failure, ref calls);
        Call(circuit, CircuitOutcome.Failure, ref calls);
        Call(circuit, CircuitOutcome.Success, ref calls);

        circuit.State.Should().Be(CircuitState.Open);
        calls.Should().Be(2);
        held.Release();
        thread.Join(Limit).Should().BeTrue();
        circuit.State.Should().Be(CircuitState.Open);
        circuit.TakeSnapshot().Should().Match<CircuitSnapshot>(each => each.Stale == 1 && each.Generation == 2);
    }

    private static void Call(CircuitBreaker circuit, CircuitOutcome outcome, ref int calls)
    {
        if (circuit.TryAcquire(out var permit))
        {
            calls++;
            permit.Report(outcome);
        }
    }

    private CircuitBreaker Create(int failures, double seconds) =>
        new(
            "rows",
            new CircuitBreakerOptions
            {
                ConsecutiveFailures = failures,
                BreakDuration = TimeSpan.FromSeconds(seconds),
                MaxBreakDuration = TimeSpan.FromHours(12),
                Jitter = 0,
            },
            _time,
            new ScriptedRandom(0)
        );

    /// <summary>A clock that stands still, and stops the next thread that looks at it if told so.</summary>
    private sealed class HeldTime : TimeProvider
    {
        private Hold? _next;

        public override long GetTimestamp()
        {
            Interlocked.Exchange(ref _next, null)?.Wait();
            return 0;
        }

        public Hold HoldNextLook() => _next = new Hold();

        public sealed class Hold : IDisposable
        {
            private readonly ManualResetEventSlim _held = new();
            private readonly ManualResetEventSlim _released = new();

            public void Wait()
            {
                _held.Set();
                _released.Wait(Limit);
            }

            public void WaitUntilHeld(TimeSpan limit) => _held.Wait(limit).Should().BeTrue();

            public void Release() => _released.Set();

            public void Dispose()
            {
                _held.Dispose();
                _released.Dispose();
            }
        }
    }
}
