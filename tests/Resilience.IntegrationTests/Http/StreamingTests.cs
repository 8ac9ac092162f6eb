using System.Text;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>Bodies pass through as they come, and hold their backend until they end (law 4).</summary>
public sealed class StreamingTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    [Theory]
    [InlineData("text/plain", true)]
    [InlineData("text/event-stream", true)]
    [InlineData("text/plain", false)]
    public async Task Body_SentInPieces_IsReadPieceByPiece(string contentType, bool isTracked)
    {
        await using var server = GatedServer.Start();
        var client = Connect(options =>
            options.AddBackend(server.Address.ToString(), "a").TrackResponseBodies = isTracked
        );
        var sending = client.Http.GetAsync(Relative("stream"), HttpCompletionOption.ResponseHeadersRead);
        await server.ReceiveAsync();
        await server.SendHeadersAsync(contentType);
        using var response = await sending.WaitAsync(Limits.Wait);
        using var body = await response.Content.ReadAsStreamAsync().WaitAsync(Limits.Wait);
        var buffer = new byte[100];

        foreach (var piece in new[] { "first", "second", "third" })
        {
            // What comes next is not sent before this has been read.
            await server.SendChunkAsync(piece);
            var read = await body.ReadAtLeastAsync(buffer, piece.Length).AsTask().WaitAsync(Limits.Wait);
            Encoding.ASCII.GetString(buffer, 0, read).Should().Be(piece);
            client["a"].InFlight.Should().Be(isTracked ? 1 : 0);
        }

        await server.EndAsync();
        (await body.ReadAsync(buffer).AsTask().WaitAsync(Limits.Wait)).Should().Be(0);
        client["a"].InFlight.Should().Be(0);
    }

    [Fact]
    public async Task Body_OfKnownLength_EndsWithItsLastByteBeforeTheResponseIsDisposed()
    {
        var client = Connect(options => options.Add(backends.A));
        using var response = await client.Http.GetAsync(
            Relative("work?ms=0&bytes=1000"),
            HttpCompletionOption.ResponseHeadersRead
        );
        using var body = await response.Content.ReadAsStreamAsync();
        var before = client["a"].InFlight;

        await body.ReadExactlyAsync(new byte[1000]);

        before.Should().Be(1);
        client["a"].InFlight.Should().Be(0);
    }

    [Theory]
    [InlineData("GET", "status/204")]
    [InlineData("GET", "status/304")]
    [InlineData("GET", "work?ms=0&bytes=0")]
    [InlineData("HEAD", "work?ms=0&bytes=1000")]
    public async Task Response_WithoutABody_HoldsNothing(string method, string path)
    {
        var client = Connect(options => options.Add(backends.A));
        using var request = new HttpRequestMessage(new HttpMethod(method), Relative(path));

        using var response = await client.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);

        client["a"].InFlight.Should().Be(0);
        response.GetBackend().Should().BeSameAs(client["a"]);
    }

    [Fact]
    public async Task FailedAttempt_WithALongBody_IsGivenUpForTheNext()
    {
        await using var server = GatedServer.Start();
        var client = Connect(options => options.AddBackend(server.Address.ToString(), "a").Add(backends.B));
        HttpResponseMessage? response = null;
        var sendings = Enumerable.Range(0, 2).Select(_ => client.Http.GetAsync(Relative("echo"))).ToList();
        await server.ReceiveAsync();

        await server.SendRawAsync("HTTP/1.1 503 Busy\r\nContent-Length: 1000000\r\n\r\nbeginning of a body");

        foreach (var sending in sendings)
        {
            response = await sending.WaitAsync(Limits.Wait);
            response.GetBackend()!.Name.Should().Be("b");
            response.Dispose();
        }
    }
}
