using System.Net;
using System.Net.Sockets;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Where a response's body ends is the platform's to say: a Content-Length beside chunks, or against the end of an HTTP/2
/// stream, cuts no body short, fails none that is whole, and lets no reader hang (laws 1 and 4; R97, R124).
/// </summary>
public sealed class ContentFramingTests : ResilienceTest
{
    private const int Limit = 1_024;

    [Theory]
    [InlineData(0, Limit)]
    [InlineData(3, Limit)]
    [InlineData(1_000, Limit)]
    [InlineData(3, 0)]
    [InlineData(1_000, 0)]
    public async Task Body_InChunksBesideALength_IsTheChunks(int length, int buffered)
    {
        var server = Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    while ((await ScriptServer.ReadHeadAsync(socket, token)).Length > 0)
                    {
                        await ScriptServer.SendAsync(socket, Chunked(length) + "5\r\nhello\r\n0\r\n\r\n", token);
                    }
                }
            )
        );
        var client = Connect(options =>
            options.AddBackend(server.Address.ToString(), "a").BufferResponsesUpTo = buffered
        );

        using var response = await client.Http.GetAsync(Relative(""));

        (await response.Content.ReadAsStringAsync()).Should().Be("hello");
        response.GetAttempts().Should().ContainSingle();
        client["a"].Failures.Should().Be(0);
        client["a"].InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData("chunked", 3)]
    [InlineData("chunked", 0)]
    [InlineData("HTTP/2", 3)]
    [InlineData("HTTP/2", 1)]
    public async Task Body_StopsAfterAsManyBytesAsItsLengthSays_IsEndedByTheIdleReadTimeout(string framing, int length)
    {
        var isHttp2 = framing == "HTTP/2";
        var server = Own(
            isHttp2
                ? Http2Server(
                    async (socket, stream, token) =>
                    {
                        await Http2Frames.BeginAnswerAsync(socket, stream, length, token);
                        await Http2Frames.SendDataAsync(socket, stream, "abc", isLast: false, token);
                    }
                )
                : ScriptServer.Start(
                    async (socket, _, token) =>
                    {
                        await ScriptServer.ReadHeadAsync(socket, token);
                        await ScriptServer.SendAsync(socket, Chunked(length) + "3\r\nabc\r\n", token);
                        await socket.ReceiveAsync(new byte[1], token);
                    }
                )
        );
        var time = new FakeTime();
        var client = Connect(time, options => options.AddBackend(server.Address.ToString(), "a"));
        using var request = Get(isHttp2);
        using var response = await client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using var body = await response.Content.ReadAsStreamAsync();
        await body.ReadExactlyAsync(new byte[3]);
        // Beside chunks a length is none; over HTTP/2 its last byte is the body's end, and what follows is the reader's alone.
        var held = isHttp2 ? 0 : 1;
        client["a"].InFlight.Should().Be(held);

        var reading = body.ReadAsync(new byte[1]).AsTask();
        await PastAsync(time, reading);

        var thrown = await reading.Invoking(task => task).Should().ThrowAsync<IOException>();
        thrown.Which.Message.Should().Contain("Timeouts:IdleRead");
        client["a"].Failures.Should().Be(held);
        client["a"].InFlight.Should().Be(0);
    }

    /// <summary>Over HTTP/2 only the end of the stream tells a whole body (RFC 9113, section 8.1.1).</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(1_000)]
    public async Task Body_OverHttp2OfAnotherLengthThanItSays_IsReadIntoMemoryFromAnotherBackend(int length)
    {
        var lying = Own(Http2Server((socket, stream, token) => AnswerAsync(socket, stream, length, token)));
        var honest = Own(Http2Server((socket, stream, token) => AnswerAsync(socket, stream, 5, token)));
        var client = Connect(options => Both(options, lying, honest).BufferResponsesUpTo = Limit);

        // In turn from a random start: at least one of two begins at the one that lies.
        for (var i = 0; i < 2; i++)
        {
            using var request = Get(isHttp2: true);
            using var response = await client.Http.SendAsync(request);

            (await response.Content.ReadAsStringAsync()).Should().Be("hello");
            response.GetBackend()!.Name.Should().Be("b");
            response.TrailingHeaders.GetValues("x-trailer").Should().Equal("after it");
        }

        client["a"].Failures.Should().BePositive();
        client["b"].Failures.Should().Be(0);
    }

    /// <summary>As most answers of an interface come: in chunks, or over HTTP/2 without a length.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Body_OfUnknownLengthThatBreaksOff_IsReadIntoMemoryFromAnotherBackend(bool isHttp2) // law 1
    {
        var breaking = Own(isHttp2 ? Http2Server(BreakAsync) : ChunkServer("3\r\nabc\r\n5\r\nde", isKept: false));
        var whole = Own(
            isHttp2
                ? Http2Server((socket, stream, token) => AnswerAsync(socket, stream, null, token))
                : ChunkServer("5\r\nhello\r\n0\r\nx-trailer: after it\r\n\r\n", isKept: true)
        );
        var client = Connect(options => Both(options, breaking, whole).BufferResponsesUpTo = Limit);

        // In turn from a random start: at least one of two begins at the one that breaks off.
        for (var i = 0; i < 2; i++)
        {
            using var request = Get(isHttp2);
            using var response = await client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

            client["b"].InFlight.Should().Be(0, "the whole body is here");
            (await response.Content.ReadAsStringAsync()).Should().Be("hello");
            response.GetBackend()!.Name.Should().Be("b");
            response.TrailingHeaders.GetValues("x-trailer").Should().Equal("after it");
        }

        client["a"].Failures.Should().BePositive();
        client["b"].Failures.Should().Be(0);

        static async Task BreakAsync(Socket socket, int stream, CancellationToken token)
        {
            await Http2Frames.BeginAnswerAsync(socket, stream, null, token);
            await Http2Frames.SendDataAsync(socket, stream, "hel", isLast: false, token);
            await Http2Frames.ResetAsync(socket, stream, token);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Body_OfUnknownLengthLongerThanTheLimit_IsAllThereWithItsTrailers(bool isAsync)
    {
        var text = string.Concat(Enumerable.Range(0, 2_000).Select(each => $"{each:x4} "));
        var chunks = text.Chunk(1_000).Select(each => $"{each.Length:x}\r\n{new string(each)}\r\n");
        var server = Own(ChunkServer($"{string.Concat(chunks)}0\r\nx-trailer: after it\r\n\r\n", isKept: true));
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a").BufferResponsesUpTo = Limit);

        // The second one comes over the connection of the first, which was left clean.
        for (var i = 0; i < 2; i++)
        {
            using var request = Get(isHttp2: false);
            using var response = isAsync
                ? await client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead)
                : client.Http.Send(request, HttpCompletionOption.ResponseHeadersRead);
            var held = client["a"].InFlight;
            using var body = new StreamReader(
                isAsync ? await response.Content.ReadAsStreamAsync() : response.Content.ReadAsStream()
            );

            (isAsync ? await body.ReadToEndAsync() : body.ReadToEnd()).Should().Be(text);
            held.Should().Be(1);
            client["a"].InFlight.Should().Be(0);
            response.TrailingHeaders.GetValues("x-trailer").Should().Equal("after it");
        }

        server.AcceptedConnections.Should().Be(1);
    }

    /// <summary>What is not read into memory is the reader's as it came, as from a bare client.</summary>
    [Theory]
    [InlineData(3)]
    [InlineData(1_000)]
    public async Task Body_OverHttp2OfAnotherLengthThanItSays_IsStreamedAsItCame(int length)
    {
        var server = Own(Http2Server((socket, stream, token) => AnswerAsync(socket, stream, length, token)));
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a"));
        using var bare = new HttpClient(ResilientTransport.Create()) { BaseAddress = server.Address };

        foreach (var http in new[] { bare, client.Http })
        {
            using var request = Get(isHttp2: true);
            using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            using var body = new StreamReader(await response.Content.ReadAsStreamAsync());

            (await body.ReadToEndAsync()).Should().Be("hello");
        }

        client["a"].InFlight.Should().Be(0);
    }

    private static string Chunked(int length) =>
        $"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n";

    /// <param name="isKept">Whether the connection is kept for the next request, or else ends with the answer.</param>
    private static ScriptServer ChunkServer(string chunks, bool isKept) =>
        ScriptServer.Start(
            async (socket, _, token) =>
            {
                while ((await ScriptServer.ReadHeadAsync(socket, token)).Length > 0)
                {
                    await ScriptServer.SendAsync(
                        socket,
                        $"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}",
                        token
                    );
                    if (!isKept)
                    {
                        return;
                    }
                }
            }
        );

    private static async Task AnswerAsync(Socket socket, int stream, int? length, CancellationToken token)
    {
        await Http2Frames.BeginAnswerAsync(socket, stream, length, token);
        await Http2Frames.SendDataAsync(socket, stream, "hello", isLast: false, token);
        await Http2Frames.EndWithTrailerAsync(socket, stream, "x-trailer", "after it", token);
    }

    private static ScriptServer Http2Server(Func<Socket, int, CancellationToken, Task> answerAsync) =>
        ScriptServer.Start(
            async (socket, _, token) =>
            {
                await Http2Frames.BeginAsync(socket, token);
                while (true)
                {
                    await answerAsync(socket, await Http2Frames.NextRequestAsync(socket, token), token);
                }
            }
        );

    private static ResilientBackendsOptions Both(ResilientBackendsOptions options, ScriptServer a, ScriptServer b) =>
        options.AddBackend(a.Address.ToString(), "a").AddBackend(b.Address.ToString(), "b");

    private static HttpRequestMessage Get(bool isHttp2) =>
        new(HttpMethod.Get, Relative(""))
        {
            Version = isHttp2 ? HttpVersion.Version20 : HttpVersion.Version11,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
}
