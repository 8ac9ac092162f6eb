using Resilience.Primitives;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Primitives;

/// <summary>Law 14: time is a dependency.</summary>
public sealed class ClockTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public void Constructor_OnAnyProvider_StartsBothScalesAtZero()
    {
        _time.Advance(TimeSpan.FromHours(7));

        var clock = new Clock(_time);

        clock.Milliseconds.Should().Be(0);
        clock.Ticks.Should().Be(0);
        clock.IsSystem.Should().BeFalse();
    }

    [Fact]
    public void Milliseconds_AfterAnAdvance_AreThatMuchLater()
    {
        var clock = new Clock(_time);

        _time.Advance(TimeSpan.FromMilliseconds(1_234.9));

        clock.Milliseconds.Should().Be(1_234);
        clock.Ticks.Should().Be(12_349_000);
    }

    [Fact]
    public void MillisecondsAndTicks_WallClockSetBack_DoNotNotice()
    {
        var clock = new Clock(_time);
        _time.Advance(TimeSpan.FromSeconds(5));

        _time.ShiftUtc(TimeSpan.FromDays(-2));

        clock.Milliseconds.Should().Be(5_000);
        clock.Ticks.Should().Be(TimeSpan.FromSeconds(5).Ticks);
        clock.UtcNow.Should().Be(_time.GetUtcNow());
    }

    [Theory]
    [InlineData(1_000)]
    [InlineData(3_579_545)]
    [InlineData(1_000_000_000)]
    public void Ticks_ProviderOfAnotherFrequency_AreTicksAllTheSame(long frequency)
    {
        var provider = new OtherFrequency(frequency);
        var clock = new Clock(provider);

        provider.Timestamp += 90 * frequency;

        clock.Ticks.Should().BeCloseTo(TimeSpan.FromSeconds(90).Ticks, 1);
        clock.Milliseconds.Should().BeInRange(89_999, 90_000);
    }

    [Fact]
    public void System_ReadAgain_NeverGoesBack()
    {
        var clock = Clock.System;
        var (milliseconds, ticks) = (clock.Milliseconds, clock.Ticks);

        clock.IsSystem.Should().BeTrue();
        clock.Milliseconds.Should().BeGreaterThanOrEqualTo(milliseconds);
        clock.Ticks.Should().BeGreaterThanOrEqualTo(ticks);
        milliseconds.Should().BeGreaterThanOrEqualTo(0);
    }

    [Fact]
    public void Of_TheSystemsTime_IsTheOneClockThatAllShare()
    {
        Clock.Of(null).Should().BeSameAs(Clock.System);
        Clock.Of(TimeProvider.System).Should().BeSameAs(Clock.System);
        Clock.Of(_time).Should().NotBeSameAs(Clock.System);
        Clock.Of(_time).Provider.Should().BeSameAs(_time);
    }

    [Fact]
    public void Milliseconds_OfAClockJustMade_BeginWithIt()
    {
        new Clock(TimeProvider.System).Milliseconds.Should().BeLessThan(60_000);
    }

    [Fact]
    public void RunBehindQueued_OnAnotherClock_RunsOnceInItsNextMoment()
    {
        var ran = new List<string>();

        new Clock(_time).RunBehindQueued(ran.Add, "state");

        ran.Should().BeEmpty("it waits for its turn");
        _time.Advance(TimeSpan.Zero);
        ran.Should().Equal("state");
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public async Task RunBehindQueued_OnTheSystemsClock_RunsOnThePool()
    {
        var ran = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);

        Clock.System.RunBehindQueued(source => source.SetResult(Thread.CurrentThread.IsThreadPoolThread), ran);

        (await ran.Task.WaitAsync(TimeSpan.FromSeconds(15))).Should().BeTrue();
    }

    [Fact]
    public void CreateTimer_WhereNoContextFlows_IsMadeAllTheSame()
    {
        using var flow = ExecutionContext.SuppressFlow();

        using var timer = new Clock(_time).CreateTimer(static _ => { }, null);

        timer.Should().NotBeNull();
        ExecutionContext.IsFlowSuppressed().Should().BeTrue("it is the caller's to undo");
    }

    [Fact]
    public void CreateTimer_NotArmed_DoesNotFire()
    {
        var fired = 0;
        using var timer = new Clock(_time).CreateTimer(_ => fired++, null);

        _time.Advance(TimeSpan.FromDays(1));

        fired.Should().Be(0);
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void CreateTimer_Armed_FiresWithItsState()
    {
        var fired = new List<object?>();
        using var timer = new Clock(_time).CreateTimer(fired.Add, "state");

        timer.Change(TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        _time.Advance(TimeSpan.FromSeconds(3));

        fired.Should().Equal("state");
    }

    [Fact]
    public void CreateTimer_CreatorHasAmbientState_TheTimerDoesNotCarryIt()
    {
        var provider = new OtherFrequency(1_000);

        using var timer = new Clock(provider).CreateTimer(_ => { }, null);

        provider.WasFlowSuppressed.Should().BeTrue();
        ExecutionContext.IsFlowSuppressed().Should().BeFalse("it is suppressed for the creation alone");
    }

    [Fact]
    public void CreateTimer_FlowAlreadySuppressed_LeavesItSo()
    {
        using var suppressed = ExecutionContext.SuppressFlow();

        using var timer = new Clock(_time).CreateTimer(_ => { }, null);

        ExecutionContext.IsFlowSuppressed().Should().BeTrue();
    }

    [Fact]
    public async Task Delay_TimePasses_Ends()
    {
        var delay = new Clock(_time).Delay(TimeSpan.FromSeconds(10), CancellationToken.None);
        _time.Advance(TimeSpan.FromSeconds(9));
        delay.IsCompleted.Should().BeFalse();

        _time.Advance(TimeSpan.FromSeconds(1));

        await delay.WaitAsync(TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task Delay_Cancelled_EndsAtOnce_R92()
    {
        using var source = new CancellationTokenSource();
        var delay = new Clock(_time).Delay(TimeSpan.FromSeconds(10), source.Token);

        await source.CancelAsync();

        var waiting = () => delay.WaitAsync(TimeSpan.FromSeconds(15));
        await waiting.Should().ThrowAsync<OperationCanceledException>();
    }

    private sealed class OtherFrequency(long frequency) : TimeProvider
    {
        public long Timestamp { get; set; } = 12_345;

        public bool WasFlowSuppressed { get; private set; }

        public override long TimestampFrequency => frequency;

        public override long GetTimestamp() => Timestamp;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            WasFlowSuppressed = ExecutionContext.IsFlowSuppressed();
            return new FakeTime().CreateTimer(callback, state, dueTime, period);
        }
    }
}
