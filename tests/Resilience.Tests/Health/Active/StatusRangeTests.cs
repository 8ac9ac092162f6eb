using Resilience.Health.Active;

namespace Resilience.Tests.Health.Active;

public sealed class StatusRangeTests
{
    [Theory]
    [InlineData("200", 200, 200)]
    [InlineData("100-599", 100, 599)]
    [InlineData("200-299", 200, 299)]
    [InlineData(" 200 - 204 ", 200, 204)]
    [InlineData("204-204", 204, 204)]
    public void TryParse_StatusOrRange_IsRead(string text, int first, int last)
    {
        StatusRange.TryParse(text, out var range).Should().BeTrue();

        range.Should().Be(new StatusRange(first, last));
        StatusRange.Problem(text).Should().BeNull();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("-")]
    [InlineData("200-")]
    [InlineData("-200")]
    [InlineData("200-204-206")]
    [InlineData("204-200")]
    [InlineData("99")]
    [InlineData("600")]
    [InlineData("2xx")]
    [InlineData("+200")]
    [InlineData("200.0")]
    public void TryParse_AnythingElse_IsRefusedWithAReason(string? text)
    {
        StatusRange.TryParse(text, out _).Should().BeFalse();

        StatusRange.Problem(text).Should().StartWith($"is '{text}', must be a status such as 200 or a range");
    }

    [Theory]
    [InlineData(199, false)]
    [InlineData(200, true)]
    [InlineData(250, true)]
    [InlineData(299, true)]
    [InlineData(300, false)]
    public void Contains_BothEndsIncluded(int status, bool isContained) =>
        new StatusRange(200, 299).Contains(status).Should().Be(isContained);
}
