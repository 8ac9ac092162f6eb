using System.Collections.Concurrent;
using Resilience.Primitives;
using Resilience.Tests.Infrastructure;
using Resilience.Timeouts;

namespace Resilience.Tests.Timeouts;

public sealed class TimeLimitTests
{
    private static readonly TimeSpan Long = TimeSpan.FromHours(1);

    private readonly FakeTime _time = new();
    private readonly Clock _clock;

    public TimeLimitTests()
    {
        _clock = new Clock(_time);
    }

    public static TheoryData<TimeSpan> Unlimited =>
        new(Timeout.InfiniteTimeSpan, TimeSpan.MaxValue, TimeSpan.FromDays(50), TimeSpan.FromDays(100_000));

    [Fact]
    public void Token_TimeIsUp_Ends()
    {
        var limit = TimeLimit.Start(_clock, TimeSpan.FromSeconds(10), CancellationToken.None);
        var token = limit.Token;
        _time.Advance(TimeSpan.FromSeconds(9.9));
        token.IsCancellationRequested.Should().BeFalse();

        _time.Advance(TimeSpan.FromSeconds(0.1));

        token.IsCancellationRequested.Should().BeTrue();
        limit.HasEnded.Should().BeTrue();
        limit.End(isTokenFree: true);
    }

    /// <summary>Law 13: it is thrown on a timer's thread, where it would end the process.</summary>
    [Fact]
    public void Token_TimeIsUpAndARegistrationThrows_EndsAllTheSame()
    {
        var limit = TimeLimit.Start(_clock, TimeSpan.FromSeconds(10), CancellationToken.None);
        var heard = 0;
        limit.Token.Register(() => heard++);
        limit.Token.Register(() => throw new NotSupportedException("registration"));

        _time.Invoking(time => time.Advance(TimeSpan.FromSeconds(10))).Should().NotThrow();

        limit.HasEnded.Should().BeTrue();
        heard.Should().Be(1);
        limit.End(isTokenFree: true);
    }

    [Fact]
    public void Token_CallerCancels_EndsAtOnce_R98()
    {
        using var caller = new CancellationTokenSource();
        var limit = TimeLimit.Start(_clock, TimeSpan.FromSeconds(10), caller.Token);
        var token = limit.Token;

        caller.Cancel();

        token.IsCancellationRequested.Should().BeTrue();
        limit.HasEnded.Should().BeTrue();
        limit.End(isTokenFree: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Start_CallerHasCancelledBefore_HasEndedAtOnce(bool isSystem)
    {
        var clock = isSystem ? Clock.System : _clock;

        var limit = TimeLimit.Start(clock, Long, new CancellationToken(canceled: true));

        limit.HasEnded.Should().BeTrue();
        limit.End(isTokenFree: true);
    }

    [Theory]
    [MemberData(nameof(Unlimited))]
    public void Start_NoLimitOrLongerThanAnyTimerHolds_EndsByTheCallerOnly(TimeSpan time)
    {
        foreach (var clock in new[] { _clock, Clock.System })
        {
            using var caller = new CancellationTokenSource();
            var limit = TimeLimit.Start(clock, time, caller.Token);
            _time.Advance(TimeSpan.FromDays(365));
            limit.HasEnded.Should().BeFalse();

            caller.Cancel();

            limit.HasEnded.Should().BeTrue();
            limit.End(isTokenFree: true);
        }
    }

    [Fact]
    public void Token_WithoutALimit_IsNone()
    {
        default(TimeLimit).Token.Should().Be(CancellationToken.None);
        default(TimeLimit).HasEnded.Should().BeFalse();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void End_TokenStillHeld_NeitherTimeNorCallerEndsIt(bool isFree)
    {
        // On a fake clock a free token's source is disposed, which must not end the token either.
        using var caller = new CancellationTokenSource();
        var limit = TimeLimit.Start(_clock, TimeSpan.FromSeconds(10), caller.Token);
        var token = limit.Token;

        limit.End(isFree);
        caller.Cancel();
        _time.Advance(Long);

        token.IsCancellationRequested.Should().BeFalse();
    }

    [Fact]
    public void End_FakeTime_LeavesNoTimerBehind()
    {
        var limit = TimeLimit.Start(_clock, Long, CancellationToken.None);
        _time.ArmedTimers.Should().Be(1);

        limit.End(isTokenFree: true);

        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void End_Twice_DoesNothing()
    {
        var limit = TimeLimit.Start(Clock.System, Long, CancellationToken.None);
        limit.End(isTokenFree: true);
        var other = TimeLimit.Start(Clock.System, Long, CancellationToken.None);

        limit.End(isTokenFree: true);
        var third = TimeLimit.Start(Clock.System, Long, CancellationToken.None);

        third.Token.Should().NotBe(other.Token, "a source kept twice would serve two requests at once");
        other.End(isTokenFree: true);
        third.End(isTokenFree: true);
    }

    [Fact]
    public void Start_AfterAFreeTokensEnd_TakesTheSameSource()
    {
        var first = TimeLimit.Start(Clock.System, Long, CancellationToken.None);
        var token = first.Token;
        first.End(isTokenFree: true);

        var second = TimeLimit.Start(Clock.System, Long, CancellationToken.None);

        second.Token.Should().Be(token, "it is pooled");
        second.End(isTokenFree: true);
    }

    [Fact]
    public void Start_AfterTheEndOfATokenThatIsHeld_TakesAnotherSource()
    {
        var first = TimeLimit.Start(Clock.System, Long, CancellationToken.None);
        var held = first.Token;
        first.End(isTokenFree: false);

        var second = TimeLimit.Start(Clock.System, Long, CancellationToken.None);

        second.Token.Should().NotBe(held);
        second.End(isTokenFree: true);
    }

    /// <summary>The watch serves on, its token does not: whoever has kept that is not ended by another's work.</summary>
    [Fact]
    public void Cancel_OfTheNextOwner_DoesNotReachATokenThatIsHeld()
    {
        using var caller = new CancellationTokenSource();
        var first = TimeLimit.Start(Clock.System, Long, CancellationToken.None);
        var held = first.Token;
        first.End(isTokenFree: false);
        var second = TimeLimit.Start(Clock.System, Long, caller.Token);

        caller.Cancel();

        second.Token.IsCancellationRequested.Should().BeTrue();
        held.IsCancellationRequested.Should().BeFalse();
        second.End(isTokenFree: false);
    }

    [Fact]
    public void Start_AfterACancelledOneWhoseTokenIsHeld_IsFresh()
    {
        using var caller = new CancellationTokenSource();
        var first = TimeLimit.Start(Clock.System, Long, caller.Token);
        caller.Cancel();
        first.End(isTokenFree: false);

        var second = TimeLimit.Start(Clock.System, Long, CancellationToken.None);

        second.HasEnded.Should().BeFalse();
        second.Token.IsCancellationRequested.Should().BeFalse();
        second.End(isTokenFree: true);
    }

    [Fact]
    public void Start_AfterACancelledOne_IsFresh()
    {
        using var caller = new CancellationTokenSource();
        var first = TimeLimit.Start(Clock.System, Long, caller.Token);
        caller.Cancel();
        first.End(isTokenFree: true);

        var second = TimeLimit.Start(Clock.System, Long, CancellationToken.None);

        second.HasEnded.Should().BeFalse();
        second.End(isTokenFree: true);
    }

    [Fact]
    public void Start_EarlierCallerCancelsLate_TheNextRequestDoesNotNotice()
    {
        using var earlier = new CancellationTokenSource();
        var first = TimeLimit.Start(Clock.System, Long, earlier.Token);
        first.End(isTokenFree: true);
        var second = TimeLimit.Start(Clock.System, Long, CancellationToken.None);

        earlier.Cancel();

        second.HasEnded.Should().BeFalse();
        second.End(isTokenFree: true);
    }

    [Fact]
    public void Start_EarlierUserOfTheTokenRegisteredAndForgot_IsNotCalledByTheNextRequest()
    {
        var calls = 0;
        using var caller = new CancellationTokenSource();
        var first = TimeLimit.Start(Clock.System, Long, CancellationToken.None);
        first.Token.UnsafeRegister(_ => calls++, null);
        first.End(isTokenFree: true);
        var second = TimeLimit.Start(Clock.System, Long, caller.Token);

        caller.Cancel();

        second.HasEnded.Should().BeTrue();
        calls.Should().Be(0);
        second.End(isTokenFree: true);
    }

    [Fact]
    public void End_InsideTheCallersCancellation_DoesNotWaitForItself()
    {
        using var caller = new CancellationTokenSource();
        var limit = TimeLimit.Start(Clock.System, Long, caller.Token);
        var hasEnded = false;
        // As a continuation does that the transport runs where it learns of the cancellation.
        limit.Token.UnsafeRegister(
            _ =>
            {
                limit.End(isTokenFree: true);
                hasEnded = true;
            },
            null
        );

        caller.Cancel();

        hasEnded.Should().BeTrue();
    }

    [Fact]
    public void StartAndEnd_WarmedUp_AllocateNothing_Law11()
    {
        using var caller = new CancellationTokenSource();
        Run(caller.Token);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run(caller.Token);

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        static void Run(CancellationToken token)
        {
            for (var i = 0; i < 100; i++)
            {
                var limit = TimeLimit.Start(Clock.System, Long, token);
                limit.End(isTokenFree: true);
            }
        }
    }

    [Fact]
    public void Start_ManyThreadsCallersAndRealTimers_NoCancellationLeaksIntoTheNextRequest()
    {
        const int Threads = 4;
        const int Requests = 2_000;
        var callers = new ConcurrentQueue<CancellationTokenSource>();
        var problems = new ConcurrentQueue<Exception>();
        var isOver = false;
        var leaks = 0;
        var ended = 0;
        // Cancels callers around the moment at which their requests end.
        var canceller = new Thread(() =>
        {
            while (!Volatile.Read(ref isOver) || !callers.IsEmpty)
            {
                if (callers.TryDequeue(out var caller))
                {
                    try
                    {
                        caller.Cancel();
                    }
                    catch (AggregateException exception)
                    {
                        problems.Enqueue(exception);
                    }
                }
            }
        })
        {
            IsBackground = true,
        };
        canceller.Start();

        Together.Run(
            Threads,
            thread =>
            {
                var random = new Random(thread);
                for (var i = 0; i < Requests; i++)
                {
                    var disturbed = i % 2 == 0;
                    using var unused = disturbed ? null : new CancellationTokenSource();
                    var caller = unused ?? new CancellationTokenSource();
                    // Some disturbed ones race with the timer, the others with their callers.
                    var isTimed = disturbed && random.Next(4) == 0;
                    var time = isTimed ? TimeSpan.FromMilliseconds(random.Next(1, 3)) : Long;
                    var limit = TimeLimit.Start(Clock.System, time, caller.Token);
                    if (disturbed && !isTimed)
                    {
                        callers.Enqueue(caller);
                    }

                    Thread.SpinWait(random.Next(isTimed ? 20_000 : 300));
                    if (limit.HasEnded)
                    {
                        Interlocked.Increment(ref disturbed ? ref ended : ref leaks);
                    }

                    limit.End(isTokenFree: true);
                }
            }
        );
        Volatile.Write(ref isOver, true);
        canceller.Join();

        problems.Should().BeEmpty("no caller reaches a source that has been given away");
        leaks.Should().Be(0, "half of the requests have a long time and a caller that never cancels");
        ended.Should().BePositive("the other half is ended under way, or the race was none");
    }
}
