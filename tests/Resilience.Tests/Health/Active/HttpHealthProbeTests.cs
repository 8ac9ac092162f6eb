using System.Net;
using Resilience.Backends;
using Resilience.Health.Active;
using Resilience.Http;
using Resilience.Selection;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.Health.Active;

/// <summary>What an HTTP probe sends, and what it makes of the answer (R12 to R16, R62 to R65).</summary>
public sealed class HttpHealthProbeTests
{
    /// <summary>S16.</summary>
    [Fact]
    public async Task Answer200_IsSuccessWithItsStatus()
    {
        var result = await ProbeAsync(new StubHandler(HttpStatusCode.OK));

        result.IsSuccess.Should().BeTrue();
        result.StatusCode.Should().Be(200);
        result.Detail.Should().Be("GET /health answered 200");
        result.Error.Should().BeNull();
    }

    /// <summary>S17, R14, R15: by default 200 alone is healthy.</summary>
    [Theory]
    [InlineData(201)]
    [InlineData(204)]
    [InlineData(404)]
    [InlineData(500)]
    [InlineData(503)]
    public async Task AnswerOtherStatus_IsFailureWithItsStatus(int status)
    {
        var result = await ProbeAsync(new StubHandler((HttpStatusCode)status));

        result.IsSuccess.Should().BeFalse();
        result.StatusCode.Should().Be(status);
        result.Detail.Should().Be($"GET /health answered {status}");
    }

    /// <summary>Ten thousand backends that are well say so in one text.</summary>
    [Fact]
    public async Task Answer_LikeTheOneBefore_IsNotDescribedAnew()
    {
        var statuses = new Queue<HttpStatusCode>([HttpStatusCode.OK, HttpStatusCode.OK, HttpStatusCode.NotFound]);
        using var probe = new HttpHealthProbe(
            handler: new StubHandler(_ => new HttpResponseMessage(statuses.Dequeue()))
        );
        using var pool = new BackendPool("catalog", [new BackendDefinition("http://a.test")], new RoundRobinSelector());

        var results = new List<ProbeResult>();
        for (var i = 0; i < 3; i++)
        {
            results.Add(await probe.ProbeAsync(pool.Backends[0], CancellationToken.None));
        }

        results[1].Detail.Should().BeSameAs(results[0].Detail);
        results[2].Detail.Should().Be("GET /health answered 404");
        results[2].IsSuccess.Should().BeFalse();
    }

    /// <summary>R64, C-3.</summary>
    [Theory]
    [InlineData(200, true)]
    [InlineData(204, true)]
    [InlineData(203, false)]
    [InlineData(400, true)]
    [InlineData(404, true)]
    [InlineData(405, false)]
    public async Task ExpectedStatuses_SinglesAndRanges_DecideAlone(int status, bool isSuccess)
    {
        var options = new HealthCheckOptions { ExpectedStatuses = ["200", "204", "400-404"] };

        var result = await ProbeAsync(new StubHandler((HttpStatusCode)status), options);

        result.IsSuccess.Should().Be(isSuccess);
    }

    /// <summary>A query may hold a key: it is sent, and named nowhere.</summary>
    [Theory]
    [InlineData(200)]
    [InlineData(503)]
    public async Task Path_WithAQuery_IsSentButNotRepeated(int status)
    {
        var handler = new StubHandler((HttpStatusCode)status);

        var result = await ProbeAsync(handler, new HealthCheckOptions { Path = "/health?key=secret" });

        handler.Requests.Should().ContainSingle().Which.Uri.Should().EndWith("/health?key=secret");
        result.Detail.Should().Be($"GET /health answered {status}");
    }

    /// <summary>What a server says is its own: in a log it is one line, and not long.</summary>
    [Fact]
    public async Task TransportError_OfAServersWords_IsCutAndWithoutControlCharacters()
    {
        var words = $"invalid status line: '\u001b[2J\r\nfake line {new string('x', 60_000)}'";
        var handler = new StubHandler((_, _) => throw new HttpRequestException(words));

        var result = await ProbeAsync(handler);

        result.Detail.Should().HaveLength("GET /health failed: ".Length + 203).And.NotContainAny("\u001b", "\r", "\n");
    }

    /// <summary>R12: base path and closing slash are respected, with one slash between.</summary>
    [Theory]
    [InlineData("http://10.0.0.1:8080", "/health", "http://10.0.0.1:8080/health")]
    [InlineData("http://10.0.0.1:8080/", "/health", "http://10.0.0.1:8080/health")]
    [InlineData("http://10.0.0.1:8080/base", "/health", "http://10.0.0.1:8080/base/health")]
    [InlineData("http://10.0.0.1:8080/base/", "/health", "http://10.0.0.1:8080/base/health")]
    [InlineData("https://api.test/a%2Fb/", "/live?full=1", "https://api.test/a%2Fb/live?full=1")]
    [InlineData("http://[::1]:5000/x/y", "/", "http://[::1]:5000/x/y/")]
    public async Task Path_IsPutAfterTheBasePath(string address, string path, string expected)
    {
        var handler = new StubHandler();

        await ProbeAsync(handler, new HealthCheckOptions { Path = path }, new BackendDefinition(address));

        var request = handler.Requests.Should().ContainSingle().Subject;
        request.Method.Should().Be("GET");
        request.Uri.Should().Be(expected);
    }

    [Fact]
    public async Task Host_OfTheDefinition_IsTheHostHeader()
    {
        var handler = new StubHandler();

        await ProbeAsync(handler, backend: new("http://10.0.0.1:8080") { Host = "api.example.com:8443" });

        handler.Requests[0].Headers["Host"].Should().Be("api.example.com:8443");
        handler.Requests[0].Uri.Should().Be("http://10.0.0.1:8080/health");
    }

    /// <summary>R163 besides: no Accept-Encoding.</summary>
    [Fact]
    public async Task Headers_AreTheUserAgentAlone()
    {
        var handler = new StubHandler();

        await ProbeAsync(handler);

        handler.Requests[0].Headers.Should().ContainSingle().Which.Key.Should().Be("User-Agent");
        handler.Requests[0].Headers["User-Agent"].Should().MatchRegex(@"^Resilience/\d+\.\d+\.\d+[-.\w]*$");
    }

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(307)]
    public async Task Redirect_IsNoSuccessAndNotFollowed(int status)
    {
        var handler = new StubHandler(_ => new HttpResponseMessage((HttpStatusCode)status)
        {
            Headers = { Location = new Uri("http://10.0.0.1:8080/login") },
        });

        var result = await ProbeAsync(handler);

        result.IsSuccess.Should().BeFalse();
        result.StatusCode.Should().Be(status);
        handler.Requests.Should().ContainSingle();
    }

    /// <summary>A handler of the application's own may follow redirects, as the platform's do unless told otherwise.</summary>
    [Fact]
    public async Task Redirect_FollowedByTheHandler_IsNoSuccess()
    {
        var handler = new StubHandler(request =>
        {
            request.RequestUri = new Uri("http://10.0.0.1:8080/login");
            return new HttpResponseMessage();
        });

        var result = await ProbeAsync(handler);

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().Be("GET /health was redirected");
        result.StatusCode.Should().Be(200);
    }

    /// <summary>R162, and a backend whose name has moved is probed where it is now, as requests go there.</summary>
    [Fact]
    public void Transport_NobodyGivesOne_KeepsAndRenewsItsConnectionsAsThePoolsDo()
    {
        using var transport = HttpHealthProbe.CreateTransport();
        using var ofRequests = ResilientTransport.Create();

        (
            transport.PooledConnectionIdleTimeout,
            transport.PooledConnectionLifetime,
            transport.ConnectTimeout,
            transport.UseProxy
        )
            .Should()
            .Be(
                (
                    ofRequests.PooledConnectionIdleTimeout,
                    ofRequests.PooledConnectionLifetime,
                    ofRequests.ConnectTimeout,
                    false
                )
            );
        transport.PooledConnectionIdleTimeout.Should().Be(TimeSpan.FromSeconds(90));
        transport.AllowAutoRedirect.Should().BeFalse();
    }

    /// <summary>R163, R174 and the design's rules for probes, whatever the transport is set to.</summary>
    [Fact]
    public void Prepare_TakesFromATransportWhatProbesMustNotDo()
    {
        using var transport = new SocketsHttpHandler
        {
            AllowAutoRedirect = true,
            UseCookies = true,
            AutomaticDecompression = DecompressionMethods.All,
            ConnectTimeout = TimeSpan.FromSeconds(7),
        };

        HttpHealthProbe.Prepare(transport).Should().BeSameAs(transport);

        transport.AllowAutoRedirect.Should().BeFalse();
        transport.UseCookies.Should().BeFalse();
        transport.AutomaticDecompression.Should().Be(DecompressionMethods.None);
        transport.ActivityHeadersPropagator.Should().BeNull();
        transport.ConnectTimeout.Should().Be(TimeSpan.FromSeconds(7));
    }

    /// <summary>R16, R172: read to its end so that the connection can be used again, then disposed.</summary>
    [Fact]
    public async Task Body_IsReadToItsEndAndDisposed()
    {
        var body = new CountingStream(length: 50_000);

        var result = await ProbeAsync(Answering(body));

        result.IsSuccess.Should().BeTrue();
        body.BytesRead.Should().Be(50_000);
        body.IsAtEnd.Should().BeTrue();
        body.IsDisposed.Should().BeTrue();
    }

    /// <summary>R172: an endless body is no hazard.</summary>
    [Fact]
    public async Task Body_Endless_IsReadUpToABoundAndDisposed()
    {
        var body = new CountingStream(length: long.MaxValue);

        var result = await ProbeAsync(Answering(body));

        result.IsSuccess.Should().BeTrue("the status says what there is to know");
        body.BytesRead.Should().BeInRange(64 * 1024, 80 * 1024);
        body.IsDisposed.Should().BeTrue();
    }

    [Fact]
    public async Task Body_Breaks_IsFailure()
    {
        var body = new CountingStream(length: 50_000, breaksAt: 10_000);

        var result = await ProbeAsync(Answering(body));

        result.IsSuccess.Should().BeFalse();
        result.Error.Should().BeAssignableTo<IOException>();
        body.IsDisposed.Should().BeTrue();
    }

    /// <summary>R13, S15.</summary>
    [Fact]
    public async Task TransportError_IsFailureWithTheError()
    {
        var error = new HttpRequestException(HttpRequestError.ConnectionError, "connection refused");

        var result = await ProbeAsync(new StubHandler(_ => throw error));

        result.IsSuccess.Should().BeFalse();
        result.StatusCode.Should().BeNull();
        result.Detail.Should().Be("GET /health failed: connection refused");
        result.Error.Should().BeSameAs(error);
    }

    /// <summary>The transport's own words say no more than that something went wrong; those inside say what.</summary>
    [Fact]
    public async Task LostConnection_IsFailureThatSaysHow()
    {
        var error = new HttpRequestException(
            "An error occurred while sending the request.",
            new IOException("Connection reset by peer")
        );

        var result = await ProbeAsync(new StubHandler(_ => throw error));

        result.Detail.Should().Be("GET /health failed: Connection reset by peer");
        result.Error.Should().BeSameAs(error);
    }

    /// <summary>A connect timeout arrives as a cancellation that nobody asked for; it is a finding, not a broken probe.</summary>
    [Fact]
    public async Task ConnectTimeout_IsFailureNotAnException()
    {
        var error = new TaskCanceledException("canceled", new TimeoutException("no connection within 00:00:05"));

        var result = await ProbeAsync(new StubHandler(_ => throw error));

        result.IsSuccess.Should().BeFalse();
        result.Detail.Should().Be("GET /health failed: no connection within 00:00:05");
        result.Error.Should().BeSameAs(error);
    }

    /// <summary>R67, S20: who cancels learns so; it is no finding about the backend.</summary>
    [Fact]
    public async Task Cancelled_ThrowsAndIsNoResult()
    {
        var handler = new StubHandler(
            async (_, token) =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, token);
                return new HttpResponseMessage();
            }
        );
        using var cancellation = new CancellationTokenSource();

        var probing = ProbeAsync(handler, token: cancellation.Token);
        await cancellation.CancelAsync();

        await FluentActions.Awaiting(() => probing).Should().ThrowAsync<OperationCanceledException>();
    }

    [Fact]
    public async Task Configure_NewPathAndStatuses_ApplyToTheNextProbe()
    {
        var handler = new StubHandler(HttpStatusCode.NoContent);
        using var pool = CreatePool(new("http://10.0.0.1:8080"));
        using var probe = new HttpHealthProbe(null, handler);
        (await probe.ProbeAsync(pool.Backends[0], default)).IsSuccess.Should().BeFalse();

        probe.Configure(new HealthCheckOptions { Path = "/live", ExpectedStatuses = ["204"] });

        (await probe.ProbeAsync(pool.Backends[0], default)).IsSuccess.Should().BeTrue();
        handler.Requests[1].Uri.Should().Be("http://10.0.0.1:8080/live");
    }

    [Fact]
    public void Dispose_DisposesTheHandler()
    {
        var handler = new StubHandler();

        new HttpHealthProbe(null, handler).Dispose();

        handler.IsDisposed.Should().BeTrue();
    }

    [Theory]
    [InlineData("health", "health")]
    [InlineData("", "")]
    [InlineData("/health#top", "/health#***")]
    public void Constructor_BadPath_IsRefused(string path, string shown)
    {
        var create = () => new HttpHealthProbe(new HealthCheckOptions { Path = path });

        create
            .Should()
            .Throw<ArgumentException>()
            .Which.Message.Should()
            .Contain($"Path is '{shown}', must begin with '/'");
    }

    private static StubHandler Answering(Stream body) =>
        new(_ => new HttpResponseMessage(HttpStatusCode.OK) { Content = new StreamContent(body) });

    private static async Task<ProbeResult> ProbeAsync(
        HttpMessageHandler handler,
        HealthCheckOptions? options = null,
        BackendDefinition? backend = null,
        CancellationToken token = default
    )
    {
        using var pool = CreatePool(backend ?? new("http://10.0.0.1:8080"));
        using var probe = new HttpHealthProbe(options, handler);
        return await probe.ProbeAsync(pool.Backends[0], token);
    }

    private static BackendPool CreatePool(BackendDefinition backend) =>
        new("catalog", [backend], new RoundRobinSelector(), timeProvider: new FakeTime());

    /// <summary>A body that keeps account of its reader.</summary>
    private sealed class CountingStream(long length, long breaksAt = long.MaxValue) : Stream
    {
        public long BytesRead { get; private set; }

        public bool IsAtEnd { get; private set; }

        public bool IsDisposed { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            if (BytesRead >= breaksAt)
            {
                throw new IOException("reset");
            }

            var read = (int)Math.Min(count, length - BytesRead);
            BytesRead += read;
            IsAtEnd |= read == 0;
            return read;
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            IsDisposed = true;
            base.Dispose(disposing);
        }
    }
}
