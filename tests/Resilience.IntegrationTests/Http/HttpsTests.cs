using System.Net;
using System.Security.Authentication;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>TLS as the pool's transport is set up, for requests and probes alike (R60, R63).</summary>
public sealed class HttpsTests : ResilienceTest
{
    private BackendProcess _a = null!;

    public override async Task InitializeAsync() => _a = await StartAsync("a", https: true);

    [Fact]
    public async Task Get_CertificateAcceptedByTheTransport_IsAnsweredAndProbed()
    {
        var client = Connect(
            options => ProbeInTime(options.Add(_a)),
            pool => pool.ConfigureTransport(transport => Certificates.Accept(transport, [_a]))
        );

        using var response = await client.Http.GetAsync(Relative("echo"));

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        await Eventually.BecomesTrueAsync(() => client["a"].LastProbe is not null, Limits.Wait, "it was probed");
        client["a"].LastProbe!.IsSuccess.Should().BeTrue();
        client["a"].ActiveVerdict.Should().Be(ActiveVerdict.Healthy);
    }

    [Fact]
    public async Task Get_CertificateUnknown_FailsInTheHandshakeAndSoDoProbes()
    {
        var client = Connect(options => ProbeInTime(options.Add(_a)));

        var sending = () => client.Http.GetAsync(Relative("echo"));

        var problem = (await sending.Should().ThrowAsync<HttpRequestException>()).Which;
        problem.InnerException.Should().BeOfType<AuthenticationException>();
        problem.GetAttempts().Should().OnlyContain(each => each.Outcome.Failure == FailureKind.Tls);
        await Eventually.BecomesTrueAsync(
            () => client["a"].ActiveVerdict == ActiveVerdict.Unhealthy,
            Limits.Wait,
            "probes fail"
        );
        client["a"].LastProbe!.Error!.InnerException.Should().BeOfType<AuthenticationException>();
    }

    [Fact]
    public async Task Post_PlainServerBehindHttps_GoesElsewhereSinceItNeverArrived()
    {
        var plain = await StartAsync("plain");
        var client = Connect(
            options => options.AddBackend($"https://127.0.0.1:{plain.Port}", "plain").Add(_a),
            pool => pool.ConfigureTransport(transport => Certificates.Accept(transport, [_a]))
        );
        for (var i = 0; i < 2; i++)
        {
            using var response = await client.Http.PostAsync(Relative("echo"), new ByteArrayContent([1]));

            response.GetBackend()!.Name.Should().Be("a");
            response
                .GetAttempts()
                .SkipLast(1)
                .Should()
                .NotContain(each => each.Outcome.Failure != FailureKind.Tls || !each.Outcome.NeverSent);
        }

        client["plain"].Failures.Should().BePositive();
        (await plain.GetRequestsAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Get_LogicalAddressOverHttp_ReachesHttpsAndHttpBackendsOfOnePool()
    {
        var plain = await StartAsync("plain");
        var client = Connect(
            options => options.Add(_a, plain),
            pool => pool.ConfigureTransport(transport => Certificates.Accept(transport, [_a]))
        );
        var answered = new HashSet<string>();
        for (var i = 0; i < 4; i++)
        {
            using var response = await client.Http.GetAsync(Relative("echo"));
            answered.Add(response.GetBackend()!.Name);
        }

        answered.Should().BeEquivalentTo("a", "plain");
    }

    /// <summary>A process's first handshake on a busy machine takes its time, and a timeout is not what is asked for.</summary>
    private static void ProbeInTime(ResilientBackendsOptions options) =>
        options.ProbeOften().HealthCheck.Timeout = Limits.Wait;
}
