using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Connections that end while nobody uses them, which is the most frequent failure in production, harm nobody and send
/// nothing twice (laws 1 and 2; R124, R140).
/// </summary>
public sealed class ConnectionEndTests : ResilienceTest
{
    private const string Ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    public static TheoryData<string, bool> MethodsAndEnds =>
        new()
        {
            { "GET", true },
            { "POST", true },
            { "GET", false },
            { "POST", false },
        };

    /// <param name="method">Of the second request.</param>
    /// <param name="isReset">An end by RST; else by FIN of the server's sending half, whose other half stays open.</param>
    [Theory]
    [MemberData(nameof(MethodsAndEnds))]
    public async Task Send_KeptConnectionHasEnded_IsAnsweredOnANewOneAndSentOnce(string method, bool isReset)
    {
        var mayEnd = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var hasEnded = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var arrived = 0;
        var server = Own(
            ScriptServer.Start(
                async (socket, number, token) =>
                {
                    while (await ScriptServer.ReadHeadAsync(socket, token) is { Length: > 0 })
                    {
                        Interlocked.Increment(ref arrived);
                        await ScriptServer.SendAsync(socket, Ok, token);
                        if (number == 1)
                        {
                            await mayEnd.Task.WaitAsync(token);
                            var ofTheClient = ((IPEndPoint)socket.RemoteEndPoint!).Port;
                            End(socket, isReset);
                            hasEnded.SetResult(ofTheClient);
                            if (isReset)
                            {
                                return;
                            }
                        }
                    }
                }
            )
        );
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a"));
        (await client.Http.GetAsync(Relative(""))).Dispose();
        mayEnd.SetResult();
        var port = await hasEnded.Task.WaitAsync(Limits.Wait);
        await Eventually.BecomesTrueAsync(
            () => HasComeToTheClient(port, server.Address.Port),
            Limits.Wait,
            "the client's end of the connection knows that it has ended"
        );

        using var request = new HttpRequestMessage(new HttpMethod(method), Relative(""));
        using var response = await client.Http.SendAsync(request);

        (await response.Content.ReadAsStringAsync()).Should().Be("ok");
        response.GetAttempts().Should().ContainSingle().Which.Outcome.Kind.Should().Be(OutcomeKind.Success);
        arrived.Should().Be(2);
        server.AcceptedConnections.Should().Be(2);
        client["a"].Failures.Should().Be(0);
    }

    /// <summary>The server says that it will send nothing more in the middle of its answer, and goes on listening.</summary>
    [Theory]
    [InlineData("GET", true)]
    [InlineData("POST", false)]
    public async Task Send_ServerClosesItsHalfInsteadOfAnswering_OnlyWhatIsIdempotentMovesOn(
        string method,
        bool movesOn
    )
    {
        var arrived = 0;
        var half = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await ScriptServer.ReadHeadAsync(socket, token);
                    Interlocked.Increment(ref arrived);
                    await ScriptServer.SendAsync(socket, "HTTP/1.1 200 OK\r\nContent-", token);
                    End(socket, isReset: false);
                    await socket.ReceiveAsync(new byte[1], token);
                }
            )
        );
        var whole = Server();
        var client = Connect(options => options.AddBackend(half.Address.ToString(), "half").Add("whole", whole));
        // In turn from a random start: at least one of two begins there.
        var statuses = new List<HttpStatusCode?>();
        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), Relative(""));
            try
            {
                using var response = await client.Http.SendAsync(request);
                statuses.Add(response.StatusCode);
            }
            catch (HttpRequestException exception)
            {
                exception.GetAttempts().Should().ContainSingle();
                statuses.Add(null);
            }
        }

        arrived.Should().BePositive();
        statuses.Count(status => status == HttpStatusCode.OK).Should().Be(movesOn ? 2 : 1);
        whole.RequestCount.Should().Be(movesOn ? 2 : 1);
        client["half"].Failures.Should().Be(arrived, "none was sent there twice");
    }

    /// <summary>
    /// Whether the kernel has handed the end of a connection over to the client's socket: on a busy machine it may do so
    /// after the server's call has returned. One that was reset is in no list any more.
    /// </summary>
    private static bool HasComeToTheClient(int clientPort, int serverPort) =>
        IPGlobalProperties
            .GetIPGlobalProperties()
            .GetActiveTcpConnections()
            .Where(each => each.LocalEndPoint.Port == clientPort && each.RemoteEndPoint.Port == serverPort)
            .All(each => each.State == TcpState.CloseWait);

    private static void End(Socket socket, bool isReset)
    {
        if (isReset)
        {
            socket.LingerState = new LingerOption(enable: true, seconds: 0);
            socket.Close();
        }
        else
        {
            socket.Shutdown(SocketShutdown.Send);
        }
    }
}
