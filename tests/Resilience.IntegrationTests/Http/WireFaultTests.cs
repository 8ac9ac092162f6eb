using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>Faults below HTTP are known by their names in the record of attempts (R13, R49).</summary>
public sealed class WireFaultTests : ResilienceTest
{
    [Theory]
    [InlineData(WireFault.HalfHeaders, FailureKind.ConnectionLost)]
    [InlineData(WireFault.Garbage, FailureKind.MalformedResponse)]
    [InlineData(WireFault.AcceptAndNeverAnswer, FailureKind.AttemptTimeout)]
    public async Task Attempts_FaultOnTheWire_NameItAndAnotherBackendAnswers(WireFault fault, FailureKind kind)
    {
        var (first, second, time) = (Server(fault), Server(), new FakeTime());
        var client = Connect(time, options => options.Add("a", first).Add("b", second));

        // In turn from a random start: at least one of two meets the fault.
        using var one = await SendPastAsync(first, time, () => client.Http.GetAsync(Relative("")));
        using var two = await SendPastAsync(first, time, () => client.Http.GetAsync(Relative("")));

        var met = new[] { one, two }.Select(each => each.GetAttempts()).Where(each => each.Count > 1).ToList();
        met.Should().NotBeEmpty();
        met.Should().OnlyContain(each => each.Count == 2 && each[0].Backend == "a" && each[1].Backend == "b");
        met.Select(each => each[0].Outcome.Kind).Should().AllBeEquivalentTo(OutcomeKind.Failure);
        met.Select(each => each[0].Outcome.Failure).Should().AllBeEquivalentTo(kind);
        met.Select(each => each[1].Outcome)
            .Should()
            .AllBeEquivalentTo(new AttemptOutcome(OutcomeKind.Success, StatusCode: 200));
        client["a"].Failures.Should().Be(met.Count);
        client["b"].Failures.Should().Be(0);
    }

    [Theory]
    [InlineData(WireFault.HalfHeaders, FailureKind.ConnectionLost, HttpRequestError.ResponseEnded)]
    [InlineData(WireFault.Garbage, FailureKind.MalformedResponse, HttpRequestError.InvalidResponse)]
    public async Task Exception_FaultOnTheWire_IsTheTransportsOwnWithTheAttempts(
        WireFault fault,
        FailureKind kind,
        HttpRequestError error
    )
    {
        var server = Server(fault);
        var client = Connect(options => options.Add("a", server));

        var sending = () => client.Http.PostAsync(Relative(""), content: null);

        var problem = (await sending.Should().ThrowAsync<HttpRequestException>()).Which;
        problem.HttpRequestError.Should().Be(error);
        problem.GetAttempts().Should().ContainSingle().Which.Outcome.Failure.Should().Be(kind);
    }

    [Fact]
    public async Task Exception_ResetOfAReusedConnection_IsALostConnection()
    {
        var server = Server();
        var client = Connect(options => options.Add("a", server));
        (await client.Http.GetAsync(Relative(""))).Dispose();
        server.Fault = WireFault.ResetReusedConnection;

        var sending = () => client.Http.PostAsync(Relative(""), content: null);

        (await sending.Should().ThrowAsync<HttpRequestException>())
            .Which.GetAttempts()
            .Should()
            .ContainSingle()
            .Which.Outcome.Failure.Should()
            .Be(FailureKind.ConnectionLost);
    }
}
