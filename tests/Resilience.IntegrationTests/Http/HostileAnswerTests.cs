using System.Net;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Whatever a server sends ends in an answer or a documented exception; nothing hangs, is read without bound or keeps a
/// backend. The base asserts that nothing is left in flight.
/// </summary>
public sealed class HostileAnswerTests : ResilienceTest
{
    [Fact]
    public async Task Answers_ChangedAtRandom_EndInAnAnswerOrADocumentedException()
    {
        var server = Own(HostileAnswers.Serve());
        var client = Connect(options => Only(options, server));
        var ends = new Dictionary<string, int>();

        for (var number = 1; number <= 300; number++)
        {
            var end = await EndOfAsync(
                client.Http,
                $"seed {HostileAnswers.Seed}, answer {server.AcceptedConnections + 1}"
            );
            ends[end] = ends.GetValueOrDefault(end) + 1;
        }

        ends.Keys.Should().Contain(["answer", nameof(HttpRequestException)]).And.HaveCountLessThanOrEqualTo(3);
    }

    /// <summary>Law 1: a backend that answers nonsense costs an attempt, as long as another answers.</summary>
    [Fact]
    public async Task Answers_ChangedAtRandomByOneOfTwo_NoIdempotentRequestFails()
    {
        var (hostile, well) = (Own(HostileAnswers.Serve()), Server());
        var client = Connect(options => Only(options, hostile).AddBackend(well.Address.ToString(), "well"));

        for (var number = 1; number <= 120; number++)
        {
            var sending = () =>
                client.Http.GetAsync(Relative(""), HttpCompletionOption.ResponseHeadersRead).WaitAsync(Limits.Wait);

            var response = await sending
                .Should()
                .NotThrowAsync($"seed {HostileAnswers.Seed}, answer {hostile.AcceptedConnections}");
            response.Which.Dispose();
        }

        client["hostile"].Failures.Should().BePositive();
        client["well"].Failures.Should().Be(0);
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\n", "X-More: and more\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nX-Long: ", "xxxxxxxx")]
    [InlineData("HTTP/1.1 200 ", "OK and more ")]
    [InlineData("", "HTTP/1.1 100 Continue\r\n\r\n")]
    [InlineData("", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")]
    public async Task Headers_WithoutAnEnd_AreNotReadForEverAndAnotherAnswers(string head, string piece)
    {
        var flood = Own(HostileAnswers.Flood(head, piece));
        var well = Server();
        var client = Connect(options => Only(options, flood).AddBackend(well.Address.ToString(), "well"));

        for (var i = 0; i < 2; i++)
        {
            using var response = await client.Http.GetAsync(Relative("")).WaitAsync(Limits.Wait);
            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetBackend()!.Name.Should().Be("well");
        }

        client["hostile"].Failures.Should().BePositive("in turn, at least one of the two requests met it first");
    }

    [Theory]
    [InlineData("5;extension=", "xxxxxxxx")]
    [InlineData("0\r\n", "X-Trailer: and more\r\n")]
    [InlineData("", "0000000000000000")]
    public async Task ChunkedFraming_WithoutAnEnd_BreaksTheBodyInsteadOfBeingReadForEver(string head, string piece)
    {
        var flood = Own(HostileAnswers.Flood($"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{head}", piece));
        var client = Connect(options => Only(options, flood));

        var sending = () => client.Http.GetAsync(Relative("")).WaitAsync(Limits.Wait);

        await sending.Should().ThrowAsync<HttpRequestException>();
    }

    /// <summary>No circuit and no ejection: each answer is to be met.</summary>
    private static ResilientBackendsOptions Only(ResilientBackendsOptions options, ScriptServer server)
    {
        options.CircuitBreaker.Enabled = false;
        options.PassiveHealth.Enabled = false;
        return options.AddBackend(server.Address.ToString(), "hostile");
    }

    private static async Task<string> EndOfAsync(HttpClient http, string which)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, Relative("")).ConfigureResilience(options =>
                options.Retry = false
            );
            using var response = await http.SendAsync(request).WaitAsync(Limits.Wait);
            return "answer";
        }
        catch (HttpRequestException)
        {
            return nameof(HttpRequestException);
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"Not documented ({which}).", exception);
        }
    }
}
