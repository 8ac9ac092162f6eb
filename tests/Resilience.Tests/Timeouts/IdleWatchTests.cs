using Resilience.Primitives;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Timeouts;

/// <summary>Many waits, one timer: it ends the one that lasts too long, and no other (R97).</summary>
public sealed class IdleWatchTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(1);

    private readonly FakeTime _time = new();

    [Fact]
    public void Take_BeforeAnyWait_ArmsNothing()
    {
        Take();

        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void BeginWait_ForTheLimit_EndsTheTokenAndSaysSo()
    {
        var watch = Take();

        watch.BeginWait();
        _time.Advance(Limit - Moment);
        var hadEnded = watch.Token.IsCancellationRequested;
        _time.Advance(Moment);

        hadEnded.Should().BeFalse();
        watch.Token.IsCancellationRequested.Should().BeTrue();
        watch.EndWait().Should().BeTrue();
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void BeginWait_AgainAndAgain_CountsEachByItself()
    {
        var watch = Take();

        for (var i = 0; i < 20; i++)
        {
            watch.BeginWait();
            _time.Advance(0.9 * Limit);
            watch.EndWait().Should().BeFalse($"wait {i} was short enough");
            _time.Advance(0.3 * Limit);
        }

        watch.Token.IsCancellationRequested.Should().BeFalse();
    }

    [Theory]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(0.9)]
    public void BeginWait_WhileTheTimerOfAnEarlierOneRuns_IsEndedAtItsOwnTime(double part)
    {
        var watch = Take();
        watch.BeginWait();
        _time.Advance(part * Limit);
        watch.EndWait();

        watch.BeginWait();
        _time.Advance(Limit - Moment);
        var hadEnded = watch.Token.IsCancellationRequested;
        _time.Advance(Moment);

        hadEnded.Should().BeFalse();
        watch.Token.IsCancellationRequested.Should().BeTrue();
    }

    /// <summary>A byte may have come while nothing could run: it gets a second to be read.</summary>
    [Theory]
    [InlineData(0.1)]
    [InlineData(60)]
    public void BeginWait_ProcessCouldNotRunUntilLate_IsEndedASecondLater(double late)
    {
        var watch = Take();
        watch.BeginWait();
        _time.Stall(Limit + TimeSpan.FromSeconds(late));
        _time.Advance(TimeSpan.FromSeconds(1) - Moment);
        var hadEnded = watch.Token.IsCancellationRequested;

        _time.Advance(Moment);

        hadEnded.Should().BeFalse();
        watch.EndWait().Should().BeTrue();
    }

    [Theory]
    [InlineData(0.099)]
    [InlineData(15)]
    public void BeginWait_LateAsTimersAreOrAgainAfterAGrace_IsEndedAtOnce(double late)
    {
        var watch = Take();
        watch.BeginWait();
        if (late > 1)
        {
            _time.Stall(2 * Limit);
            _time.Advance(TimeSpan.Zero);
        }

        _time.Stall(Limit + TimeSpan.FromSeconds(late));
        _time.Advance(TimeSpan.Zero);

        watch.EndWait().Should().BeTrue();
    }

    [Fact]
    public void EndWait_WithinTheGrace_IsNoStallAndTheNextWaitHasItsWholeTime()
    {
        var watch = Take();
        watch.BeginWait();
        _time.Stall(2 * Limit);
        _time.Advance(TimeSpan.FromSeconds(0.5));
        var hasStalled = watch.EndWait();
        watch.BeginWait();
        _time.Advance(Limit - Moment);
        var hadEnded = watch.Token.IsCancellationRequested;

        _time.Advance(Moment);

        (hasStalled, hadEnded).Should().Be((false, false));
        watch.EndWait().Should().BeTrue();
    }

    [Fact]
    public void EndWait_NothingFollows_DisarmsTheTimerWhenItIsDueAndTheNextWaitArmsItAnew()
    {
        var watch = Take();
        watch.BeginWait();
        watch.EndWait();
        var armedAfter = _time.ArmedTimers;
        _time.Advance(Limit);
        var armedLater = _time.ArmedTimers;

        watch.BeginWait();
        var armedAgain = _time.ArmedTimers;
        _time.Advance(Limit);

        (armedAfter, armedLater, armedAgain).Should().Be((1, 0, 1), "one timer serves many waits, and rests with them");
        watch.EndWait().Should().BeTrue();
    }

    [Fact]
    public void BeginWait_ByTheThousand_ArmsOneTimerOnce()
    {
        var watch = Take();

        for (var i = 0; i < 1_000; i++)
        {
            watch.BeginWait();
            watch.EndWait();
        }

        _time.ArmedTimers.Should().Be(1);
        _time.NextDue.Should().Be(Limit);
    }

    [Fact]
    public void Link_CallersTokenEnds_EndsTheWatchsTokenButIsNoStall()
    {
        using var caller = new CancellationTokenSource();
        var watch = Take();
        watch.Link(caller.Token);
        watch.BeginWait();

        caller.Cancel();

        watch.Token.IsCancellationRequested.Should().BeTrue();
        watch.EndWait().Should().BeFalse();
    }

    [Fact]
    public void Unlink_CallersTokenEndsAfterwards_LeavesTheWatchAlone()
    {
        using var caller = new CancellationTokenSource();
        var watch = Take();
        watch.Link(caller.Token);

        watch.Unlink();
        caller.Cancel();

        watch.Token.IsCancellationRequested.Should().BeFalse();
    }

    [Fact]
    public void Release_WithTheTimerArmed_LeavesNothingArmed()
    {
        var watch = Take();
        watch.BeginWait();
        watch.EndWait();

        watch.Release();

        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void Release_OnTheRealClock_LetsTheSameWatchServeAgain()
    {
        var first = IdleWatch.Take(Clock.System, Limit);
        first.BeginWait();
        first.EndWait();

        first.Release();

        // The pool keeps one at hand for each thread.
        var second = IdleWatch.Take(Clock.System, Limit);
        second.Should().BeSameAs(first);
        second.Token.IsCancellationRequested.Should().BeFalse();
    }

    [Fact]
    public void Release_AfterAStallOnTheRealClock_NeverServesAgain()
    {
        var stalled = IdleWatch.Take(Clock.System, Moment);
        stalled.BeginWait();
        stalled.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(30)).Should().BeTrue();
        stalled.EndWait().Should().BeTrue();

        stalled.Release();

        var next = IdleWatch.Take(Clock.System, Moment);
        next.Should().NotBeSameAs(stalled);
        next.Token.IsCancellationRequested.Should().BeFalse();
    }

    [Fact]
    public void Release_StillLinked_IsNotTheNextOwnersEnd() // law 3
    {
        using var caller = new CancellationTokenSource();
        var first = IdleWatch.Take(Clock.System, Limit);
        first.Link(caller.Token);

        first.Release();
        var second = IdleWatch.Take(Clock.System, Limit);
        caller.Cancel();

        second.Should().BeSameAs(first, "the pool keeps one at hand for each thread");
        second.Token.IsCancellationRequested.Should().BeFalse();
        second.Release();
    }

    /// <summary>A content may leave a write behind that it no longer waits for.</summary>
    [Fact]
    public void Release_UnderAWait_NeverServesAgain()
    {
        var abandoned = IdleWatch.Take(Clock.System, Limit);
        abandoned.BeginWait();

        abandoned.Release();

        IdleWatch.Take(Clock.System, Limit).Should().NotBeSameAs(abandoned);
    }

    [Fact]
    public void Take_ArmedForAnotherLimit_IsAnotherWatch()
    {
        // Its timer may be firing just now, by the old limit: nothing could make sure that the new one is kept.
        var first = IdleWatch.Take(Clock.System, Limit);
        first.BeginWait();
        first.EndWait();
        first.Release();

        IdleWatch.Take(Clock.System, 2 * Limit).Should().NotBeSameAs(first);
    }

    /// <summary>
    /// The time of a wait may be up just as it ends. The timer has then decided, but not ended the token yet: given back
    /// in between, the watch would end the next owner's read, which has only begun. Real time, since no other one is pooled.
    /// </summary>
    [Fact]
    public void Release_JustAsTheTimeIsUp_NeverEndsTheNextOwnersToken() // law 3
    {
        var limit = TimeSpan.FromMilliseconds(1);
        for (var i = 0; i < 200; i++)
        {
            var watch = IdleWatch.Take(Clock.System, limit);
            watch.Token.IsCancellationRequested.Should().BeFalse();
            // Ends at all moments around the time's end.
            var until = Clock.System.Ticks + (TimeSpan.TicksPerMillisecond * (9 + (i % 14)) / 10);
            watch.BeginWait();
            while (Clock.System.Ticks < until)
            {
                Thread.SpinWait(10);
            }

            watch.EndWait();
            watch.Release();
            var next = IdleWatch.Take(Clock.System, limit);
            Thread.SpinWait(2_000);
            next.Token.IsCancellationRequested.Should().BeFalse();
            next.Release();
        }
    }

    private IdleWatch Take() => IdleWatch.Take(new Clock(_time), Limit);
}
