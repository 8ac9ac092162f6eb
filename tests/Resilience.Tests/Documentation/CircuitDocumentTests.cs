using System.Net;
using Resilience.CircuitBreaking;

namespace Resilience.Tests.Documentation;

/// <summary>What docs/circuit-breaker.md shows does what it says.</summary>
public sealed class CircuitDocumentTests
{
    private readonly CircuitBreaker _circuit = new("orders");

    [Fact]
    public async Task Alone_CallSucceeds_ReturnsItsResult()
    {
        var order = await CircuitDocumentCode.AloneAsync(new(() => new(0)), default);

        order!.Number.Should().Be(42);
    }

    [Fact]
    public async Task Permit_AnyEnd_IsReportedAsTheDocumentSays()
    {
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        (await CircuitDocumentCode.PermitAsync(_circuit, new(() => new(0)), default))!.Number.Should().Be(42);
        await FluentActions
            .Awaiting(() => CircuitDocumentCode.PermitAsync(_circuit, new(() => new(0)), cancelled.Token))
            .Should()
            .ThrowAsync<OperationCanceledException>();
        await FluentActions
            .Awaiting(() => CircuitDocumentCode.PermitAsync(_circuit, new(() => throw new TimeoutException()), default))
            .Should()
            .ThrowAsync<TimeoutException>();

        _circuit
            .TakeSnapshot()
            .Should()
            .Match<CircuitSnapshot>(each => each.Successes == 1 && each.Ignored == 1 && each.Failures == 1);
        _circuit.ForceOpen();
        (await CircuitDocumentCode.PermitAsync(_circuit, new(() => new(0)), default)).Should().BeNull();
    }

    [Fact]
    public void Classified_AnyEnd_IsWhatTheDocumentSays()
    {
        var classify = CircuitDocumentCode.Classified().Classify!;
        using var bad = new HttpResponseMessage(HttpStatusCode.BadGateway);
        using var good = new HttpResponseMessage(HttpStatusCode.NotFound);

        classify(null, new ArgumentException()).Should().Be(CircuitOutcome.Neutral);
        classify(null, new TimeoutException()).Should().Be(CircuitOutcome.Failure);
        classify(bad, null).Should().Be(CircuitOutcome.Failure);
        classify(good, null).Should().Be(CircuitOutcome.Success);
    }

    [Fact]
    public void Watch_Change_IsSubscribedTo()
    {
        CircuitDocumentCode.Watch(_circuit, _circuit.ForceOpen);

        _circuit.State.Should().Be(CircuitState.ForcedOpen);
    }
}
