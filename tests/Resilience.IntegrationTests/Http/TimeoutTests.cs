using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>An attempt that runs out of time is its backend's fault alone (laws 1 and 10; R49).</summary>
public sealed class TimeoutTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    /// <summary>Once every later attempt of the request was taken for a timeout too, and its answer thrown away.</summary>
    [Fact]
    public async Task Get_FirstAttemptTimesOut_TheSecondOnesAnswerIsASuccessOfItsBackend()
    {
        var (server, time) = (Server(WireFault.AcceptAndNeverAnswer), new FakeTime());
        var client = Connect(
            time,
            options => options.Add("silent", server).Add(backends.A).PassiveHealth.Enabled = false
        );

        // In turn from a random start: at least one of two begins there.
        var timedOut = 0;
        for (var i = 0; i < 2; i++)
        {
            using var response = await SendPastAsync(server, time, () => client.Http.GetAsync(Relative("echo")));

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetAttempts()[^1].Outcome.Kind.Should().Be(OutcomeKind.Success);
            timedOut += response.GetAttempts().Count - 1;
        }

        timedOut.Should().BePositive();
        client["silent"].Failures.Should().Be(timedOut);
        client["a"].Failures.Should().Be(0);
    }
}
