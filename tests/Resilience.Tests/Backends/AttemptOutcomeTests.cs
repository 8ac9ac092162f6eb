using System.Runtime.CompilerServices;
using FsCheck;
using FsCheck.Fluent;
using Resilience.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Backends;

public sealed class AttemptOutcomeTests
{
    [Fact]
    [Trait("Category", "Property")]
    public void Values_OfAnyOutcome_AreThoseItWasMadeOf()
    {
        var outcomes =
            from kind in Gen.Elements(Enum.GetValues<OutcomeKind>())
            from failure in Gen.Elements(Enum.GetValues<FailureKind>())
            from status in Gen.Choose(0, 999)
            from flags in Gen.Choose(0, 3)
            from wait in Gen.Choose(-1, int.MaxValue)
            select (kind, failure, status, flags, wait);

        Prop.ForAll(
                outcomes.ToArbitrary(),
                each =>
                {
                    var (isRetryable, neverSent) = ((each.flags & 1) != 0, (each.flags & 2) != 0);
                    var retryAfter = each.wait < 0 ? (TimeSpan?)null : TimeSpan.FromMilliseconds(each.wait);

                    var made = new AttemptOutcome(
                        each.kind,
                        each.failure,
                        each.status,
                        isRetryable,
                        neverSent,
                        retryAfter
                    );
                    var changed = default(AttemptOutcome) with
                    {
                        RetryAfter = retryAfter,
                        NeverSent = neverSent,
                        IsRetryable = isRetryable,
                        StatusCode = each.status,
                        Failure = each.failure,
                        Kind = each.kind,
                    };

                    var (kind, failure, status, retryable, unsent, wait) = made;
                    (kind, failure, status, retryable, unsent, wait)
                        .Should()
                        .Be((each.kind, each.failure, each.status, isRetryable, neverSent, retryAfter));
                    changed.Should().Be(made);
                }
            )
            .Check(Properties.Config);
    }

    [Fact]
    public void With_EachFlag_LeavesTheOthersAlone()
    {
        var all = new AttemptOutcome(OutcomeKind.Neutral, IsRetryable: true, NeverSent: true);

        (all with { IsRetryable = false }).Should().Be(new AttemptOutcome(OutcomeKind.Neutral, NeverSent: true));
        (all with { NeverSent = false }).Should().Be(new AttemptOutcome(OutcomeKind.Neutral, IsRetryable: true));
        (all with { Kind = OutcomeKind.Success })
            .Should()
            .Be(new AttemptOutcome(OutcomeKind.Success, IsRetryable: true, NeverSent: true));
    }

    [Fact]
    public void Default_HasNothing()
    {
        var (kind, failure, status, isRetryable, neverSent, retryAfter) = default(AttemptOutcome);

        (kind, failure, status, isRetryable, neverSent, retryAfter)
            .Should()
            .Be((OutcomeKind.Success, FailureKind.None, 0, false, false, null));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, 1)] // 100 ns: nobody comes back too early
    [InlineData(10_000, 1)]
    [InlineData(10_001, 2)]
    [InlineData(-1, 0)]
    [InlineData(long.MaxValue, uint.MaxValue - 1)]
    [InlineData(long.MinValue, 0)]
    public void RetryAfter_IsKeptInWholeMillisecondsRoundedUp(long ticks, long milliseconds)
    {
        var outcome = new AttemptOutcome(OutcomeKind.Failure, RetryAfter: TimeSpan.FromTicks(ticks));

        outcome.RetryAfter.Should().Be(TimeSpan.FromMilliseconds(milliseconds));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1_000)]
    public void StatusCode_OutOfItsRange_IsRefused(int status)
    {
        var making = () => new AttemptOutcome(OutcomeKind.Success, StatusCode: status);

        making.Should().Throw<ArgumentOutOfRangeException>();
    }

    /// <summary>One stands in every lease, and every attempt has a lease: what it grows by, each request allocates.</summary>
    [Fact]
    public void Size_IsEightBytes()
    {
        Unsafe.SizeOf<AttemptOutcome>().Should().Be(8);
    }
}
