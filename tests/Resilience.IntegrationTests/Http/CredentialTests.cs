using System.Collections.Concurrent;
using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>docs/security.md: credentials go to the pool's backends and to nobody else.</summary>
public sealed class CredentialTests : ResilienceTest
{
    [Theory]
    [InlineData("302 Found")]
    [InlineData("307 Temporary Redirect")]
    [InlineData("308 Permanent Redirect")]
    public async Task Redirect_ByDefault_IsReturnedAndNobodyElseIsAsked(string status)
    {
        var elsewhere = Server();
        var backend = Own(Redirecting(status, elsewhere.Address));
        var client = Connect(options => options.AddBackend(backend.Address.ToString(), "a"));
        using var request = WithCredentials();

        using var response = await client.Http.SendAsync(request);

        ((int)response.StatusCode).Should().BeInRange(300, 399);
        elsewhere.AcceptedConnections.Should().Be(0);
    }

    /// <summary>The platform keeps the authorization from where it is sent; the pool's next backend has it again.</summary>
    [Fact]
    public async Task Redirect_WhereTheyAreFollowed_TheAuthorizationGoesToBackendsAlone()
    {
        // It breaks off, so that the request goes to the next backend.
        var elsewhere = Server(WireFault.HalfHeaders);
        var first = Own(Redirecting("302 Found", elsewhere.Address));
        var second = Server();
        var client = Connect(options =>
        {
            options.AddBackend(first.Address.ToString(), "a").AddBackend(second.Address.ToString(), "b");
            options.Transport.AllowAutoRedirect = true;
        });

        for (var i = 0; i < 2; i++)
        {
            using var request = WithCredentials();
            using var response = await client.Http.SendAsync(request);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            request.Headers.Authorization!.Parameter.Should().Be("secret");
        }

        elsewhere.Requests.Should().NotBeEmpty().And.OnlyContain(each => !each.HeadText.Contains("Authorization"));
        second.Requests.Should().HaveCount(2).And.OnlyContain(each => each.HeadText.Contains("Bearer secret"));
    }

    /// <summary>The platform writes its answer to a challenge on the message, and leaves it there.</summary>
    [Fact]
    public async Task Challenge_AnsweredWithTheCredentialsForOneBackend_NeitherTheNextNorTheCallerGetsThem()
    {
        var (challenges, heads) = (0, new ConcurrentQueue<string>());
        var first = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    while (await ScriptServer.ReadHeadAsync(socket, token) is { Length: > 0 } head)
                    {
                        heads.Enqueue(head);
                        var isAnswered = head.Contains("Authorization: Basic", StringComparison.Ordinal);
                        challenges += isAnswered ? 0 : 1;
                        await ScriptServer.SendAsync(
                            socket,
                            isAnswered
                                ? "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
                                : "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"a\"\r\nContent-Length: 0\r\n\r\n",
                            token
                        );
                    }
                }
            )
        );
        var second = Server();
        var credentials = new CredentialCache { { first.Address, "Basic", new NetworkCredential("user", "password") } };
        var client = Connect(
            options => options.AddBackend(first.Address.ToString(), "a").AddBackend(second.Address.ToString(), "b"),
            configureClient: http =>
                http.ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler { Credentials = credentials })
        );

        // In turn from a random start: at least one of two begins at the one that challenges.
        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Relative(""));
            using var response = await client.Http.SendAsync(request);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            request.Headers.Should().BeEmpty();
        }

        challenges.Should().BePositive();
        heads.Should().Contain(head => head.Contains("Authorization: Basic"), "the platform answered the challenge");
        second.Requests.Should().HaveCount(2).And.OnlyContain(each => !each.HeadText.Contains("Authorization"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task ForeignAddress_IsRefusedBeforeAnythingIsSent(bool isInTheAddress)
    {
        var (elsewhere, backend) = (Server(), Server());
        var client = Connect(options => options.Add("a", backend));
        using var request = WithCredentials();
        request.RequestUri = isInTheAddress
            ? new Uri($"http://catalog@127.0.0.1:{elsewhere.Port}/")
            : elsewhere.Address;

        var sending = () => client.Http.SendAsync(request);

        (await sending.Should().ThrowAsync<InvalidOperationException>()).Which.Message.Should().NotContain("catalog@");
        elsewhere.AcceptedConnections.Should().Be(0);
        backend.AcceptedConnections.Should().Be(0);
    }

    private static HttpRequestMessage WithCredentials()
    {
        var request = new HttpRequestMessage(HttpMethod.Get, Relative(""));
        request.Headers.Authorization = new("Bearer", "secret");
        return request;
    }

    private static ScriptServer Redirecting(string status, Uri target) =>
        ScriptServer.Start(
            async (socket, _, token) =>
            {
                while ((await ScriptServer.ReadHeadAsync(socket, token)).Length > 0)
                {
                    await ScriptServer.SendAsync(
                        socket,
                        $"HTTP/1.1 {status}\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n",
                        token
                    );
                }
            }
        );
}
