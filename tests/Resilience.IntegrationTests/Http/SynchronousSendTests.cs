using System.Net;
using System.Text;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary><see cref="HttpClient.Send(HttpRequestMessage)"/> goes the same way (laws 1 to 4).</summary>
public sealed class SynchronousSendTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    [Theory]
    [InlineData(SetUp.Services)]
    [InlineData(SetUp.Constructors)]
    public async Task Send_OneBackendRefusing_IsAnsweredByTheOther(SetUp setUp)
    {
        var client = await ConnectAsync(setUp, options => options.AddRefusing("down").Add(backends.A));
        for (var i = 0; i < 10; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, Relative("work?ms=0&bytes=10"));
            request.Content = new ByteArrayContent([1, 2, 3]);

            using var response = client.Http.Send(request);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            new StreamReader(response.Content.ReadAsStream()).ReadToEnd().Should().Be("xxxxxxxxxx");
        }

        client["down"].Failures.Should().BePositive();
    }

    [Fact]
    public async Task Send_SameBackendAgain_BacksOffAndReturnsTheLastResponse()
    {
        var client = Connect(options => options.Add(backends.A));
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("status/503"));
        request.Headers.Add("X-Request-Id", "sync-503");

        using var response = client.Http.Send(request);

        response.StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        response.GetAttempts().Should().HaveCount(3);
        (await backends.ArrivedAsync("sync-503")).Should().HaveCount(3);
    }

    [Fact]
    public async Task Send_HungBackend_TimesOutAndMovesOn()
    {
        var (server, time) = (Server(WireFault.AcceptAndNeverAnswer), new FakeTime());
        var client = Connect(time, options => options.Add("silent", server).Add(backends.A));

        // In turn from a random start: at least one of two begins there.
        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Relative("echo"));

            using var response = await SendPastAsync(server, time, () => Task.Run(() => client.Http.Send(request)));

            response.GetBackend()!.Name.Should().Be("a");
        }

        client["silent"].Failures.Should().BePositive();
    }

    [Fact]
    public async Task Send_Cancelled_LeavesNoTrace()
    {
        var client = Connect(options => options.Add(backends.A));
        using var leave = new CancellationTokenSource();
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("hang"));
        request.Headers.Add("X-Request-Id", "sync-cancel");
        var sending = Task.Run(() => client.Http.Send(request, leave.Token));
        await Eventually.BecomesTrueAsync(
            async () => (await backends.ArrivedAsync("sync-cancel")).Count == 1,
            Limits.Wait,
            "it has arrived"
        );

        await leave.CancelAsync();

        await sending.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
        client["a"].Failures.Should().Be(0);
        client["a"].InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Send_Streamed_IsReadPieceByPiece()
    {
        await using var server = GatedServer.Start();
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a"));
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("stream"));
        var sending = Task.Run(() => client.Http.Send(request, HttpCompletionOption.ResponseHeadersRead));
        await server.ReceiveAsync();
        await server.SendHeadersAsync();
        using var response = await sending.WaitAsync(Limits.Wait);
        using var body = await Task.Run(() => response.Content.ReadAsStream()).WaitAsync(Limits.Wait);
        var buffer = new byte[5];

        await server.SendChunkAsync("piece");
        await Task.Run(() => body.ReadExactly(buffer)).WaitAsync(Limits.Wait);
        var inFlight = client["a"].InFlight;
        await server.EndAsync();

        (await Task.Run(() => body.ReadByte()).WaitAsync(Limits.Wait)).Should().Be(-1);
        Encoding.ASCII.GetString(buffer).Should().Be("piece");
        inFlight.Should().Be(1);
        client["a"].InFlight.Should().Be(0);
    }
}
