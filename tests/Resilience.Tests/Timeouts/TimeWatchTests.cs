using Resilience.Primitives;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Timeouts;

/// <summary>One timer for many pieces of work, each of which ends in its own time (R97).</summary>
public sealed class TimeWatchTests
{
    private readonly FakeTime _time = new();
    private readonly Clock _clock;
    private readonly TimeWatch _watch;

    public TimeWatchTests()
    {
        _clock = new Clock(_time);
        _watch = new TimeWatch(_clock);
    }

    [Fact]
    public void Begin_WorkAfterWork_TheTimerIsArmedOnce()
    {
        for (var i = 0; i < 10; i++)
        {
            Begin(seconds: 10);
            _time.Advance(TimeSpan.FromSeconds(0.5));
            _watch.TryReset();
        }

        _time.NextDue.Should().Be(TimeSpan.FromSeconds(5), "what the first work armed is left alone");
    }

    /// <summary>Of the real clock's watches the next owner gets a token that nobody holds, or none of theirs at all.</summary>
    [Fact]
    public void RealClock_WorkThatEndedInTime_CanServeAnother()
    {
        var watch = new TimeWatch();
        var first = watch.Token;
        watch.Begin(Clock.System.Ticks + TimeSpan.TicksPerHour);

        watch.TryReset().Should().BeTrue();
        watch.Token.Should().Be(first);
        watch.TryRenew().Should().BeTrue();
        watch.Token.Should().NotBe(first, "somebody may have kept that");
        watch.Abandon();
    }

    [Fact]
    public async Task RealClock_WorkWhoseTimeWasUp_ServesNobodyElse()
    {
        var (reset, renewed) = (new TimeWatch(), new TimeWatch());
        foreach (var watch in new[] { reset, renewed })
        {
            var ended = new TaskCompletionSource();
            watch.Token.Register(ended.SetResult);
            watch.Begin(Clock.System.Ticks);
            await ended.Task.WaitAsync(TimeSpan.FromSeconds(15));
        }

        reset.TryReset().Should().BeFalse();
        renewed.TryRenew().Should().BeFalse();
    }

    [Fact]
    public void AnotherClock_ServesNobodyElse()
    {
        Begin(seconds: 10);

        _watch.TryReset().Should().BeFalse("its timer is that clock's");
        _watch.TryRenew().Should().BeFalse();
    }

    [Fact]
    public void Begin_TimerFiresForAnEarlierWork_TheLaterOneHasItsWholeTime()
    {
        Begin(seconds: 10);
        _time.Advance(TimeSpan.FromSeconds(4));
        _watch.TryReset();
        Begin(seconds: 10);

        _time.Advance(TimeSpan.FromSeconds(9.9));
        _watch.HasEnded.Should().BeFalse();

        _time.Advance(TimeSpan.FromSeconds(0.1));
        _watch.HasEnded.Should().BeTrue();
    }

    [Fact]
    public void Begin_LessTimeThanTheWorkBefore_EndsInItsOwnTime()
    {
        Begin(seconds: 100);
        _watch.TryReset();
        Begin(seconds: 1);

        _time.Advance(TimeSpan.FromSeconds(1));

        _watch.HasEnded.Should().BeTrue();
    }

    /// <summary>An answer may have come while nothing could run: it gets a second to be read.</summary>
    [Theory]
    [InlineData(0.1)]
    [InlineData(60)]
    public void Look_ProcessCouldNotRunUntilLate_EndsASecondLater(double late)
    {
        Begin(seconds: 10);
        _time.Stall(TimeSpan.FromSeconds(10 + late));
        _time.Advance(TimeSpan.FromMilliseconds(999));
        var hadEnded = _watch.HasEnded;

        _time.Advance(TimeSpan.FromMilliseconds(1));

        hadEnded.Should().BeFalse();
        _watch.HasEnded.Should().BeTrue();
        _watch.WasHeldUp.Should().BeFalse("it could run for a whole second");
    }

    /// <summary>Timers are served before ordinary work: one in time does not say that this process can run.</summary>
    [Fact]
    public void Look_NoThreadForOrdinaryWork_EndsASecondLaterAndSaysSo()
    {
        Begin(seconds: 10);
        _time.HoldsOrdinaryWork = true;
        _time.Advance(TimeSpan.FromSeconds(10.999));
        var hadEnded = _watch.HasEnded;

        _time.Advance(TimeSpan.FromMilliseconds(1));

        hadEnded.Should().BeFalse();
        _watch.HasEnded.Should().BeTrue();
        _watch.WasHeldUp.Should().BeTrue();
    }

    /// <summary>Which of the two is first then is chance: timers that fire at once wait for one another.</summary>
    [Fact]
    public void Look_ThreadForOrdinaryWorkComesAfterThatSecond_SaysSo()
    {
        Begin(seconds: 10);
        _time.HoldsOrdinaryWork = true;
        _time.Advance(TimeSpan.FromSeconds(10));
        _time.Stall(TimeSpan.FromSeconds(3));

        _time.ReleaseOrdinaryWork();
        _time.Advance(TimeSpan.Zero);

        _watch.HasEnded.Should().BeTrue();
        _watch.WasHeldUp.Should().BeTrue();
    }

    [Fact]
    public void Look_InTime_WasNotHeldUp()
    {
        Begin(seconds: 10);

        _time.Advance(TimeSpan.FromSeconds(10));

        _watch.HasEnded.Should().BeTrue();
        _watch.WasHeldUp.Should().BeFalse();
        _time.ArmedTimers.Should().Be(0);
    }

    /// <summary>A thread that reads its answer by itself, or a content of one's own: nothing lies unread.</summary>
    [Fact]
    public void Look_WorkThatIsNotProlonged_EndsAtOnceHoweverLate()
    {
        _watch.Begin(_clock.Ticks + TimeSpan.FromSeconds(10).Ticks, isProlonged: false);
        _time.HoldsOrdinaryWork = true;
        _time.Stall(TimeSpan.FromSeconds(15));

        _time.Advance(TimeSpan.Zero);

        _watch.HasEnded.Should().BeTrue();
        _watch.WasHeldUp.Should().BeFalse();
    }

    [Fact]
    public void Look_AFewMillisecondsLateAsTimersAre_EndsAtOnce()
    {
        Begin(seconds: 10);
        _time.Stall(TimeSpan.FromSeconds(10.099));

        _time.Advance(TimeSpan.Zero);

        _watch.HasEnded.Should().BeTrue();
    }

    /// <summary>Else a process that never gets better would have no limit at all.</summary>
    [Fact]
    public void Look_LateAgainAfterTheGrace_EndsAtOnce()
    {
        Begin(seconds: 10);
        _time.Stall(TimeSpan.FromSeconds(15));
        _time.Advance(TimeSpan.Zero);
        _time.Stall(TimeSpan.FromSeconds(15));

        _time.Advance(TimeSpan.Zero);

        _watch.HasEnded.Should().BeTrue();
    }

    [Fact]
    public void Look_WorkEndsWithinTheGrace_TheNextHasItsWholeTime()
    {
        Begin(seconds: 10);
        _time.Stall(TimeSpan.FromSeconds(15));
        _time.Advance(TimeSpan.FromSeconds(0.5));
        _watch.TryReset();
        Begin(seconds: 10);
        _time.Advance(TimeSpan.FromSeconds(9.9));
        var hadEnded = _watch.HasEnded;

        _time.Advance(TimeSpan.FromSeconds(0.1));

        hadEnded.Should().BeFalse();
        _watch.HasEnded.Should().BeTrue();
    }

    /// <summary>The watch changes hands just as its timer looks: what begins is not left to the end of what was.</summary>
    [Fact]
    public void Look_ShorterWorkBeginsMeanwhile_IsEndedInItsOwnTime()
    {
        var time = new HookedTime(_time);
        var clock = new Clock(time);
        var watch = new TimeWatch(clock);
        var start = clock.Ticks;
        watch.Begin(start + TimeSpan.FromSeconds(1).Ticks);
        watch.TryReset();
        watch.Begin(start + TimeSpan.FromSeconds(10).Ticks);
        time.OnRead = () =>
        {
            watch.TryReset();
            watch.Begin(start + TimeSpan.FromSeconds(2).Ticks);
        };

        _time.Advance(TimeSpan.FromSeconds(2));

        watch.HasEnded.Should().BeTrue();
    }

    [Fact]
    public void Look_NothingUnderWay_ArmsNoTimer()
    {
        Begin(seconds: 10);
        _watch.TryReset();

        _time.Advance(TimeSpan.FromSeconds(10));

        _watch.HasEnded.Should().BeFalse();
        _time.ArmedTimers.Should().Be(0, "nothing is armed while nothing has to be watched");
    }

    [Fact]
    public void Begin_AfterTheTimerHasGoneToRest_ArmsItAgain()
    {
        Begin(seconds: 10);
        _watch.TryReset();
        _time.Advance(TimeSpan.FromSeconds(60));
        Begin(seconds: 10);

        _time.Advance(TimeSpan.FromSeconds(10));

        _watch.HasEnded.Should().BeTrue();
    }

    [Fact]
    public void TryReset_TimeHasEndedTheToken_ServesNobodyElse()
    {
        var watch = new TimeWatch();
        watch.Begin(Clock.System.Ticks);
        using var ended = new ManualResetEventSlim();
        watch.Token.UnsafeRegister(static ended => ((ManualResetEventSlim)ended!).Set(), ended);
        ended.Wait(TimeSpan.FromSeconds(30)).Should().BeTrue("its time was up when it began");

        watch.TryReset().Should().BeFalse();
    }

    [Fact]
    public void Begin_ManyThreadsOfShortAndLongWork_EachShortOneEndsAndNoLongOne()
    {
        // A watch that changes hands while its timer fires: what the timer of one work does must fit the next.
        const int Rounds = 200;
        var missed = 0;
        var wrong = 0;
        Together.Run(
            4,
            thread =>
            {
                var random = new SeededRandom(thread);
                for (var i = 0; i < Rounds; i++)
                {
                    var isShort = random.Next(2) == 0;
                    var time = isShort ? TimeSpan.FromMilliseconds(random.Next(1, 4)) : TimeSpan.FromHours(1);
                    var limit = TimeLimit.Start(Clock.System, time, CancellationToken.None);
                    if (isShort && random.Next(2) == 0)
                    {
                        var hasEnded = limit.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(30));
                        Interlocked.Add(ref missed, hasEnded ? 0 : 1);
                    }
                    else if (!isShort)
                    {
                        Thread.SpinWait(random.Next(20_000));
                        Interlocked.Add(ref wrong, limit.HasEnded ? 1 : 0);
                    }

                    limit.End(isTokenFree: true);
                }
            }
        );

        missed.Should().Be(0);
        wrong.Should().Be(0);
    }

    private void Begin(double seconds) => _watch.Begin(_clock.Ticks + TimeSpan.FromSeconds(seconds).Ticks);

    /// <summary>Does something at the next look at the clock.</summary>
    private sealed class HookedTime(FakeTime time) : TimeProvider
    {
        public Action? OnRead { get; set; }

        public override long TimestampFrequency => time.TimestampFrequency;

        public override long GetTimestamp()
        {
            var now = time.GetTimestamp();
            var hook = OnRead;
            OnRead = null;
            hook?.Invoke();
            return now;
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            time.CreateTimer(callback, state, dueTime, period);
    }
}
