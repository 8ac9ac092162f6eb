using Resilience.Timeouts;

namespace Resilience.Tests.Timeouts;

/// <summary>Law 16: which times are refused, and in which words.</summary>
public sealed class TimeoutOptionsTests
{
    private readonly TimeoutOptions _options = new();

    [Fact]
    public void Defaults_AreGood() => Problems().Should().BeEmpty();

    [Fact]
    public void Infinite_IsNoLimit()
    {
        _options.Total = Timeout.InfiniteTimeSpan;
        _options.Attempt = Timeout.InfiniteTimeSpan;
        _options.IdleRead = Timeout.InfiniteTimeSpan;
        _options.IdleWrite = Timeout.InfiniteTimeSpan;

        Problems().Should().BeEmpty();
    }

    [Fact]
    public void AttemptWithoutATotal_MayBeAnything()
    {
        _options.Total = Timeout.InfiniteTimeSpan;
        _options.Attempt = TimeSpan.FromHours(1);

        Problems().Should().BeEmpty();
    }

    [Fact]
    public void AttemptBeyondTheTotal_IsRefused()
    {
        _options.Total = TimeSpan.FromSeconds(2);
        _options.Attempt = TimeSpan.FromSeconds(3);

        Problems()
            .Should()
            .Equal("Attempt is 00:00:03, longer than Total (00:00:02); an attempt must fit into the whole request");
    }

    [Fact]
    public void AttemptAsLongAsTheTotal_Fits()
    {
        _options.Attempt = _options.Total;

        Problems().Should().BeEmpty();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    [InlineData(12 * 3_600_000 + 1)]
    [InlineData(-2)]
    public void TimesOutOfTheirRange_AreNamed(int milliseconds)
    {
        var time = TimeSpan.FromMilliseconds(milliseconds);
        (_options.Total, _options.Attempt, _options.IdleRead, _options.IdleWrite) = (time, time, time, time);

        Problems().Select(problem => problem.Split(' ')[0]).Should().Equal("Total", "Attempt", "IdleRead", "IdleWrite");
    }

    [Theory]
    [InlineData("", "is no header name")]
    [InlineData("a b", "is no header name")]
    [InlineData("X-\u00dc", "is no header name")]
    [InlineData("Content-Type", "is a header of contents, not of requests")]
    [InlineData("HOST", "is the transport's own")]
    [InlineData("Transfer-Encoding", "is the transport's own")]
    public void DeadlineHeader_ThatNoRequestCanHave_IsRefused(string name, string reason)
    {
        _options.DeadlineHeader = name;

        Problems()
            .Should()
            .Equal(
                $"DeadlineHeader is '{name}', which {reason}; must be a request header's name, such as X-Deadline-Milliseconds"
            );
    }

    private IEnumerable<string> Problems() =>
        _options.Problems().Where(each => each.Problem is not null).Select(each => $"{each.Option} {each.Problem}");
}
