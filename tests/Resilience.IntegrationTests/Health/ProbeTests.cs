using System.Net.Sockets;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Selection;

namespace Resilience.IntegrationTests.Health;

/// <summary>Single probes against real servers: each kind, and each way in which a server can be unwell (R60 to R67).</summary>
public sealed class ProbeTests : ResilienceTest
{
    /// <summary>S14, R61.</summary>
    [Fact]
    public async Task Tcp_ListeningPort_IsSuccessOfThatBackend()
    {
        await using var server = RawServer.Start();

        var result = await CheckAsync(server.Address, options => options.Type = HealthCheckType.Tcp);

        result.IsSuccess.Should().BeTrue();
        result.Detail.Should().Be($"TCP connection to port {server.Port} made");
        result.Duration.Should().BePositive();
        result.StatusCode.Should().BeNull();
    }

    /// <summary>S15.</summary>
    [Fact]
    public async Task Tcp_ClosedPort_IsFailureWithTheError()
    {
        var server = RawServer.Start();
        await server.DisposeAsync();

        var result = await CheckAsync(server.Address, options => options.Type = HealthCheckType.Tcp);

        result.IsSuccess.Should().BeFalse();
        result
            .Error.Should()
            .BeOfType<SocketException>()
            .Which.SocketErrorCode.Should()
            .Be(SocketError.ConnectionRefused);
        result.Detail.Should().StartWith($"TCP connection to port {server.Port} failed: ");
    }

    [Fact]
    public async Task Tcp_ServerThatNeverAnswers_IsSuccessAllTheSame()
    {
        await using var server = RawServer.Start(WireFault.AcceptAndNeverAnswer);

        var result = await CheckAsync(server.Address, options => options.Type = HealthCheckType.Tcp);

        result.IsSuccess.Should().BeTrue();
    }

    [Fact]
    public async Task Tcp_OwnPort_IsTheOneThatIsProbed()
    {
        await using var server = RawServer.Start();
        var closed = RawServer.Start();
        await closed.DisposeAsync();

        var result = await CheckAsync(
            closed.Address,
            options =>
            {
                options.Type = HealthCheckType.Tcp;
                options.Port = server.Port;
            }
        );

        result.IsSuccess.Should().BeTrue();
    }

    /// <summary>S16, S19: the same server, well and then hung.</summary>
    [Fact]
    public async Task Http_ServerThatHangs_IsFailureWhenItsTimeIsUp()
    {
        await using var server = RawServer.Start(WireFault.AcceptAndNeverAnswer);

        var result = await CheckAsync(server.Address, options => options.Timeout = TimeSpan.FromMilliseconds(100));

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().Be("no answer within 0.1 s");
    }

    [Fact]
    public async Task Http_Answers200_IsSuccessWithItsStatus()
    {
        var backend = await StartAsync("a");

        var result = await CheckAsync(backend.Address, _ => { });

        result.IsSuccess.Should().BeTrue();
        result.StatusCode.Should().Be(200);
    }

    /// <summary>R161, R164, R172, R176: bodies are read to their end, so the first probe's connection serves all.</summary>
    [Fact]
    public async Task Http_SeveralProbes_ShareTheirConnection()
    {
        await using var server = RawServer.Start();
        await using var pool = new BackendPool(
            "catalog",
            [new BackendDefinition(server.Address)],
            new RoundRobinSelector()
        );
        await using var checker = new HealthChecker(pool);

        for (var i = 0; i < 5; i++)
        {
            (await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait)).IsSuccess.Should().BeTrue();
        }

        server.AcceptedConnections.Should().Be(1);
        server.RequestCount.Should().Be(5);
    }

    /// <summary>R63: TLS is verified, and what is wrong with the certificate is in the reason.</summary>
    [Fact]
    public async Task Https_CertificateNobodyKnows_SaysSoInTheReason()
    {
        var backend = await StartAsync("a", https: true);

        var result = await CheckAsync(
            backend.Address,
            options =>
            {
                options.Type = HealthCheckType.Https;
                // A handshake on a busy machine takes its time, and a timeout is not what is asked for.
                options.Timeout = Limits.Wait;
            }
        );

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().StartWith("GET /health failed: TLS: ").And.Contain("certificate");
    }

    private static async Task<ProbeResult> CheckAsync(Uri address, Action<HealthCheckOptions> configure)
    {
        var options = new HealthCheckOptions();
        configure(options);
        await using var pool = new BackendPool("catalog", [new BackendDefinition(address)], new RoundRobinSelector());
        await using var checker = new HealthChecker(pool, options);
        return await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);
    }
}
