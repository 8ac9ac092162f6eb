using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Resilience.TestBackend;

namespace Resilience.IntegrationTests.Infrastructure;

public sealed class BackendProcessTests : IAsyncLifetime
{
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = Limits.Wait };
    private BackendProcess _backend = null!;

    public async Task InitializeAsync()
    {
        _backend = await BackendProcess.StartAsync("a");
        _client.BaseAddress = _backend.Address;
    }

    public async Task DisposeAsync()
    {
        _client.Dispose();
        await _backend.DisposeAsync();
    }

    [Fact]
    public async Task GetRequestsAsync_AfterRequests_ShowsThemByteForByteInOrder()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Raw("/base/x%2Fy?q=%41&r=a%20b"));
        request.Headers.Add("X-Request-Id", "7");
        request.Content = new ByteArrayContent([1, 2, 3]);
        using var response = await _client.SendAsync(request);
        using var second = await _client.GetAsync(Relative("work?ms=0"));

        var requests = await _backend.GetRequestsAsync();

        requests.Select(r => r.RawTarget).Should().Equal("/base/x%2Fy?q=%41&r=a%20b", "/work?ms=0");
        requests[0].Method.Should().Be("POST");
        requests[0].RequestId.Should().Be("7");
        requests[0].Header("host").Should().Be($"127.0.0.1:{_backend.Port}");
        requests[0].BodyLength.Should().Be(3);
        requests[0].BodySha256.Should().Be(Convert.ToHexStringLower(SHA256.HashData([1, 2, 3])));
        requests[1].Sequence.Should().Be(requests[0].Sequence + 1);
        requests[1].ConnectionId.Should().Be(requests[0].ConnectionId);
    }

    [Fact]
    public async Task ClearRequestsAsync_AfterRequests_LeavesNone()
    {
        using var response = await _client.GetAsync(Relative("health"));

        await _backend.ClearRequestsAsync();

        (await _backend.GetRequestsAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task Echo_AnyPathAndMethod_AnswersWhatArrived()
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, Raw("/some/%C3%A9?x"));
        request.Content = new ByteArrayContent([9, 8]);

        using var response = await _client.SendAsync(request);

        var echo = await response.Content.ReadFromJsonAsync<EchoAnswer>(JsonSerializerOptions.Web);
        echo!.Method.Should().Be("PUT");
        echo.RawTarget.Should().Be("/some/%C3%A9?x");
        echo.BodyBase64.Should().Be(Convert.ToBase64String([9, 8]));
        response.Headers.GetValues("X-Backend").Should().Equal("a");
    }

    [Fact]
    public async Task Work_WithBytes_AnswersThatMany()
    {
        using var response = await _client.GetAsync(Relative("work?ms=0&bytes=40000"));

        (await response.Content.ReadAsByteArrayAsync()).Should().HaveCount(40_000);
    }

    [Fact]
    public async Task Status_WithRetryAfter_AnswersBoth()
    {
        using var response = await _client.GetAsync(Relative("status/503?retryAfter=3"));

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        response.Headers.RetryAfter!.Delta.Should().Be(TimeSpan.FromSeconds(3));
    }

    [Fact]
    public async Task Stream_ReadToTheEnd_GivesEveryChunk()
    {
        var body = await _client.GetStringAsync(Relative("stream?chunks=3&intervalMs=1"));

        body.Should().Be("chunk 0\nchunk 1\nchunk 2\n");
    }

    [Fact]
    public async Task Trailers_OverHttp1_ArriveAfterTheBody()
    {
        using var response = await _client.GetAsync(Relative("trailers"));

        response.TrailingHeaders.GetValues("X-Trailer").Should().Equal("after the body");
    }

    [Fact]
    public async Task Hang_UntilTheClientLeaves_IsRecordedAsAborted()
    {
        using var leave = new CancellationTokenSource();
        var call = _client.GetAsync(Relative("hang"), leave.Token);
        await RequestIsAsync("/hang", RequestEnd.Running);

        await leave.CancelAsync();

        await call.Awaiting(c => c).Should().ThrowAsync<OperationCanceledException>();
        await RequestIsAsync("/hang", RequestEnd.Aborted);
    }

    [Fact]
    public async Task HeadersThenHang_Request_GetsHeadersAndNoBody()
    {
        using var response = await _client.GetAsync(
            Relative("headers-then-hang"),
            HttpCompletionOption.ResponseHeadersRead
        );

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        await RequestIsAsync("/headers-then-hang", RequestEnd.Running);
    }

    [Fact]
    public async Task Break_AfterBytes_EndsInTheMiddleOfTheBody()
    {
        using var response = await _client.GetAsync(
            Relative("break?afterBytes=100"),
            HttpCompletionOption.ResponseHeadersRead
        );
        response.Content.Headers.ContentLength.Should().Be(1000);
        await using var body = await response.Content.ReadAsStreamAsync();
        var received = new byte[100];
        await body.ReadExactlyAsync(received);

        var reading = async () => await body.ReadAsync(new byte[1]);

        await reading.Should().ThrowAsync<IOException>();
    }

    [Fact]
    public async Task SetFaultAsync_StatusCode_AppliesToAllButHealth()
    {
        await _backend.SetFaultAsync("503");

        (await StatusAsync("work")).Should().Be(HttpStatusCode.ServiceUnavailable);
        (await StatusAsync("health")).Should().Be(HttpStatusCode.OK);
        await _backend.SetFaultAsync("none");
        (await StatusAsync("work")).Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task SetFaultAsync_Abort_FailsTheRequestAfterItArrived()
    {
        await _backend.SetFaultAsync("abort");

        var sending = () => _client.PostAsync(Relative("work"), new ByteArrayContent([1]));

        await sending.Should().ThrowAsync<HttpRequestException>();
        (await _backend.GetRequestsAsync()).Should().ContainSingle().Which.BodyLength.Should().Be(1);
    }

    [Fact]
    public async Task SetFaultAsync_Hang_KeepsTheRequestRunning()
    {
        await _backend.SetFaultAsync("hang");
        using var leave = new CancellationTokenSource();

        var call = _client.GetAsync(Relative("work"), leave.Token);

        await RequestIsAsync("/work", RequestEnd.Running);
        await leave.CancelAsync();
        await call.Awaiting(c => c).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task SetFaultAsync_Delay_StillGivesTheUsualAnswer()
    {
        await _backend.SetFaultAsync("delay", TimeSpan.FromMilliseconds(1));

        (await StatusAsync("status/418")).Should().Be((HttpStatusCode)418);
    }

    [Fact]
    public async Task SetHealthAsync_Status_IsWhatHealthAnswers()
    {
        await _backend.SetHealthAsync(503);

        (await StatusAsync("health")).Should().Be(HttpStatusCode.ServiceUnavailable);
    }

    [Fact]
    public async Task KillAsync_ThenRestart_ListensOnTheSamePortAsAnotherProcess()
    {
        var (port, processId) = (_backend.Port, _backend.ProcessId);

        await _backend.KillAsync();

        _backend.IsRunning.Should().BeFalse();
        var sending = () => _client.GetAsync(Relative("health"));
        (await sending.Should().ThrowAsync<HttpRequestException>())
            .Which.HttpRequestError.Should()
            .Be(HttpRequestError.ConnectionError);

        await _backend.RestartAsync();

        _backend.Port.Should().Be(port);
        _backend.ProcessId.Should().NotBe(processId);
        (await StatusAsync("health")).Should().Be(HttpStatusCode.OK);
    }

    [SkippableFact]
    public async Task Freeze_UntilResumed_AnswersNothing()
    {
        Skip.If(OperatingSystem.IsWindows(), "Windows cannot stop a process and let it go on.");
        _backend.Freeze();

        await Eventually.BecomesTrueAsync(
            () => ProcessStateIs('T', _backend.ProcessId),
            Limits.Wait,
            "the backend is stopped"
        );

        var call = _client.GetAsync(Relative("work?ms=0"));

        call.IsCompleted.Should().BeFalse();
        _backend.Resume();
        using var response = await call;
        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [SkippableFact]
    public async Task DisposeAsync_WhileFrozen_EndsTheProcess()
    {
        Skip.If(OperatingSystem.IsWindows(), "Windows cannot stop a process and let it go on.");
        using var process = Process.GetProcessById(_backend.ProcessId);
        _backend.Freeze();

        await _backend.DisposeAsync();

        await process.WaitForExitAsync().WaitAsync(Limits.Wait);
        process.HasExited.Should().BeTrue();
    }

    [Fact]
    public async Task StartAsync_PortInUse_SaysSo()
    {
        var starting = () => BackendProcess.StartAsync("b", _backend.Port);

        await starting.Should().ThrowAsync<AddressInUseException>();
    }

    [Theory]
    [InlineData("http1", "HTTP/1.1")]
    [InlineData("http1And2", "HTTP/2")]
    [InlineData("http2", "HTTP/2")]
    public async Task StartAsync_WithHttps_SpeaksTlsWithItsOwnCertificate(string protocols, string expected)
    {
        await using var backend = await BackendProcess.StartAsync(
            "tls",
            https: true,
            protocols: Enum.Parse<BackendProtocols>(protocols, ignoreCase: true)
        );
        using var handler = new SocketsHttpHandler { UseProxy = false };
        handler.SslOptions.RemoteCertificateValidationCallback = backend.IsOwnCertificate;
        using var client = new HttpClient(handler)
        {
            BaseAddress = backend.Address,
            Timeout = Limits.Wait,
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionOrLower,
        };

        using var response = await client.GetAsync(Relative("trailers"));

        response.TrailingHeaders.GetValues("X-Trailer").Should().Equal("after the body");
        backend.Address.Scheme.Should().Be("https");
        (await backend.GetRequestsAsync()).Should().ContainSingle().Which.Protocol.Should().Be(expected);
    }

    [Fact]
    public async Task StartAsync_Http2WithoutTls_SpeaksItByPriorKnowledge()
    {
        await using var backend = await BackendProcess.StartAsync("h2c", protocols: BackendProtocols.Http2);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(backend.Address, "work"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

        using var response = await _client.SendAsync(request);

        response.Version.Should().Be(HttpVersion.Version20);
    }

    private static Uri Relative(string path) => new(path, UriKind.Relative);

    // As a string of its own: Uri would otherwise unescape what need not be escaped.
    private Uri Raw(string pathAndQuery) =>
        new(
            _backend.Address.GetLeftPart(UriPartial.Authority) + pathAndQuery,
            new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }
        );

    private static bool ProcessStateIs(char state, int processId) =>
        !OperatingSystem.IsLinux() || File.ReadAllText($"/proc/{processId}/stat").Contains($") {state} ");

    private async Task<HttpStatusCode> StatusAsync(string path)
    {
        using var response = await _client.GetAsync(Relative(path));
        return response.StatusCode;
    }

    private Task RequestIsAsync(string rawTarget, RequestEnd end) =>
        Eventually.BecomesTrueAsync(
            async () => (await _backend.GetRequestsAsync()).Any(r => r.RawTarget == rawTarget && r.End == end),
            Limits.Wait,
            $"{rawTarget} is {end}"
        );
}
