using System.Net;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Backends;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.TestBackend;

namespace Resilience.IntegrationTests.Http;

/// <summary>The same promises over HTTP/2, with TLS and without (laws 1 to 4).</summary>
public sealed class Http2Tests : ResilienceTest
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Get_OverHttp2_IsAnsweredOverHttp2(bool https)
    {
        var (client, _) = await ConnectAsync(https, "a");

        using var response = await client.Http.GetAsync(Relative("trailers"));

        response.Version.Should().Be(HttpVersion.Version20);
        response.TrailingHeaders.GetValues("X-Trailer").Should().Equal("after the body");
        response.GetBackend()!.Name.Should().Be("a");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Gets_BackendKilledUnderLoad_NoneFails(bool https)
    {
        var (client, backends) = await ConnectAsync(https, "a", "b");
        await using var load = Load.Start(client.Http);
        await load.MoreByAsync("b", 50);

        await backends[1].KillAsync();
        await load.MoreAsync(200);

        await load.StopAsync();
        load.Failures.Should().BeEmpty();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Posts_ConnectionKilledWithManyStreams_EachArrivedOnce(bool hasContent)
    {
        var (client, backends) = await ConnectAsync(https: false, "a", "b");
        await backends[0].SetFaultAsync("hang");
        await backends[1].SetFaultAsync("hang");
        var sendings = Enumerable.Range(0, 20).Select(i => PostAsync(client, $"{i}", hasContent)).ToList();
        await Eventually.BecomesTrueAsync(
            async () => (await ArrivedAsync(backends)).Count == 20,
            Limits.Wait,
            "all have arrived"
        );
        await backends[0].SetFaultAsync("none");
        var onB = await backends[1].GetRequestsAsync();

        await backends[1].KillAsync();
        var later = await backends[0].GetRequestsAsync();

        await backends[0].KillAsync();
        foreach (var sending in sendings)
        {
            await sending.Awaiting(each => each).Should().ThrowAsync<HttpRequestException>();
        }

        onB.Should().HaveCount(10);
        later.Select(each => each.RequestId).Should().OnlyHaveUniqueItems().And.HaveCount(10);
    }

    [Fact]
    public async Task Body_BrokenByAResetStream_CountsAndTheConnectionServesOn()
    {
        var (client, _) = await ConnectAsync(https: false, "a");

        var reading = () => client.Http.GetStringAsync(Relative("break"));

        await reading.Should().ThrowAsync<HttpRequestException>();
        client["a"].Failures.Should().Be(1);
        using var response = await client.Http.GetAsync(Relative("echo"));
        response.StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Cancel_OfAStream_LeavesNoTrace()
    {
        var (client, backends) = await ConnectAsync(https: false, "a");
        for (var i = 0; i < 12; i++)
        {
            using var leave = new CancellationTokenSource();
            var beforeHeaders = client.Http.GetAsync(Relative("hang"), leave.Token);
            using var response = await client.Http.GetAsync(
                Relative("headers-then-hang"),
                HttpCompletionOption.ResponseHeadersRead
            );
            var inBody = response.Content.ReadAsStringAsync(leave.Token);
            await Eventually.BecomesTrueAsync(
                async () => (await ArrivedAsync(backends)).Count == 2 * (i + 1),
                Limits.Wait,
                "both have arrived"
            );

            await leave.CancelAsync();

            await beforeHeaders.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
            await inBody.Awaiting(each => each).Should().ThrowAsync<OperationCanceledException>();
            client["a"].InFlight.Should().Be(0);
            client["a"].Failures.Should().Be(0);
        }
    }

    [Fact]
    public async Task Dispose_OfAResponseWhoseBodyIsBeingRead_LeavesNoTrace()
    {
        var (client, _) = await ConnectAsync(https: false, "a");
        for (var i = 0; i < 12; i++)
        {
            var response = await client.Http.GetAsync(
                Relative("headers-then-hang"),
                HttpCompletionOption.ResponseHeadersRead
            );
            var body = await response.Content.ReadAsStreamAsync();
            var reading = body.ReadAsync(new byte[10]).AsTask();

            response.Dispose();

            await reading.ContinueWith(_ => { }, TaskScheduler.Default).WaitAsync(Limits.Wait);
            client["a"].Failures.Should().Be(0);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Upload_Duplex_IsEchoedPieceByPieceWhileItIsSent(bool https)
    {
        var (client, backends) = await ConnectAsync(https, "a");
        using var content = new PieceContent();
        using var request = Post("duplex", content);

        using var response = await client
            .Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead)
            .WaitAsync(Limits.Wait);
        using var body = await response.Content.ReadAsStreamAsync();
        var buffer = new byte[3];
        for (byte i = 0; i < 5; i++)
        {
            await content.WriteAsync([i, i, i]);
            await body.ReadExactlyAsync(buffer).AsTask().WaitAsync(Limits.Wait);
            buffer.Should().Equal(i, i, i);
        }

        client["a"].InFlight.Should().Be(1);
        content.Complete();
        (await body.ReadAsync(buffer).AsTask().WaitAsync(Limits.Wait)).Should().Be(0);
        (await ArrivedAsync(backends)).Should().ContainSingle().Which.BodyLength.Should().Be(15);
    }

    /// <summary>
    /// A bare client returns such a response when the whole content has been sent, so its caller may dispose the source
    /// of the content then (law 2: bodies are never truncated).
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Upload_AnsweredBeforeItsEnd_ArrivesWholeAlthoughTheCallerDisposesItThen(bool isBare)
    {
        var (client, backends) = await ConnectAsync(https: false, "a");
        using var bare = new HttpClient
        {
            BaseAddress = backends[0].Address,
            DefaultRequestVersion = HttpVersion.Version20,
            DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        var bytes = RandomNumberGenerator.GetBytes(2_000);
        using var request = Post(
            "duplex",
            new StreamContent(
                new PausingSource(
                    bytes,
                    async () =>
                    {
                        await Eventually.BecomesTrueAsync(
                            async () => (await ArrivedAsync(backends)).Any(each => each.BodyLength > 0),
                            Limits.Wait,
                            "the first piece has arrived, and the answer has begun"
                        );
                        // Whoever returns at the answer's beginning has had every opportunity by then.
                        for (var i = 0; i < 20; i++)
                        {
                            await ArrivedAsync(backends);
                        }
                    }
                )
            )
        );

        using var response = await (isBare ? bare : client.Http).SendAsync(
            request,
            HttpCompletionOption.ResponseHeadersRead
        );
        // And with it the content and its source.
        request.Dispose();

        (await response.Content.ReadAsByteArrayAsync()).Should().Equal(bytes);
        (await ArrivedAsync(backends)).Should().ContainSingle().Which.BodyLength.Should().Be(bytes.Length);
    }

    /// <summary>The server answers without reading and resets the stream: the rest of the content is not waited for.</summary>
    [Fact]
    public async Task Upload_AnsweredWithoutBeingRead_ReturnsTheAnswer()
    {
        var (client, _) = await ConnectAsync(https: false, "a");
        using var request = Post("work?ms=0&early=true", new ByteArrayContent(new byte[4 * 1024 * 1024]));

        using var response = await client.Http.SendAsync(request);

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        client["a"].Failures.Should().Be(0);
    }

    private static async Task<IReadOnlyList<RecordedRequest>> ArrivedAsync(IEnumerable<BackendProcess> backends)
    {
        var all = new List<RecordedRequest>();
        foreach (var backend in backends.Where(each => each.IsRunning))
        {
            all.AddRange(await backend.GetRequestsAsync());
        }

        return all;
    }

    private static HttpRequestMessage Post(string path, HttpContent? content) =>
        new(HttpMethod.Post, Relative(path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };

    private static async Task PostAsync(ResilientClient client, string id, bool hasContent)
    {
        using var request = Post("echo", hasContent ? new ByteArrayContent([1]) : null);
        request.Headers.Add("X-Request-Id", id);
        using var response = await client.Http.SendAsync(request);
    }

    /// <summary>
    /// Processes of their own that speak HTTP/2: by ALPN behind a certificate that only the transport's settings accept,
    /// or by prior knowledge.
    /// </summary>
    private async Task<(ResilientClient Client, BackendProcess[] Backends)> ConnectAsync(
        bool https,
        params string[] names
    )
    {
        var protocols = https ? BackendProtocols.Http1And2 : BackendProtocols.Http2;
        var backends = await Task.WhenAll(names.Select(name => StartAsync(name, https, protocols)));
        var client = Connect(
            options => options.Add(backends),
            pool => pool.ConfigureTransport(transport => Certificates.Accept(transport, backends))
        );
        client.Http.DefaultRequestVersion = HttpVersion.Version20;
        client.Http.DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact;
        return (client, backends);
    }

    /// <summary>Gives its first half, pauses, and can no longer be read once it has been disposed.</summary>
    private sealed class PausingSource(byte[] bytes, Func<Task> pause) : MemoryStream(bytes)
    {
        public override async ValueTask<int> ReadAsync(
            Memory<byte> buffer,
            CancellationToken cancellationToken = default
        )
        {
            var half = (int)Length / 2;
            if (Position == half)
            {
                await pause();
            }

            return await base.ReadAsync(buffer[..Math.Min(buffer.Length, half)], cancellationToken);
        }

        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken) =>
            CopyInPiecesAsync(destination, cancellationToken);

        private async Task CopyInPiecesAsync(Stream destination, CancellationToken cancellationToken)
        {
            var buffer = new byte[Length];
            int read;
            while ((read = await ReadAsync(buffer, cancellationToken)) > 0)
            {
                await destination.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                await destination.FlushAsync(cancellationToken);
            }
        }
    }
}
