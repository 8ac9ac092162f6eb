using Microsoft.Extensions.Logging;
using Resilience.Primitives;
using Resilience.Telemetry;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Telemetry;

/// <summary>A storm does not flood the log, and a logger that throws harms nobody.</summary>
public sealed class PoolLoggerTests : IDisposable
{
    private const int LeftOut = 112;

    private static readonly TimeSpan Period = TimeSpan.FromSeconds(10);

    private readonly FakeTime _time = new();
    private readonly CollectingLoggerFactory _logs = new();
    private readonly PoolLogger _logger;

    public PoolLoggerTests()
    {
        _logger = new PoolLogger(_logs.CreateLogger("pool"), "catalog", new Clock(_time));
    }

    public void Dispose() => _logger.Dispose();

    [Fact]
    public void Log_AsManyAsTheLimit_AreAllWrittenAndNoTimerIsArmed()
    {
        Write(PoolLogger.MostLines);

        _logs.Entries.Should().HaveCount(PoolLogger.MostLines);
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void Log_MoreThanTheLimit_AreLeftOutAndCountedWhenThePeriodIsOver()
    {
        Write(PoolLogger.MostLines + 1_234);
        var during = _logs.Entries.Count;

        _time.Advance(Period);

        during.Should().Be(PoolLogger.MostLines);
        var line = _logs.Entries.Should().HaveCount(PoolLogger.MostLines + 1).And.Subject.Last();
        line.EventId.Id.Should().Be(LeftOut);
        line.Level.Should().Be(LogLevel.Warning);
        line["Count"].Should().Be(1_234);
        line["Event"].Should().Be(7);
        line["Pool"].Should().Be("catalog");
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void Log_WithAnException_TenInAPeriod()
    {
        Write(1_000, exception: new InvalidOperationException());

        _logs.Entries.Should().HaveCount(PoolLogger.MostExceptions);
    }

    [Fact]
    public void Log_OfAnotherEvent_HasALimitOfItsOwn()
    {
        Write(1_000, id: 7);
        Write(1, id: 8);

        _logs.Entries.Should().ContainSingle(entry => entry.EventId.Id == 8);
    }

    [Fact]
    public void Log_BelowInformation_IsNotCounted()
    {
        Write(1_000, level: LogLevel.Debug);
        Write(1);

        _logs.Entries.Should().HaveCount(1_001);
    }

    [Fact]
    public void Log_StormsForAMinute_IsBoundedAndEveryLineIsWrittenOrCounted()
    {
        for (var second = 0; second < 60; second++)
        {
            Write(1_000);
            _time.Advance(TimeSpan.FromSeconds(1));
        }

        _time.Advance(Period);

        var written = _logs.Entries.Count(entry => entry.EventId.Id == 7);
        written.Should().BeLessThanOrEqualTo(7 * PoolLogger.MostLines);
        var counted = _logs.Entries.Where(entry => entry.EventId.Id == LeftOut).Sum(entry => (int)entry["Count"]!);
        (written + counted).Should().Be(60_000);
    }

    /// <summary>Each begins its period with its own first line, so their ends are apart.</summary>
    [Fact]
    public void Log_TwoEventsAtDifferentTimes_EachIsCountedAtItsEnd()
    {
        Write(PoolLogger.MostLines + 1, id: 7);
        _time.Advance(TimeSpan.FromSeconds(4));
        Write(PoolLogger.MostLines + 2, id: 8);

        _time.Advance(TimeSpan.FromSeconds(6));
        var first = Counts();
        _time.Advance(TimeSpan.FromSeconds(4));

        first.Should().Equal((7, 1));
        Counts().Should().Equal((7, 1), (8, 2));
    }

    [Fact]
    public void Dispose_InAStorm_SaysWhatWasLeftOutAndLeavesNoTimer()
    {
        Write(PoolLogger.MostLines + 5);

        _logger.Dispose();

        Counts().Should().Equal((7, 5));
        _time.ArmedTimers.Should().Be(0);
    }

    [Fact]
    public void Log_ByManyThreads_EveryLineIsWrittenOrCountedOnce()
    {
        Together.Run(4, _ => Write(5_000));
        _time.Advance(Period);

        _logs.Entries.Count(entry => entry.EventId.Id == 7).Should().Be(PoolLogger.MostLines);
        Counts().Should().Equal((7, 20_000 - PoolLogger.MostLines));
    }

    [Fact]
    public void Log_TheApplicationsLoggerThrows_GoesNoFurther()
    {
        var throwing = new ThrowingLoggerFactory();
        using var logger = new PoolLogger(throwing, "catalog", new Clock(_time));

        LogMessages.FailOpenBegan(logger, "catalog");

        throwing.Lines.Should().Be(1);
    }

    private (int Event, int Count)[] Counts() =>
        [
            .. _logs
                .Entries.Where(entry => entry.EventId.Id == LeftOut)
                .Select(entry => ((int)entry["Event"]!, (int)entry["Count"]!)),
        ];

    private void Write(int count, int id = 7, LogLevel level = LogLevel.Warning, Exception? exception = null)
    {
        for (var i = 0; i < count; i++)
        {
            _logger.Log(level, new EventId(id), i, exception, static (state, _) => state.ToString());
        }
    }
}
