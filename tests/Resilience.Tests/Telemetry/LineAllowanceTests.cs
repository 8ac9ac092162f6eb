using System.Collections.Concurrent;
using Resilience.Telemetry;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Telemetry;

/// <summary>
/// How many lines may be written, and who sees to it that the others are told of: looked up after the count, "the first" was
/// nobody where two had been left out at once.
/// </summary>
public sealed class LineAllowanceTests
{
    private const long Period = 10_000;

    private readonly LineAllowance _allowance = new(limit: 2);

    [Fact]
    public void Judge_LinesOfOnePeriod_OneOfThoseLeftOutIsTheFirst()
    {
        Judge(0, 1, 2, 3, 4)
            .Should()
            .Equal(
                LineVerdict.Written,
                LineVerdict.Written,
                LineVerdict.FirstLeftOut,
                LineVerdict.LeftOut,
                LineVerdict.LeftOut
            );
        _allowance.LeftOut.Should().Be(3);
    }

    [Fact]
    public void Judge_ThePeriodIsOver_BeginsAnewAndSaysWhatWasLeftOut()
    {
        Judge(0, 1, 2, 3);

        var verdict = _allowance.Judge(Period, Period, out var leftOut);

        verdict.Should().Be(LineVerdict.Written);
        leftOut.Should().Be(2);
        _allowance.End(Period, Period, atOnce: true).Should().Be(0, "it has been told");
    }

    [Fact]
    public void Judge_ByManyThreads_ExactlyOneIsTheFirstLeftOut()
    {
        var verdicts = new ConcurrentQueue<LineVerdict>();

        Together.Run(
            4,
            _ =>
            {
                for (var i = 0; i < 1_000; i++)
                {
                    verdicts.Enqueue(_allowance.Judge(0, Period, out _));
                }
            }
        );

        verdicts.Count(each => each == LineVerdict.Written).Should().Be(2);
        verdicts.Count(each => each == LineVerdict.FirstLeftOut).Should().Be(1);
    }

    private LineVerdict[] Judge(params long[] times) => [.. times.Select(now => _allowance.Judge(now, Period, out _))];
}
