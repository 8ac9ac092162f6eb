using Microsoft.Extensions.Logging;
using Resilience.Health;
using Resilience.Tests.Backends;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health;

/// <summary>R28: how many are healthy, every so often.</summary>
public sealed class HealthSummaryTests
{
    private readonly FakeTime _time = new();
    private readonly CollectingLoggerFactory _logs = new();

    [Fact]
    public void Interval_Passes_WritesOneLine()
    {
        using var pool = Pools.Create(_time, "a", "b", "c");
        using var summary = new HealthSummary(pool, TimeSpan.FromSeconds(30), _logs);
        pool.Find("b")!.SetAlive(false);

        _time.Advance(TimeSpan.FromSeconds(30));

        var line = _logs.Entries.Should().ContainSingle().Subject;
        line.Level.Should().Be(LogLevel.Information);
        line.Message.Should().Be("Pool catalog: 2 of 3 backends are healthy");
        _time.Advance(TimeSpan.FromSeconds(60));
        _logs.Entries.Should().HaveCount(3);
    }

    /// <summary>It writes on a timer, where what comes out ends the process (law 13).</summary>
    [Fact]
    public void Logger_Throws_TheNextLineComesAllTheSame()
    {
        var logs = new ThrowingLoggerFactory();
        using var pool = Pools.Create(_time, "a");
        using var summary = new HealthSummary(pool, TimeSpan.FromSeconds(30), logs);

        _time.Advance(TimeSpan.FromSeconds(60));

        logs.Lines.Should().Be(2);
    }

    [Fact]
    public void Ended_WritesNothingMoreAndLeavesNoTimer()
    {
        using var pool = Pools.Create(_time, "a");
        var before = _time.ArmedTimers;
        var summary = new HealthSummary(pool, TimeSpan.FromSeconds(30), _logs);

        summary.Dispose();
        _time.Advance(TimeSpan.FromSeconds(90));

        _logs.Entries.Should().BeEmpty();
        _time.ArmedTimers.Should().Be(before);
    }

    [Fact]
    public void PoolEnds_EndsItToo()
    {
        var pool = Pools.Create(_time, "a");
        using var summary = new HealthSummary(pool, TimeSpan.FromSeconds(30), _logs);

        pool.Dispose();
        _time.Advance(TimeSpan.FromSeconds(90));

        _logs.Entries.Should().BeEmpty();
        _time.ArmedTimers.Should().Be(0);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(86_400)]
    public void Interval_OutOfRange_IsRefused(double seconds)
    {
        using var pool = Pools.Create(_time, "a");

        var create = () => new HealthSummary(pool, TimeSpan.FromSeconds(seconds), _logs);

        create.Should().Throw<ArgumentException>().WithMessage("*interval is*must be from 00:00:01 to 12:00:00*");
    }
}
