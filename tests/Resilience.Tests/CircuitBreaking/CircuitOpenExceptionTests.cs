using Resilience.CircuitBreaking;

namespace Resilience.Tests.CircuitBreaking;

public sealed class CircuitOpenExceptionTests
{
    [Fact]
    public void Message_Open_NamesTheCircuitAndTheWait_R82()
    {
        var exception = new CircuitOpenException("orders", CircuitState.Open, TimeSpan.FromSeconds(4.25), null);

        exception.Message.Should().Be("The circuit 'orders' refused the call: it is open for another 4.25 s.");
    }

    [Theory]
    [InlineData(CircuitState.HalfOpen, "it is half-open and its trials are out for another 1 s")]
    [InlineData(CircuitState.ForcedOpen, "it was forced open, until somebody resets it")]
    public void Message_OtherState_SaysWhy(CircuitState state, string why)
    {
        var wait = state == CircuitState.ForcedOpen ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(1);

        var exception = new CircuitOpenException("orders", state, wait, null);

        exception.Message.Should().Be($"The circuit 'orders' refused the call: {why}.");
    }

    [Fact]
    public void Message_BreakHasEndedMeanwhile_NamesNoWait()
    {
        var exception = new CircuitOpenException("orders", CircuitState.Open, TimeSpan.Zero, null);

        exception.Message.Should().Be("The circuit 'orders' refused the call: it is open.");
    }

    [Fact]
    public void Constructor_MadeByHand_KeepsItsMessage()
    {
        var inner = new TimeoutException();

        var exception = new CircuitOpenException("my own words", inner);

        exception.Message.Should().Be("my own words");
        exception.LastFailure.Should().BeSameAs(inner);
        exception.State.Should().Be(CircuitState.Open);
        exception.Circuit.Should().BeEmpty();
        new CircuitOpenException().Message.Should().Be("The circuit refused the call.");
    }
}
