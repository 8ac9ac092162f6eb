using FsCheck;
using FsCheck.Fluent;
using Resilience.Retries;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Retries;

/// <summary>Law 9: no retry storm.</summary>
public sealed class RetryBudgetTests
{
    private readonly FakeTime _time = new();

    [Fact]
    public void Balance_OfANewBudgetByDefault_IsTenASecondOverTenSeconds()
    {
        var budget = new RetryBudget(timeProvider: _time);

        budget.Balance.Should().Be(100);
    }

    [Fact]
    public void TryWithdraw_TenRequestsWithinTheTimeToLive_AllowsTheReserveAndTheShare_S53_R94_R95_R96()
    {
        var budget = Create(seconds: 1, minimum: 10, ratio: 0.2);
        Deposit(budget, 10);

        var allowed = WithdrawAll(budget);

        allowed.Should().Be(10 + 2);
    }

    [Fact]
    public void TryWithdraw_NoRequestsAtAll_TheReserveAllowsIt_S54()
    {
        var budget = Create(seconds: 1, minimum: 10, ratio: 0.2);
        _time.Advance(TimeSpan.FromMilliseconds(200));

        budget.TryWithdraw().Should().BeTrue();
    }

    [Fact]
    public void GiveBack_OfARetryThatWasNotMade_AllowsAnother()
    {
        var budget = Create(seconds: 10, minimum: 0.1, ratio: 0);
        budget.TryWithdraw(out var moment);
        var spent = budget.Balance;
        _time.Advance(TimeSpan.FromSeconds(5));

        budget.GiveBack(moment);

        spent.Should().Be(0);
        budget.Balance.Should().Be(1);
        budget.TryWithdraw().Should().BeTrue();
    }

    [Fact]
    public void GiveBack_AfterTheWindow_IsNobodysMoney()
    {
        var budget = Create(seconds: 10, minimum: 0.1, ratio: 0);
        budget.TryWithdraw(out var moment);
        _time.Advance(TimeSpan.FromSeconds(11));
        budget.TryWithdraw();

        budget.GiveBack(moment);

        budget.Balance.Should().Be(0);
    }

    [Fact]
    public void TryWithdraw_NoRequestsAndNoReserve_IsRefused()
    {
        var budget = Create(seconds: 1, minimum: 0, ratio: 0.2);
        _time.Advance(TimeSpan.FromMilliseconds(200));

        budget.TryWithdraw().Should().BeFalse();
    }

    [Fact]
    public void Balance_TimeToLiveHasPassed_KnowsOnlyTheNewRequest_S55()
    {
        var budget = Create(seconds: 0.1, minimum: 0, ratio: 1);
        Deposit(budget, 5);
        budget.TryWithdraw();
        budget.TryWithdraw();

        _time.Advance(TimeSpan.FromMilliseconds(150));
        budget.RecordRequest();

        budget.Balance.Should().Be(1, "one request and no retry are left");
    }

    [Fact]
    public void Balance_TwoRequestsAndOneRetry_IsTheirSum_S56()
    {
        var budget = Create(seconds: 1, minimum: 10, ratio: 0.5);
        Deposit(budget, 2);

        budget.TryWithdraw();

        budget.Balance.Should().Be(10 + 1 - 1);
    }

    [Fact]
    public void TryWithdraw_FullOutage_GivesTheReserveAloneInEveryWindow()
    {
        var budget = Create(seconds: 10, minimum: 10, ratio: 0.2);
        var granted = 0;

        for (var second = 0; second < 100; second++)
        {
            granted += WithdrawAll(budget);
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        granted.Should().Be(10 * 100, "ten a second, no request having succeeded");
    }

    [Fact]
    public void TryWithdraw_WithinTheWindow_IsNotGivenAgainBeforeItExpires()
    {
        var budget = Create(seconds: 10, minimum: 1, ratio: 0);
        WithdrawAll(budget).Should().Be(10);

        _time.Advance(TimeSpan.FromSeconds(9.9));
        var early = budget.TryWithdraw();
        _time.Advance(TimeSpan.FromSeconds(0.1));

        early.Should().BeFalse();
        WithdrawAll(budget).Should().Be(10);
    }

    [Fact]
    public void Balance_DepositsExpireOneAfterAnother_DoesNotStarveAllAtOnce()
    {
        // Point 19 of what the peers get wrong: a fixed window that starves after each reset.
        var budget = Create(seconds: 10, minimum: 0, ratio: 1);
        for (var second = 0; second < 10; second++)
        {
            budget.RecordRequest();
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        var balances = new List<int>();
        for (var second = 0; second < 10; second++)
        {
            balances.Add(budget.Balance);
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        balances.Should().Equal(9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    }

    [Fact]
    public void TryWithdraw_EveryRequestFailsAndAsksForMany_AmplifiesByTheShareAndTheReserveOnly_R118()
    {
        var budget = new RetryBudget(timeProvider: _time);
        var requests = 0;
        var retries = 0;
        for (var tenth = 0; tenth < 1_000; tenth++)
        {
            for (var i = 0; i < 50; i++)
            {
                requests++;
                budget.RecordRequest();
                // Each wants two more attempts.
                retries += budget.TryWithdraw() ? 1 : 0;
                retries += budget.TryWithdraw() ? 1 : 0;
            }

            _time.Advance(TimeSpan.FromMilliseconds(100));
        }

        // 100 seconds: 20 % of the requests and 10 a second; never more, and not noticeably less.
        retries.Should().BeInRange((int)(0.99 * ((0.2 * requests) + 1_000)), (int)(0.2 * requests) + 1_000);
    }

    [Fact]
    [Trait("Category", "Property")]
    public void TryWithdraw_AnySequence_NeverExceedsTheTermsWithinOneWindow() =>
        Prop.ForAll<byte[]>(steps =>
            {
                var time = new FakeTime();
                var budget = new RetryBudget(Options(seconds: 10, minimum: 0.5, ratio: 0.2), time);
                var (requests, retries) = (0, 0);
                foreach (var step in steps)
                {
                    // All of it within one window, so that nothing expires.
                    switch (step % 3)
                    {
                        case 0:
                            budget.RecordRequest();
                            requests++;
                            break;
                        case 1:
                            var isAllowed = retries + 1 <= 5 + (0.2 * requests);
                            if (budget.TryWithdraw() != isAllowed)
                            {
                                return false;
                            }

                            retries += isAllowed ? 1 : 0;
                            break;
                        default:
                            time.Advance(TimeSpan.FromMilliseconds(step % 40));
                            break;
                    }
                }

                return budget.Balance == (int)(5 + (0.2 * requests) - retries);
            })
            .Check(Properties.Config.WithMaxTest(500).WithEndSize(200));

    [Theory]
    [InlineData(0)]
    [InlineData(400)]
    public void TryWithdraw_ManyThreads_NeverOverdraw_Law9(int deposits)
    {
        const int Threads = 4;
        var budget = Create(seconds: 10, minimum: 50, ratio: 0.5);
        Deposit(budget, deposits);
        var granted = 0;

        Together.Run(
            Threads,
            _ =>
            {
                for (var i = 0; i < 5_000; i++)
                {
                    if (budget.TryWithdraw())
                    {
                        Interlocked.Increment(ref granted);
                    }
                }
            }
        );

        granted.Should().Be(500 + (deposits / 2));
        budget.Balance.Should().Be(0);
    }

    [Fact]
    public void TryWithdraw_ManyThreadsWhileTheBucketsTurn_NeverOverdraw_Law9()
    {
        const int Threads = 4;
        for (var round = 0; round < 20; round++)
        {
            var time = new FakeTime();
            // All withdrawals fall into one window of 10 s, but into many of its buckets.
            var budget = new RetryBudget(Options(seconds: 10, minimum: 20, ratio: 0), time);
            var granted = 0;

            Together.Run(
                Threads,
                thread =>
                {
                    for (var i = 0; i < 400; i++)
                    {
                        if (budget.TryWithdraw())
                        {
                            Interlocked.Increment(ref granted);
                        }

                        if (thread == 0 && i % 40 == 39 && i < 360)
                        {
                            time.Advance(TimeSpan.FromSeconds(1));
                        }
                    }
                }
            );

            granted.Should().BeLessThanOrEqualTo(200).And.BeGreaterThan(190);
        }
    }

    [Fact]
    public void Configure_NewTerms_KeepWhatIsDepositedAndTaken_Law15()
    {
        var budget = Create(seconds: 10, minimum: 1, ratio: 0.1);
        Deposit(budget, 100);
        for (var i = 0; i < 5; i++)
        {
            budget.TryWithdraw();
        }

        budget.Configure(Options(seconds: 10, minimum: 2, ratio: 0.5));

        budget.Balance.Should().Be(20 + 50 - 5);
    }

    [Fact]
    public void Configure_InvalidTerms_ThrowsAndKeepsTheOldOnes_Law15()
    {
        var budget = Create(seconds: 10, minimum: 1, ratio: 0.1);

        var configuring = () => budget.Configure(Options(seconds: 10, minimum: -1, ratio: 0.1));

        configuring.Should().Throw<ArgumentException>().WithMessage("The retry budget's options cannot be used: *");
        budget.Balance.Should().Be(10);
    }

    [Fact]
    public void Constructor_TermsOutOfRange_NamesThemAll_Law16()
    {
        var creating = () => new RetryBudget(Options(seconds: 3_601, minimum: 1_000_001, ratio: 10.1));

        creating
            .Should()
            .Throw<ArgumentException>()
            .Which.Message.Should()
            .ContainAll(
                "The retry budget's options cannot be used: ",
                "Ratio is 10.1",
                "MinimumPerSecond is 1000001",
                "Window is 01:00:01"
            );
    }

    [Fact]
    public void Balance_LargestTerms_DoesNotOverflow()
    {
        var budget = Create(seconds: 3_600, minimum: 1_000_000, ratio: 10);

        budget.Balance.Should().Be(int.MaxValue);
    }

    [Fact]
    public void RecordRequestAndTryWithdraw_AllocateNothing_Law11()
    {
        var budget = Create(seconds: 10, minimum: 10, ratio: 0.2);
        Run();

        var before = GC.GetAllocatedBytesForCurrentThread();
        Run();

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);

        void Run()
        {
            for (var i = 0; i < 200; i++)
            {
                budget.RecordRequest();
                budget.TryWithdraw();
            }
        }
    }

    private static RetryBudgetOptions Options(double seconds, double minimum, double ratio) =>
        new()
        {
            Window = TimeSpan.FromSeconds(seconds),
            MinimumPerSecond = minimum,
            Ratio = ratio,
        };

    private static void Deposit(RetryBudget budget, int requests)
    {
        for (var i = 0; i < requests; i++)
        {
            budget.RecordRequest();
        }
    }

    private static int WithdrawAll(RetryBudget budget)
    {
        var taken = 0;
        while (taken < 100_000 && budget.TryWithdraw())
        {
            taken++;
        }

        return taken;
    }

    private RetryBudget Create(double seconds, double minimum, double ratio) =>
        new(Options(seconds, minimum, ratio), _time);
}
