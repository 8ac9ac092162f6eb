using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
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
        var closed = ClosedPort();

        var result = await CheckAsync(closed, options => options.Type = HealthCheckType.Tcp);

        result.IsSuccess.Should().BeFalse();
        result
            .Error.Should()
            .BeOfType<SocketException>()
            .Which.SocketErrorCode.Should()
            .Be(SocketError.ConnectionRefused);
        result.Detail.Should().StartWith($"TCP connection to port {closed.Port} failed: ");
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
        var closed = ClosedPort();

        var result = await CheckAsync(
            closed,
            options =>
            {
                options.Type = HealthCheckType.Tcp;
                options.Port = server.Port;
            }
        );

        result.IsSuccess.Should().BeTrue();
    }

    [Fact]
    public async Task Tcp_OwnAddressForProbes_IsTheOneThatIsProbed()
    {
        await using var server = RawServer.Start();
        var closed = ClosedPort();

        var result = await CheckAsync(
            new BackendDefinition(closed) { HealthAddress = server.Address },
            options => options.Type = HealthCheckType.Tcp
        );

        result.IsSuccess.Should().BeTrue();
        result.Detail.Should().Be($"TCP connection to port {server.Port} made");
    }

    /// <summary>Law 15: a reload changes what is probed, and where, for the checker that there is.</summary>
    [Fact]
    public async Task Tcp_TypeAndPortAreReloaded_TheNextProbeGoesByThem()
    {
        await using var server = RawServer.Start(WireFault.Garbage);
        var closed = ClosedPort();
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection(
                new Dictionary<string, string?>
                {
                    ["Backends:0:Address"] = server.Address.ToString(),
                    ["HealthCheck:Type"] = "Http",
                    ["HealthCheck:Timeout"] = $"{Limits.Wait:c}",
                }
            )
            .Build();
        var services = new ServiceCollection();
        services.AddResilientBackends(PoolName, configuration);
        await using var provider = services.BuildServiceProvider();
        var pool = provider.GetRequiredKeyedService<BackendPool>(PoolName);
        var checker = provider.GetRequiredKeyedService<HealthChecker>(PoolName);

        (await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait)).IsSuccess.Should().BeFalse();
        await SetAsync("Type", "Tcp", $"TCP connection to port {server.Port} made");
        await SetAsync("Port", $"{closed.Port}", $"TCP connection to port {closed.Port} failed");

        Task SetAsync(string option, string value, string detail)
        {
            configuration[$"HealthCheck:{option}"] = value;
            configuration.Reload();
            return Eventually.BecomesTrueAsync(
                async () =>
                    (await checker.CheckAsync(pool.Backends[0])).Detail.StartsWith(detail, StringComparison.Ordinal),
                Limits.Wait,
                detail
            );
        }
    }

    /// <summary>S20: who cancels learns so; it is no finding about the backend.</summary>
    [Fact]
    public async Task Tcp_Cancelled_IsNoResult()
    {
        await using var server = RawServer.Start();
        await using var pool = new BackendPool(
            "catalog",
            [new BackendDefinition(server.Address)],
            new RoundRobinSelector()
        );

        var probing = () => new TcpHealthProbe().ProbeAsync(pool.Backends[0], new CancellationToken(true)).AsTask();

        await probing.Should().ThrowAsync<OperationCanceledException>();
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
        await using var checker = new HealthChecker(pool, new HealthCheckOptions { Timeout = Limits.Wait });

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

        var result = await CheckAsync(backend.Address, options => options.Type = HealthCheckType.Https);

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().StartWith("GET /health failed: TLS: ").And.Contain("certificate");
    }

    /// <summary>R63: certificates of a client's own go by the handler that the application gives, as trust does.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Https_ServerAsksForACertificate_IsHealthyIfTheHandlerHasIt(bool hasIt)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var start = DateTimeOffset.UtcNow.AddDays(-1);
        using var certificate = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(
            start,
            start.AddDays(2)
        );
        await using var server = ScriptServer.Start(
            (socket, _, token) => AnswerWhoProvesAsync(socket, certificate, token)
        );
        var handler = new SocketsHttpHandler();
        handler.SslOptions.RemoteCertificateValidationCallback = (_, shown, _, _) => IsThat(shown, certificate);
        handler.SslOptions.ClientCertificates = hasIt ? [certificate] : [];

        var result = await CheckAsync(
            new BackendDefinition(server.Address),
            options => options.Type = HealthCheckType.Https,
            handler
        );

        result.IsSuccess.Should().Be(hasIt);
        result.StatusCode.Should().Be(hasIt ? 200 : null);
    }

    /// <summary>The platform's handlers follow redirects unless told otherwise; what they find elsewhere proves nothing.</summary>
    [Fact]
    public async Task Http_RedirectFollowedByAHandlerOfOnesOwn_IsNoSuccess()
    {
        await using var login = RawServer.Start();
        await using var server = ScriptServer.Start(
            async (socket, _, token) =>
            {
                await ScriptServer.ReadHeadAsync(socket, token);
                await ScriptServer.SendAsync(
                    socket,
                    $"HTTP/1.1 302 Found\r\nLocation: {login.Address}login\r\nContent-Length: 0\r\n\r\n",
                    token
                );
            }
        );

        var result = await CheckAsync(new BackendDefinition(server.Address), _ => { }, new SocketsHttpHandler());

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().Be("GET /health was redirected");
        login.RequestCount.Should().Be(1, "the handler has followed it");
    }

    /// <summary>Where nobody listens, and nobody else comes to listen while the test runs.</summary>
    private static Uri ClosedPort() => new($"http://127.0.0.1:{TestPorts.Next()}/");

    private static Task<ProbeResult> CheckAsync(Uri address, Action<HealthCheckOptions> configure) =>
        CheckAsync(new BackendDefinition(address), configure);

    private static async Task<ProbeResult> CheckAsync(
        BackendDefinition backend,
        Action<HealthCheckOptions> configure,
        HttpMessageHandler? handler = null
    )
    {
        // Whatever is asked for, it is no timeout, unless a test says so.
        var options = new HealthCheckOptions { Timeout = Limits.Wait };
        configure(options);
        await using var pool = new BackendPool("catalog", [backend], new RoundRobinSelector());
        var probe = handler is null ? null : new HttpHealthProbe(options, handler);
        await using var checker = new HealthChecker(pool, options, probe);
        return await checker.CheckAsync(pool.Backends[0]).WaitAsync(Limits.Wait);
    }

    /// <summary>Answers over TLS whoever shows that certificate, and nobody else.</summary>
    private static async Task AnswerWhoProvesAsync(Socket socket, X509Certificate2 certificate, CancellationToken token)
    {
        await using var stream = new SslStream(new NetworkStream(socket));
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificate = certificate,
            ClientCertificateRequired = true,
            RemoteCertificateValidationCallback = (_, shown, _, _) => IsThat(shown, certificate),
        };
        try
        {
            await stream.AuthenticateAsServerAsync(options, token);
            _ = await stream.ReadAsync(new byte[4 * 1024], token);
            await stream.WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray(), token);
        }
        catch (Exception problem) when (problem is AuthenticationException or IOException)
        {
            // Nobody was proven: the connection ends here.
        }
    }

    private static bool IsThat(X509Certificate? shown, X509Certificate2 certificate) =>
        shown is X509Certificate2 own && own.Thumbprint == certificate.Thumbprint;
}
