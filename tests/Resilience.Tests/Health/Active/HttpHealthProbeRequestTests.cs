using System.Net;
using System.Security.Authentication;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>What an HTTP probe can be told to send, and to expect (R60 to R64, C-8).</summary>
public sealed class HttpHealthProbeRequestTests
{
    [Fact]
    public async Task Method_IsSent()
    {
        var handler = new StubHandler();

        var result = await ProbeAsync(handler, new HealthCheckOptions { Method = "HEAD" });

        handler.Requests[0].Method.Should().Be("HEAD");
        result.Detail.Should().Be("HEAD /health answered 200");
    }

    [Fact]
    public async Task Headers_AreSent_TheirUserAgentInsteadOfOurs()
    {
        var handler = new StubHandler();
        var options = new HealthCheckOptions { Headers = { ["X-Probe"] = "1", ["User-Agent"] = "mine/1" } };

        await ProbeAsync(handler, options);

        handler.Requests[0].Headers.Should().Contain("X-Probe", "1").And.Contain("User-Agent", "mine/1");
    }

    [Fact]
    public async Task Host_OfTheOptions_BeatsTheDefinitions()
    {
        var handler = new StubHandler();

        await ProbeAsync(
            handler,
            new HealthCheckOptions { Host = "probe.example" },
            new("http://10.0.0.1:8080") { Host = "api.example" }
        );

        handler.Requests[0].Headers["Host"].Should().Be("probe.example");
    }

    [Fact]
    public async Task Host_InternationalName_IsSentInItsAsciiForm()
    {
        var handler = new StubHandler();

        await ProbeAsync(handler, new HealthCheckOptions { Host = "b\u00fccher.example:81" });

        handler.Requests[0].Headers["Host"].Should().Be("xn--bcher-kva.example:81");
    }

    [Theory]
    [InlineData("http://10.0.0.1:8080/base", 9090, null, "http://10.0.0.1:9090/base/health")]
    [InlineData("http://10.0.0.1", 9090, null, "http://10.0.0.1:9090/health")]
    [InlineData("http://[::1]:8080", 9090, null, "http://[::1]:9090/health")]
    [InlineData("http://10.0.0.1:8080/base", null, "http://10.0.0.9:1/admin/", "http://10.0.0.9:1/admin/health")]
    [InlineData("http://10.0.0.1:8080", 9090, "https://10.0.0.9", "https://10.0.0.9:9090/health")]
    public async Task PortAndHealthAddress_SayWhereIsProbed(string address, int? port, string? health, string expected)
    {
        var handler = new StubHandler();
        var backend = new BackendDefinition(address) { HealthAddress = health is null ? null : new Uri(health) };

        await ProbeAsync(handler, new HealthCheckOptions { Port = port }, backend);

        handler.Requests[0].Uri.Should().Be(expected);
    }

    /// <summary>R63: HTTPS whatever the address says.</summary>
    [Theory]
    [InlineData("http://10.0.0.1", "https://10.0.0.1/health")]
    [InlineData("http://10.0.0.1:8080", "https://10.0.0.1:8080/health")]
    [InlineData("https://10.0.0.1", "https://10.0.0.1/health")]
    public async Task Https_IsAskedOverTls(string address, string expected)
    {
        var handler = new StubHandler();

        await ProbeAsync(handler, new HealthCheckOptions { Type = HealthCheckType.Https }, new(address));

        handler.Requests[0].Uri.Should().Be(expected);
    }

    [Fact]
    public async Task Version_IsAskedFor()
    {
        (Version Version, HttpVersionPolicy Policy)? asked = null;
        var handler = new StubHandler(request =>
        {
            asked = (request.Version, request.VersionPolicy);
            return new HttpResponseMessage();
        });

        await ProbeAsync(
            handler,
            new HealthCheckOptions
            {
                HttpVersion = HttpVersion.Version20,
                HttpVersionPolicy = HttpVersionPolicy.RequestVersionExact,
            }
        );

        asked.Should().Be((HttpVersion.Version20, HttpVersionPolicy.RequestVersionExact));
    }

    /// <summary>C-8: kept by default, an option for a connection of its own each time.</summary>
    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task ReuseConnections_Off_ClosesThem(bool reuses, bool closes)
    {
        var handler = new StubHandler();

        await ProbeAsync(handler, new HealthCheckOptions { ReuseConnections = reuses });

        handler.Requests[0].Headers.ContainsKey("Connection").Should().Be(closes);
    }

    [Theory]
    [InlineData("all is well", true)]
    [InlineData("ALL IS WELL", false)]
    [InlineData("", false)]
    public async Task ExpectedBody_DecidesWhereTheStatusIsRight(string body, bool isHealthy)
    {
        var handler = new StubHandler(_ => new HttpResponseMessage { Content = new StringContent(body) });

        var result = await ProbeAsync(handler, new HealthCheckOptions { ExpectedBody = "is well" });

        result.IsSuccess.Should().Be(isHealthy);
        result.Detail.Should().Be($"GET /health answered 200{(isHealthy ? "" : " without 'is well'")}");
    }

    [Fact]
    public async Task ExpectedBody_InTwoPieces_IsFound()
    {
        var handler = new StubHandler(_ => new HttpResponseMessage
        {
            Content = new StreamContent(new Drip("is well")),
        });

        var result = await ProbeAsync(handler, new HealthCheckOptions { ExpectedBody = "is well" });

        result.IsSuccess.Should().BeTrue();
    }

    [Fact]
    public async Task ExpectedBody_BeyondTheBound_IsNotFound()
    {
        var body = new string(' ', 64 * 1024) + "is well";
        var handler = new StubHandler(_ => new HttpResponseMessage { Content = new StringContent(body) });

        var result = await ProbeAsync(handler, new HealthCheckOptions { ExpectedBody = "is well" });

        result.IsSuccess.Should().BeFalse();
    }

    [Fact]
    public async Task ExpectedBody_OfAWrongStatus_DoesNotMatter()
    {
        var handler = new StubHandler(_ => new HttpResponseMessage(HttpStatusCode.InternalServerError)
        {
            Content = new StringContent("is well"),
        });

        var result = await ProbeAsync(handler, new HealthCheckOptions { ExpectedBody = "is well" });

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().Be("GET /health answered 500");
    }

    /// <summary>What is wrong with a certificate stands in the inner exception alone.</summary>
    [Fact]
    public async Task CertificateProblem_IsInTheReason()
    {
        var error = new HttpRequestException(
            HttpRequestError.SecureConnectionError,
            "The SSL connection could not be established, see inner exception.",
            new AuthenticationException("The remote certificate is invalid: NotTimeValid")
        );

        var result = await ProbeAsync(new StubHandler(_ => throw error));

        result.Detail.Should().Be("GET /health failed: TLS: The remote certificate is invalid: NotTimeValid");
    }

    [Fact]
    public async Task From_AFunction_IsAProbe()
    {
        using var pool = CreatePool(new("http://a"));
        var probe = HealthProbe.From(
            (backend, _) => ValueTask.FromResult(new ProbeResult(backend.Name == "http://a", "mine"))
        );

        var result = await probe.ProbeAsync(pool.Backends[0], default);

        result.Should().Be(new ProbeResult(true, "mine"));
    }

    private static async Task<ProbeResult> ProbeAsync(
        HttpMessageHandler handler,
        HealthCheckOptions? options = null,
        BackendDefinition? backend = null
    )
    {
        using var pool = CreatePool(backend ?? new("http://10.0.0.1:8080"));
        using var probe = new HttpHealthProbe(options, handler);
        return await probe.ProbeAsync(pool.Backends[0], default);
    }

    private static BackendPool CreatePool(BackendDefinition backend) =>
        new("catalog", [backend], new RoundRobinSelector(), timeProvider: new FakeTime());

    /// <summary>A body that comes a byte at a time.</summary>
    private sealed class Drip(string text) : MemoryStream(System.Text.Encoding.UTF8.GetBytes(text))
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..1], cancellationToken);
    }
}
