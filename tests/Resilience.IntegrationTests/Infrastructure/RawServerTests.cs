using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Resilience.IntegrationTests.Infrastructure;

public sealed class RawServerTests : IAsyncLifetime
{
    private readonly RawServer _server = RawServer.Start();
    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false }) { Timeout = Limits.Wait };

    public Task InitializeAsync()
    {
        _client.BaseAddress = _server.Address;
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        // The client first: its connections then end by its own doing, not under it.
        _client.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Ok_TwoRequests_AreAnsweredOnOneConnection()
    {
        (await GetAsync()).Should().Be("ok");
        (await GetAsync()).Should().Be("ok");

        _server.AcceptedConnections.Should().Be(1);
        _server.RequestCount.Should().Be(2);
    }

    [Fact]
    public async Task Requests_OfKnownLength_AreKeptByteForByte()
    {
        using var response = await _client.PostAsync(Relative("x%2Fy?a"), new ByteArrayContent("body"u8.ToArray()));

        var request = _server.Requests.Should().ContainSingle().Subject;
        request.RequestLine.Should().Be("POST /x%2Fy?a HTTP/1.1");
        request.HeadText.Should().Contain($"Host: 127.0.0.1:{_server.Port}\r\n").And.EndWith("\r\n\r\n");
        request.Body.Should().Equal("body"u8.ToArray());
        request.IsComplete.Should().BeTrue();
    }

    [Fact]
    public async Task Requests_InChunks_AreKeptWithoutTheirFraming()
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, Relative(""));
        request.Headers.TransferEncodingChunked = true;
        request.Content = new StringContent("in chunks", Encoding.UTF8);

        using var response = await _client.SendAsync(request);

        _server.Requests.Should().ContainSingle().Which.Body.Should().Equal("in chunks"u8.ToArray());
    }

    [Fact]
    public async Task Requests_ClientLeavesInTheBody_AreCountedAndMarkedIncomplete()
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(IPAddress.Loopback, _server.Port);
        await socket.GetStream().WriteAsync("POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"u8.ToArray());
        socket.Close();

        await Eventually.BecomesTrueAsync(() => _server.Requests.Count == 1, Limits.Wait, "the request has ended");

        _server.RequestCount.Should().Be(1);
        _server.Requests[0].IsComplete.Should().BeFalse();
        _server.Requests[0].Body.Should().Equal("abc"u8.ToArray());
    }

    [Fact]
    public async Task CloseReusedConnectionWithoutAByte_SecondGet_IsSentAgainByThePlatform()
    {
        _server.Fault = WireFault.CloseReusedConnectionWithoutAByte;
        await GetAsync();

        (await GetAsync()).Should().Be("ok");

        _server.AcceptedConnections.Should().Be(2);
        _server.RequestCount.Should().Be(3);
    }

    [Fact]
    public async Task CloseReusedConnectionWithoutAByte_SecondPostWithContent_EndsWithoutAResponse()
    {
        _server.Fault = WireFault.CloseReusedConnectionWithoutAByte;
        await GetAsync();

        var sending = () => _client.PostAsync(Relative(""), new ByteArrayContent([1]));

        (await ErrorOfAsync(sending)).Should().Be(HttpRequestError.ResponseEnded);
        _server.RequestCount.Should().Be(2);
    }

    [Fact]
    public async Task ResetReusedConnection_SecondGet_FailsWithAReset()
    {
        _server.Fault = WireFault.ResetReusedConnection;
        await GetAsync();

        var sending = () => _client.GetAsync(Relative(""));

        (await sending.Should().ThrowAsync<HttpRequestException>())
            .Which.GetBaseException()
            .Should()
            .BeOfType<SocketException>()
            .Which.SocketErrorCode.Should()
            .Be(SocketError.ConnectionReset);
        _server.RequestCount.Should().Be(2);
        _server.AcceptedConnections.Should().Be(1);
    }

    [Fact]
    public async Task ResetMidBody_Get_FailsWhileTheBodyIsRead()
    {
        _server.Fault = WireFault.ResetMidBody;
        using var response = await _client.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[100]);

        var reading = async () => await body.ReadAsync(new byte[1]);

        (await reading.Should().ThrowAsync<IOException>())
            .Which.GetBaseException()
            .Should()
            .BeOfType<SocketException>()
            .Which.SocketErrorCode.Should()
            .Be(SocketError.ConnectionReset);
    }

    [Fact]
    public async Task ShortBody_Get_EndsBeforeTheBodyDoes()
    {
        _server.Fault = WireFault.ShortBody;
        using var response = await _client.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead);
        await using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[100]);

        var reading = async () => await body.ReadAsync(new byte[1]);

        (await reading.Should().ThrowAsync<HttpIOException>())
            .Which.HttpRequestError.Should()
            .Be(HttpRequestError.ResponseEnded);
    }

    [Theory]
    [InlineData("HalfHeaders", HttpRequestError.ResponseEnded)]
    [InlineData("Garbage", HttpRequestError.InvalidResponse)]
    public async Task BrokenHead_Get_FailsAsNamed(string fault, HttpRequestError expected)
    {
        _server.Fault = Enum.Parse<WireFault>(fault);

        var sending = () => _client.GetAsync(Relative(""));

        (await ErrorOfAsync(sending)).Should().Be(expected);
        _server.RequestCount.Should().Be(1);
    }

    [Fact]
    public async Task AcceptAndNeverAnswer_Get_WaitsUntilTheClientLeaves()
    {
        _server.Fault = WireFault.AcceptAndNeverAnswer;
        using var leave = new CancellationTokenSource();
        var call = _client.GetAsync(Relative(""), leave.Token);
        await Eventually.BecomesTrueAsync(() => _server.RequestCount == 1, Limits.Wait, "the request has arrived");
        call.IsCompleted.Should().BeFalse();

        await leave.CancelAsync();

        await call.Awaiting(c => c).Should().ThrowAsync<OperationCanceledException>();
        await Eventually.BecomesTrueAsync(() => _server.OpenConnections == 0, Limits.Wait, "the connection has ended");
    }

    [Fact]
    public async Task DisposeAsync_WhileARequestWaits_EndsIt()
    {
        _server.Fault = WireFault.AcceptAndNeverAnswer;
        var call = _client.GetAsync(Relative(""));
        await Eventually.BecomesTrueAsync(() => _server.RequestCount == 1, Limits.Wait, "the request has arrived");

        await _server.DisposeAsync();

        await call.Awaiting(c => c).Should().ThrowAsync<HttpRequestException>();
        _server.OpenConnections.Should().Be(0);
    }

    private static Uri Relative(string path) => new(path, UriKind.Relative);

    private Task<string> GetAsync() => _client.GetStringAsync(Relative(""));

    private static async Task<HttpRequestError> ErrorOfAsync(Func<Task<HttpResponseMessage>> sending) =>
        (await sending.Should().ThrowAsync<HttpRequestException>()).Which.HttpRequestError;
}
