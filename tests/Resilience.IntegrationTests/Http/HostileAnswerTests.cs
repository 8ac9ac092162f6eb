using System.Collections.Concurrent;
using System.Net;
using System.Text;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// Whatever a server sends ends in an answer or a documented exception; nothing hangs, is read without bound or keeps a
/// backend. The base asserts that nothing is left in flight.
/// </summary>
public sealed class HostileAnswerTests : ResilienceTest
{
    private const string Failed = "failed";
    private const string OutOfTime = "out of time";
    private const string OfAnotherLength = " (of another length than it says)";

    /// <summary>
    /// Whatever the platform makes of an answer is what the caller gets, however it is read: the same status and body, or a
    /// documented exception where a bare client throws too.
    /// </summary>
    [Fact]
    public async Task Answers_ChangedAtRandom_AreWhatABareClientMakesOfThem()
    {
        var server = Own(HostileAnswers.ServeByPath());
        var client = Connect(options => Only(options, server));
        using var bare = new HttpClient(ResilientTransport.Create()) { BaseAddress = server.Address };
        var ends = new Dictionary<string, int>();

        for (var number = 1; number <= HostileAnswers.CountOr(300); number++)
        {
            var which = $"seed {HostileAnswers.Seed}, answer {number}";
            var expected = await EndOfAsync(bare, Get($"{number}"), isStreamed: false, bufferUpTo: 0, which);
            foreach (var isStreamed in new[] { false, true })
            {
                foreach (var bufferUpTo in new[] { 0, 1_024 })
                {
                    var end = await EndOfAsync(client.Http, Get($"{number}"), isStreamed, bufferUpTo, which);
                    end.Should().Be(expected, $"{which}, streamed: {isStreamed}, read into memory: {bufferUpTo}");
                }
            }

            ends[expected] = ends.GetValueOrDefault(expected) + 1;
        }

        ends.Keys.Should().Contain([Failed, "200 hello", "200 until the end", "204 ", "503 "]);
    }

    /// <summary>Law 1: a backend that answers nonsense costs an attempt, as long as another answers.</summary>
    [Fact]
    public async Task Answers_ChangedAtRandomByOneOfTwo_NoIdempotentRequestFails()
    {
        var (hostile, well) = (Own(HostileAnswers.Serve()), Server());
        var client = Connect(options => Only(options, hostile).AddBackend(well.Address.ToString(), "well"));

        for (var number = 1; number <= HostileAnswers.CountOr(120); number++)
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

    /// <summary>
    /// The same over HTTP/2, frame by frame. Where more or less comes than the length says, only the end of the stream tells,
    /// which a bare client believes; what is read into memory has to be whole.
    /// </summary>
    [Fact]
    public async Task Frames_ChangedAtRandom_AreWhatABareClientMakesOfThem()
    {
        var (current, closing) = (0, new ConcurrentQueue<Task>());
        var server = Own(HostileFrames.Serve(_ => Volatile.Read(ref current), closing.Enqueue));
        var client = Connect(options => Only(options, server));
        using var bare = new HttpClient(ResilientTransport.Create()) { BaseAddress = server.Address };
        var ends = new Dictionary<string, int>();

        async Task<string> EndAsync(HttpClient http, bool isStreamed, int bufferUpTo, string which)
        {
            var end = await EndOfAsync(http, GetOverHttp2(), isStreamed, bufferUpTo, which);
            // Else the next one could begin on a connection that is about to end.
            while (closing.TryDequeue(out var connection))
            {
                await connection.WaitAsync(Limits.Wait);
            }

            return end;
        }

        for (var number = 1; number <= HostileAnswers.CountOr(100); number++)
        {
            var which = $"seed {HostileAnswers.Seed}, answer {number}";
            Volatile.Write(ref current, number);
            var expected = await EndAsync(bare, isStreamed: false, bufferUpTo: 0, which);
            foreach (var isStreamed in new[] { false, true })
            {
                foreach (var bufferUpTo in new[] { 0, 1_024 })
                {
                    var end = await EndAsync(client.Http, isStreamed, bufferUpTo, which);
                    var isRefused = bufferUpTo > 0 && expected.EndsWith(OfAnotherLength, StringComparison.Ordinal);
                    end.Should()
                        .Be(
                            isRefused ? Failed : expected,
                            $"{which}, streamed: {isStreamed}, read into memory: {bufferUpTo}"
                        );
                }
            }

            ends[expected] = ends.GetValueOrDefault(expected) + 1;
        }

        ends.Keys.Should().Contain([Failed, "200 ", "200 hello", "204 ", "503 "]);
    }

    /// <summary>Law 1, over HTTP/2. The clock stands still: nothing waits for a time to be up.</summary>
    [Fact]
    public async Task Frames_ChangedAtRandomByOneOfTwo_NoIdempotentRequestFails()
    {
        var (hostile, well) = (Own(HostileFrames.Serve(number => number)), AnsweringOverHttp2());
        var client = Connect(
            new FakeTime(),
            options => Only(options, hostile).AddBackend(well.Address.ToString(), "well")
        );

        for (var number = 1; number <= HostileAnswers.CountOr(120); number++)
        {
            using var request = GetOverHttp2();
            var sending = () =>
                client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead).WaitAsync(Limits.Wait);

            var response = await sending
                .Should()
                .NotThrowAsync($"seed {HostileAnswers.Seed}, answer {hostile.AcceptedConnections}");
            response.Which.Dispose();
        }

        client["hostile"].Failures.Should().BePositive();
        client["well"].Failures.Should().Be(0);
    }

    /// <summary>
    /// What one answer has made of a connection meets the next request on it, and what does not come is waited for no longer
    /// than the attempt, or a read of the body, may take. Where by status or length there is no body, nobody reads one:
    /// over HTTP/2 such a reader has no limit of the library's.
    /// </summary>
    [Fact]
    public async Task Frames_ChangedAtRandomOnAConnectionThatStaysOpen_EndInTimeByWhatIsDocumented()
    {
        var (server, time) = (Own(HostileFrames.ServeOnAndOn()), new FakeTime());
        var client = Connect(time, options => Only(options, server));
        var ends = new Dictionary<string, int>();

        for (var number = 1; number <= HostileAnswers.CountOr(100); number++)
        {
            var which = $"seed {HostileAnswers.Seed}, request {number}";
            var ending = EndOfAsync(
                client.Http,
                GetOverHttp2(),
                isStreamed: true,
                bufferUpTo: number % 2 * 1_024,
                which,
                readsWhatIsNone: false
            );
            if (number > 10)
            {
                await PastAsync(time, ending);
            }

            // The first are as they were made, and end without any time.
            var end = await ending;
            ends[end] = ends.GetValueOrDefault(end) + 1;
            client["hostile"].InFlight.Should().Be(0, which);
        }

        ends.Keys.Should().Contain(["200 ", "200 hello", "204 ", "503 "]);
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

    /// <summary>The clock stands still: what ends them is their size, and the platform says so.</summary>
    [Theory]
    [InlineData("interim answers")]
    [InlineData("more headers")]
    [InlineData("one long header")]
    public async Task Headers_WithoutAnEndOverHttp2_AreNotReadForEverAndAnotherAnswers(string what)
    {
        var flood = Own(
            what switch
            {
                "interim answers" => HostileAnswers.FloodOverHttp2(
                    isBegun: false,
                    Http2Frames.Headers,
                    Http2Frames.EndHeaders,
                    Http2Frames.Field(":status", "103"),
                    onFlood: () => { }
                ),
                "more headers" => HostileAnswers.FloodOverHttp2(
                    isBegun: true,
                    Http2Frames.Continuation,
                    flags: 0,
                    Http2Frames.Field("x-more", "and more"),
                    onFlood: () => { }
                ),
                // The frames are what comes of a value of 127 + 127 x 128² bytes, each a part of it.
                _ => HostileAnswers.FloodOverHttp2(
                    isBegun: true,
                    Http2Frames.Continuation,
                    flags: 0,
                    [0, 1, (byte)'x', 0x7F, 0x80, 0x80, 0x7F, .. new byte[1_000]],
                    onFlood: () => { }
                ),
            }
        );
        var well = AnsweringOverHttp2();
        var client = Connect(
            new FakeTime(),
            options => Only(options, flood).AddBackend(well.Address.ToString(), "well")
        );

        for (var i = 0; i < 2; i++)
        {
            using var request = GetOverHttp2();
            using var response = await client.Http.SendAsync(request).WaitAsync(Limits.Wait);
            response.StatusCode.Should().Be(HttpStatusCode.OK);
            response.GetBackend()!.Name.Should().Be("well");
        }

        client["hostile"].Failures.Should().BePositive("in turn, at least one of the two requests met it first");
        using var pinned = GetOverHttp2()
            .ConfigureResilience(options => (options.Backend, options.Retry) = ("hostile", false));
        var sending = () => client.Http.SendAsync(pinned).WaitAsync(Limits.Wait);
        (await sending.Should().ThrowAsync<HttpRequestException>()).Which.ToString().Should().Contain("65536 bytes");
    }

    /// <summary>Frames that say nothing have no size to end them; they are not kept, and the attempt's time is up.</summary>
    [Fact]
    public async Task Headers_OfEmptyFramesWithoutAnEnd_AreEndedByTheAttemptTimeoutAndAnotherAnswers()
    {
        var lots = 0;
        var flood = Own(
            HostileAnswers.FloodOverHttp2(
                isBegun: true,
                Http2Frames.Continuation,
                flags: 0,
                [],
                onFlood: () => Interlocked.Increment(ref lots)
            )
        );
        var (well, time) = (AnsweringOverHttp2(), new FakeTime());
        var client = Connect(time, options => Only(options, flood).AddBackend(well.Address.ToString(), "well"));

        for (var i = 0; i < 2; i++)
        {
            using var request = GetOverHttp2();
            var before = Volatile.Read(ref lots);
            using var response = await SendPastAsync(
                // The flood of the round before may still come in while this one is answered by the other.
                () => Task.FromResult(client["hostile"].InFlight == 1 && Volatile.Read(ref lots) > before + 1_000),
                time,
                () => client.Http.SendAsync(request)
            );
            response.GetBackend()!.Name.Should().Be("well");
        }

        client["hostile"].Failures.Should().BePositive("in turn, at least one of the two requests met it first");
    }

    /// <summary>What comes after an answer's end is not taken for the next request's answer.</summary>
    [Theory]
    [InlineData("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc")]
    [InlineData("GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "")]
    [InlineData("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "abc")]
    [InlineData("GET", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "")]
    [InlineData("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "")]
    [InlineData("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "")]
    public async Task Answer_LongerThanItSays_TheRestIsNobodysAnswer(string method, string answer, string body)
    {
        var server = Own(HostileAnswers.Serve($"{answer}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"));
        var client = Connect(options => Only(options, server));

        for (var i = 1; i <= 4; i++)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), Relative("")).ConfigureResilience(
                options => options.BufferResponseUpTo = i % 2 * 100
            );
            using var response = await client.Http.SendAsync(request).WaitAsync(Limits.Wait);
            (await response.Content.ReadAsStringAsync()).Should().Be(body);
            server.AcceptedConnections.Should().Be(i, "a connection with something left on it is not used again");
        }

        client["hostile"].Failures.Should().Be(0);
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

    private static HttpRequestMessage Get(string path) => new(HttpMethod.Get, Relative(path));

    private static HttpRequestMessage GetOverHttp2() =>
        new(HttpMethod.Get, Relative(""))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };

    private ScriptServer AnsweringOverHttp2() =>
        Own(
            ScriptServer.Start(
                async (socket, _, token) =>
                {
                    await Http2Frames.BeginAsync(socket, token);
                    while (true)
                    {
                        var stream = await Http2Frames.NextRequestAsync(socket, token);
                        await Http2Frames.AnswerAsync(socket, stream, token);
                    }
                }
            )
        );

    /// <summary>No circuit, no ejection and no end of the budget: each answer is to be met.</summary>
    private static ResilientBackendsOptions Only(ResilientBackendsOptions options, ScriptServer server)
    {
        options.Retry.Budget.MinimumPerSecond = 10_000;
        options.CircuitBreaker.Enabled = false;
        options.PassiveHealth.Enabled = false;
        return options.AddBackend(server.Address.ToString(), "hostile");
    }

    private static async Task<string> EndOfAsync(
        HttpClient http,
        HttpRequestMessage request,
        bool isStreamed,
        int bufferUpTo,
        string which,
        bool readsWhatIsNone = true
    )
    {
        var option = isStreamed ? HttpCompletionOption.ResponseHeadersRead : HttpCompletionOption.ResponseContentRead;
        try
        {
            using var sent = request.ConfigureResilience(options =>
            {
                options.Retry = false;
                options.BufferResponseUpTo = bufferUpTo;
            });
            using var response = await http.SendAsync(sent, option).WaitAsync(Limits.Wait);
            var length = response.Content.Headers.ContentLength;
            var isNone = length == 0 || response.StatusCode is HttpStatusCode.NoContent or HttpStatusCode.NotModified;
            if (isNone && !readsWhatIsNone)
            {
                return $"{(int)response.StatusCode} ";
            }

            using var bytes = new MemoryStream();
            await using var body = await response.Content.ReadAsStreamAsync();
            await body.CopyToAsync(bytes).WaitAsync(Limits.Wait);
            var isShort = length is > 0 and <= 1_024 && length != bytes.Length;
            return $"{(int)response.StatusCode} {Encoding.Latin1.GetString(bytes.ToArray())}{(isShort ? OfAnotherLength : "")}";
        }
        catch (Exception exception) when (exception is HttpRequestException || (isStreamed && exception is IOException))
        {
            return Failed;
        }
        catch (TaskCanceledException exception) when (exception.InnerException is TimeoutException)
        {
            return OutOfTime;
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException($"Not documented ({which}).", exception);
        }
    }
}
