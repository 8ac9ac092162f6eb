using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Resilience.Backends;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// A server that stops taking a request's content over a real connection holds nobody for ever (R97), and what may not be
/// sent twice does not go on (law 2).
/// </summary>
public sealed class StalledUploadTests : ResilienceTest
{
    /// <summary>Several times what the kernel keeps for both ends of a connection, one of which this test has made small.</summary>
    private const int Length = 16 * 1024 * 1024;

    private const int ReceiveBuffer = 64 * 1024;

    private static readonly TimeSpan Step = TimeSpan.FromSeconds(10);

    private int _stalls;

    [Theory]
    [InlineData("1.1", "PUT", "bytes", true)]
    [InlineData("1.1", "PUT", "a stream", false)]
    [InlineData("1.1", "POST", "bytes", false)]
    [InlineData("2.0", "PUT", "bytes", true)]
    [InlineData("2.0", "PUT", "a stream", false)]
    [InlineData("2.0", "POST", "bytes", false)]
    [InlineData("2.0", "PUT", "bytes by a token of its own", true)]
    [InlineData("2.0 with a window", "PUT", "bytes", true)]
    [InlineData("2.0 with a window", "PUT", "bytes by a token of its own", true)]
    [InlineData("2.0 with a window", "POST", "bytes", false)]
    public async Task Upload_ServerStopsReading_EndsByTheIdleWriteTimeoutAndGoesOnOnlyIfItMay(
        string version,
        string method,
        string content,
        bool mayGoOn
    )
    {
        var isHttp2 = version != "1.1";
        var bytes = RandomNumberGenerator.GetBytes(Length);
        var stalling = Own(
            ScriptServer.Start(
                version switch
                {
                    "1.1" => StopReadingAsync,
                    "2.0" => OpenNoWindowAsync,
                    _ => OpenTheWindowAndStopReadingAsync,
                }
            )
        );
        var good = await StartAsync("good", protocols: isHttp2 ? BackendProtocols.Http2 : BackendProtocols.Http1);
        var time = new FakeTime();
        using var own = new CancellationTokenSource();
        var client = Connect(
            time,
            options =>
            {
                options.Add(good).AddBackend(stalling.Address.ToString(), "stalling");
                // Nothing but the idle write timeout ends an attempt.
                options.Timeouts.Total = options.Timeouts.Attempt = Timeout.InfiniteTimeSpan;
            }
        );

        // In turn from a random start: the first or the second begins at the one that stalls, and only one does, because
        // over HTTP/2 the next would not get its head through to a server that reads nothing.
        var ends = new List<(string Id, IReadOnlyList<AttemptRecord> Attempts, Exception? Failure)>();
        for (var i = 0; i < 2 && ends.All(end => end.Attempts[0].Backend == "good"); i++)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), Relative("work?ms=0"))
            {
                Version = isHttp2 ? HttpVersion.Version20 : HttpVersion.Version11,
                VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                Content = content switch
                {
                    "bytes" => new ByteArrayContent(bytes),
                    "a stream" => new StreamContent(new MemoryStream(bytes)),
                    _ => new OwnTokenContent(bytes, own.Token),
                },
            };
            if (request.Content is OwnTokenContent)
            {
                request.ConfigureResilience(options => options.IsContentReplayable = true);
            }

            request.Headers.Add("X-Request-Id", $"{i}");
            var (attempts, failure) = await EndOfAsync(client, time, client.Http.SendAsync(request));
            ends.Add(($"{i}", attempts, failure));
        }

        var stalled = ends[^1];
        stalled.Attempts[0].Outcome.Failure.Should().Be(FailureKind.ContentStalled);
        stalled.Attempts.Select(each => each.Backend).Should().Equal(mayGoOn ? ["stalling", "good"] : ["stalling"]);
        _stalls.Should().Be(1, "it came there once");
        client["stalling"].Failures.Should().Be(1);
        client["good"].Failures.Should().Be(0);
        (stalled.Failure is null).Should().Be(mayGoOn);
        (stalled.Failure is null || IsEndByIdleWrite(stalled.Failure)).Should().BeTrue($"{stalled.Failure}");
        var arrived = await good.GetRequestsAsync();
        arrived
            .Select(request => request.RequestId)
            .Should()
            .Equal(ends.Where(end => end.Failure is null).Select(end => end.Id), "what failed went nowhere else");
        var whole = Convert.ToHexStringLower(SHA256.HashData(bytes));
        arrived.Where(request => request.BodySha256 != whole).Should().BeEmpty("what arrived did so whole");
    }

    private static bool IsEndByIdleWrite(Exception failure) =>
        failure is TaskCanceledException { InnerException: TimeoutException }
        && failure.Message.Contains("idle write timeout (Timeouts:IdleWrite)", StringComparison.Ordinal);

    /// <summary>
    /// Lets time pass while the request is with the server that takes no more of it, once its head has come there, and no
    /// longer: a write that takes long because the machine is busy is nobody's failure here.
    /// </summary>
    private async Task<(IReadOnlyList<AttemptRecord> Attempts, Exception? Failure)> EndOfAsync(
        ResilientClient client,
        FakeTime time,
        Task<HttpResponseMessage> sending
    )
    {
        await Eventually.BecomesTrueAsync(
            () =>
            {
                if (Volatile.Read(ref _stalls) > 0 && client["stalling"].InFlight > 0)
                {
                    time.Advance(Step);
                }

                return sending.IsCompleted;
            },
            Limits.Wait,
            "the upload has ended"
        );
        try
        {
            using var response = await sending;
            response.StatusCode.Should().Be(HttpStatusCode.OK);
            return (response.GetAttempts(), null);
        }
        catch (OperationCanceledException exception)
        {
            return (exception.GetAttempts(), exception);
        }
    }

    /// <summary>Reads the head, and then nothing any more.</summary>
    private async Task StopReadingAsync(Socket socket, int connection, CancellationToken token)
    {
        socket.ReceiveBufferSize = ReceiveBuffer;
        await ScriptServer.ReadHeadAsync(socket, token);
        Interlocked.Increment(ref _stalls);
        await Task.Delay(Timeout.Infinite, token);
    }

    /// <summary>Reads everything, and lets no stream have more than the window that it begins with.</summary>
    private async Task OpenNoWindowAsync(Socket socket, int connection, CancellationToken token)
    {
        await Http2Frames.BeginAsync(socket, token);
        while (true)
        {
            await Http2Frames.NextRequestAsync(socket, token);
            Interlocked.Increment(ref _stalls);
        }
    }

    /// <summary>Lets the first stream have as much as it likes, and does not read it.</summary>
    private async Task OpenTheWindowAndStopReadingAsync(Socket socket, int connection, CancellationToken token)
    {
        socket.ReceiveBufferSize = ReceiveBuffer;
        await Http2Frames.BeginAsync(socket, token);
        var stream = await Http2Frames.NextRequestAsync(socket, token);
        Interlocked.Increment(ref _stalls);
        await Http2Frames.OpenWindowAsync(socket, 0, token);
        await Http2Frames.OpenWindowAsync(socket, stream, token);
        await Task.Delay(Timeout.Infinite, token);
    }
}
