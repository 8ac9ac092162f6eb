using System.Net;
using System.Text;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// A connection that is upgraded (101) is the caller's from then on, to read and to write, and holds its backend until
/// the caller hangs up.
/// </summary>
public sealed class UpgradeTests : ResilienceTest
{
    [Fact]
    public async Task Get_AnsweredWith101_BothSidesTalkUntilTheCallerHangsUp()
    {
        var server = Own(ScriptServer.Start(EchoAsync));
        var client = Connect(options => options.AddRefusing("down").AddBackend(server.Address.ToString(), "a"));

        foreach (var name in new[] { "first", "second" })
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Relative("talk"));
            request.Headers.Connection.Add("Upgrade");
            request.Headers.Upgrade.Add(new("echo"));

            using var response = await client
                .Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead)
                .WaitAsync(Limits.Wait);
            using var stream = await response.Content.ReadAsStreamAsync();
            var heard = new List<string>();
            foreach (var word in new[] { $"{name} ping", $"{name} pong" })
            {
                await stream.WriteAsync(Encoding.ASCII.GetBytes(word));
                var buffer = new byte[word.Length];
                await stream.ReadExactlyAsync(buffer).AsTask().WaitAsync(Limits.Wait);
                heard.Add(Encoding.ASCII.GetString(buffer));
                client["a"].InFlight.Should().Be(1);
            }

            await stream.DisposeAsync();
            response.StatusCode.Should().Be(HttpStatusCode.SwitchingProtocols);
            heard.Should().Equal($"{name} ping", $"{name} pong");
            client["a"].InFlight.Should().Be(0);
        }

        client["a"].Failures.Should().Be(0);
        server.AcceptedConnections.Should().Be(2);
    }

    private static async Task EchoAsync(System.Net.Sockets.Socket socket, int connection, CancellationToken token)
    {
        await ScriptServer.ReadHeadAsync(socket, token);
        const string Switch = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
        await ScriptServer.SendAsync(socket, Switch, token);
        var buffer = new byte[100];
        while (await socket.ReceiveAsync(buffer, token) is > 0 and var read)
        {
            await ScriptServer.SendAsync(socket, buffer.AsMemory(0, read), token);
        }
    }
}
