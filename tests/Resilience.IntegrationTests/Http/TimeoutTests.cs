using System.Net;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>An attempt that runs out of time is its backend's fault alone (laws 1 and 10; R49).</summary>
public sealed class TimeoutTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    /// <summary>Once every later attempt of the request was taken for a timeout too, and its answer thrown away.</summary>
    [Fact]
    public async Task Get_FirstAttemptTimesOut_TheSecondOnesAnswerIsASuccessOfItsBackend()
    {
        var server = Server(WireFault.AcceptAndNeverAnswer);
        var client = Connect(options =>
        {
            options.Add("silent", server).Add(backends.A);
            options.Timeouts.Attempt = Limits.Attempt;
            options.PassiveHealth.Enabled = false;
        });
        while (client["silent"].Failures == 0)
        {
            using var response = await client.Http.GetAsync(Relative("echo"));

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetAttempts()[^1].Outcome.Kind.Should().Be(OutcomeKind.Success);
        }

        client["a"].Failures.Should().Be(0);
    }
}
