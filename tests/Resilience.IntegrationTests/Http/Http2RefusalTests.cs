using System.Net;
using System.Net.Sockets;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// An HTTP/2 server that refuses streams, or goes away without working on them, has provably done nothing: whatever it was
/// moves on (laws 1 and 2, R27), and nothing arrives twice.
/// </summary>
public sealed class Http2RefusalTests : ResilienceTest
{
    [Theory]
    [InlineData("GET", false)]
    [InlineData("POST", false)]
    [InlineData("GET", true)]
    [InlineData("POST", true)]
    public async Task Send_StreamNotWorkedOn_IsAnsweredByAnotherBackendOnce(string method, bool goesAway)
    {
        var refusals = 0;
        var refusing = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await Http2Frames.BeginAsync(socket, token);
                    while (true)
                    {
                        var stream = await Http2Frames.NextRequestAsync(socket, token);
                        Interlocked.Increment(ref refusals);
                        if (goesAway)
                        {
                            await Http2Frames.GoAwayAsync(socket, last: 0, token);
                            await UntilClosedAsync(socket, token);
                            return;
                        }

                        await Http2Frames.RefuseAsync(socket, stream, token);
                    }
                }
            )
        );
        var answers = 0;
        var answering = Answering(() => Interlocked.Increment(ref answers));
        var client = Connect(refusing, answering);

        // In turn from a random start: at least one of two begins at the one that refuses.
        for (var i = 0; i < 2; i++)
        {
            using var request = Request(method);
            using var response = await client.Http.SendAsync(request);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetBackend()!.Name.Should().Be("b");
        }

        refusals.Should().BePositive();
        answers.Should().Be(2, "each arrived where it was worked on once");
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Send_AfterAGracefulGoAway_GoesByANewConnection(string method)
    {
        var answers = 0;
        var leaving = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await Http2Frames.BeginAsync(socket, token);
                    var stream = await Http2Frames.NextRequestAsync(socket, token);
                    Interlocked.Increment(ref answers);
                    await Http2Frames.GoAwayAsync(socket, stream, token);
                    await Http2Frames.AnswerAsync(socket, stream, token);
                    await UntilClosedAsync(socket, token);
                }
            )
        );
        var client = Connect(leaving, leaving);

        for (var i = 1; i <= 5; i++)
        {
            using var request = Request(method);
            using var response = await client.Http.SendAsync(request);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetAttempts().Should().ContainSingle();
            answers.Should().Be(i);
        }

        client["a"].Failures.Should().Be(0);
    }

    /// <summary>What the server had begun with it finishes, and what it had not is another's, for nothing.</summary>
    [Theory]
    [InlineData("GET", false)]
    [InlineData("PUT", true)]
    [InlineData("POST", false)]
    [InlineData("POST", true)]
    public async Task Send_ManyStreamsWhenTheServerGoesAway_ThoseItWorkedOnEndThereAndTheOthersElsewhere(
        string method,
        bool hasContent
    )
    {
        const int Streams = 8;
        const int WorkedOn = 3;
        var leaving = Own(
            ScriptServer.Start(
                async (socket, connection, token) =>
                {
                    await Http2Frames.BeginAsync(socket, token);
                    var streams = new List<int>();
                    while (streams.Count < Streams || connection > 1)
                    {
                        streams.Add(await Http2Frames.NextRequestAsync(socket, token));
                        if (connection > 1)
                        {
                            // The platform tries a new connection by itself.
                            await Http2Frames.RefuseAsync(socket, streams[^1], token);
                        }
                    }

                    await Http2Frames.GoAwayAsync(socket, last: streams[WorkedOn - 1], token);
                    foreach (var stream in streams[..WorkedOn])
                    {
                        await Http2Frames.AnswerAsync(socket, stream, token);
                    }

                    await UntilClosedAsync(socket, token);
                }
            )
        );
        var answers = 0;
        var answering = Answering(() => Interlocked.Increment(ref answers));
        var client = Connect(
            leaving,
            answering,
            options =>
            {
                // Nothing but a sending that costs no attempt can follow the first.
                options.Retry.MaxAttempts = 1;
                options.PassiveHealth.Enabled = false;
            }
        );

        // In turn: every other one begins at the one that leaves.
        var requests = Enumerable.Range(0, 2 * Streams).Select(_ => Request(method, hasContent)).ToList();
        var responses = await Task.WhenAll(requests.Select(request => client.Http.SendAsync(request)));

        responses.Should().OnlyContain(response => response.StatusCode == HttpStatusCode.OK);
        var ways = responses
            .Select(response => string.Join(", ", response.GetAttempts().Select(attempt => attempt.Backend)))
            .ToList();
        ways.CountBy(way => way)
            .Should()
            .BeEquivalentTo(
                new Dictionary<string, int>
                {
                    ["a"] = WorkedOn,
                    ["a, b"] = Streams - WorkedOn,
                    ["b"] = Streams,
                }
            );
        responses
            .Select(response => response.GetAttempts())
            .Where(attempts => attempts.Count > 1)
            .Should()
            .OnlyContain(attempts => attempts[0].Outcome.NeverSent);
        answers.Should().Be((2 * Streams) - WorkedOn, "each was worked on once");
        client.Pool.Budget.Balance.Should().BeGreaterThanOrEqualTo(100, "none was drawn from");
    }

    private ScriptServer Answering(Action onRequest) =>
        Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await Http2Frames.BeginAsync(socket, token);
                    while (true)
                    {
                        var stream = await Http2Frames.NextRequestAsync(socket, token);
                        onRequest();
                        await Http2Frames.AnswerAsync(socket, stream, token);
                    }
                }
            )
        );

    /// <summary>The client closes when its last stream has ended; a server that closed before would reset what it has not read.</summary>
    private static async Task UntilClosedAsync(Socket socket, CancellationToken token)
    {
        var buffer = new byte[1_000];
        while (await socket.ReceiveAsync(buffer, token) > 0)
        {
            // Nothing of it is answered any more.
        }
    }

    private static HttpRequestMessage Request(string method, bool hasContent = false) =>
        new(new HttpMethod(method), Relative(""))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = hasContent ? new ByteArrayContent([1, 2, 3]) : null,
        };
}
