using Resilience.Backends;
using Resilience.Http;

namespace Resilience.Tests.Http;

public sealed class NoBackendAvailableExceptionTests
{
    [Fact]
    public async Task Send_NothingCanBeTaken_CountsTheBackendsByReasonAndNamesTheShortestWait() // R24, R26, R41, R153, R182
    {
        using var rig = new HttpRig(
            [.. Enumerable.Range(1, 6).Select(HttpRig.Define), HttpRig.Define(7) with { Weight = 0 }],
            configurePool: pool => pool.CircuitBreaker.BreakDuration = TimeSpan.FromSeconds(8)
        );
        rig.OpenCircuit("b1");
        rig.Time.Advance(TimeSpan.FromSeconds(3));
        rig.OpenCircuit("b2");
        rig.OpenCircuit("b3");
        rig["b4"].Drain();
        rig["b5"].Drain();
        rig["b6"].Disable();
        rig.Settle();

        var sending = () => rig.SendAsync();

        var thrown = (await sending.Should().ThrowAsync<NoBackendAvailableException>()).Which;
        thrown.Pool.Should().Be("catalog");
        thrown.Refusals.Should().Be(new Refusals(1, 2, 1, 3, 0, 0, 0));
        thrown.RetryAfter.Should().BeCloseTo(TimeSpan.FromMilliseconds(4_950), TimeSpan.FromMilliseconds(8));
        thrown.Snapshot.Should().BeSameAs(rig.Pool.Snapshot);
        thrown
            .Message.Should()
            .Be(
                "No backend of pool 'catalog' could be taken (7 in all): "
                    + "1 disabled, 2 draining, 1 of weight 0, 3 with an open circuit. "
                    + "b1 is unhealthy since 00:00:00 (circuit opened, the last failure: no connection); "
                    + "b2 is unhealthy since 00:00:03 (circuit opened, the last failure: no connection); "
                    + "b3 is unhealthy since 00:00:03 (circuit opened, the last failure: no connection); "
                    + "b4 is draining since 00:00:03 (drained by the operator); "
                    + "b5 is draining since 00:00:03 (drained by the operator); .... "
                    + "The next may be tried in 5.0 s."
            );
        rig.Sent.Should().BeEmpty();
    }

    [Fact]
    public async Task Send_TimeAloneChangesNothing_NamesNoWait()
    {
        using var rig = new HttpRig();
        rig["b1"].Disable();

        var sending = () => rig.SendAsync();

        var thrown = (await sending.Should().ThrowAsync<NoBackendAvailableException>()).Which;
        thrown.RetryAfter.Should().BeNull();
        thrown
            .Message.Should()
            .Be(
                "No backend of pool 'catalog' could be taken (1 in all): 1 disabled. "
                    + "b1 is unhealthy since 00:00:00 (disabled by the operator)."
            );
    }

    [Fact]
    public async Task Send_PinnedBackendIsNotThere_SaysSo()
    {
        using var rig = new HttpRig();
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b9");

        var sending = () => rig.SendAsync(request);

        (await sending.Should().ThrowAsync<NoBackendAvailableException>())
            .Which.Message.Should()
            .Be(
                "No backend of pool 'catalog' could be taken: the request is pinned to 'b9', which the pool does not have."
            );
    }

    [Fact]
    public async Task Send_PinnedBackendIsDrained_SaysSo()
    {
        using var rig = new HttpRig(2);
        rig["b2"].Drain();
        using var request = HttpRig.Get().ConfigureResilience(options => options.Backend = "b2");

        var sending = () => rig.SendAsync(request);

        (await sending.Should().ThrowAsync<NoBackendAvailableException>())
            .Which.Message.Should()
            .Be(
                "No backend of pool 'catalog' could be taken: the request is pinned to 'b2', "
                    + "is draining since 00:00:00 (drained by the operator)."
            );
    }

    [Fact]
    public void Constructors_ForTestsOfCallers_HoldWhatTheyWereGiven()
    {
        var inner = new IOException();

        new NoBackendAvailableException().Message.Should().Be("No backend is available.");
        var exception = new NoBackendAvailableException("text", inner);

        exception.Message.Should().Be("text");
        exception.InnerException.Should().BeSameAs(inner);
        exception.Pool.Should().BeEmpty();
        exception.Snapshot.Should().BeNull();
        exception.Refusals.Should().Be(default(Refusals));
        exception.RetryAfter.Should().BeNull();
        exception.Should().BeAssignableTo<HttpRequestException>();
    }
}
