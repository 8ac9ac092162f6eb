namespace Resilience.IntegrationTests.Infrastructure;

public sealed class EventuallyTests
{
    [Fact]
    public async Task BecomesTrueAsync_ConditionTurnsTrue_Returns()
    {
        var asked = 0;

        await Eventually.BecomesTrueAsync(() => ++asked == 3, Limits.Wait, "asked three times");

        asked.Should().Be(3);
    }

    [Fact]
    public async Task BecomesTrueAsync_ConditionStaysFalse_SaysWhatWasWaitedFor()
    {
        var waiting = () => Eventually.BecomesTrueAsync(() => false, TimeSpan.Zero, "pigs fly");

        await waiting.Should().ThrowAsync<TimeoutException>().WithMessage("*pigs fly*");
    }

    [Fact]
    public async Task BecomesTrueAsync_ConditionThrows_PassesItOn()
    {
        Func<bool> broken = () => throw new InvalidDataException("broken");

        var waiting = () => Eventually.BecomesTrueAsync(broken, Limits.Wait, "anything");

        await waiting.Should().ThrowAsync<InvalidDataException>();
    }
}
