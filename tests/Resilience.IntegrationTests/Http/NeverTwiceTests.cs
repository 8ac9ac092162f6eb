using System.Net;
using System.Net.Http.Json;
using Resilience.DependencyInjection;
using Resilience.Http;
using Resilience.IntegrationTests.Infrastructure;
using Resilience.TestBackend;
using Resilience.Tests.Infrastructure;

namespace Resilience.IntegrationTests.Http;

/// <summary>
/// No request that is not idempotent reaches a backend twice, counted at the servers (law 2, R27); idempotent ones
/// survive the same faults (law 1).
/// </summary>
public sealed class NeverTwiceTests(SharedBackends backends) : ResilienceTest, IClassFixture<SharedBackends>
{
    /// <summary>A kind of content, by the word that the theories use.</summary>
    private static readonly Dictionary<string, Func<HttpContent?>> Contents = new()
    {
        ["nothing"] = () => null,
        ["no bytes"] = () => new ByteArrayContent([]),
        ["bytes"] = () => new ByteArrayContent([1, 2, 3]),
        ["JSON"] = () => JsonContent.Create(new { a = 1 }),
        ["a stream"] = () => new StreamContent(new MemoryStream([1, 2, 3])),
    };

    public static TheoryData<WireFault, string, string> UnsafeRequestsOnWireFaults()
    {
        var data = new TheoryData<WireFault, string, string>();
        foreach (
            var fault in Enum.GetValues<WireFault>()
                .Where(each => each is not (WireFault.Ok or WireFault.RedirectToNobody))
        )
        {
            foreach (var content in Contents.Keys)
            {
                data.Add(fault, "POST", content);
            }

            data.Add(fault, "PATCH", "nothing");
            data.Add(fault, "PATCH", "bytes");
            data.Add(fault, "PURGE", "nothing");
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(UnsafeRequestsOnWireFaults))]
    public async Task Unsafe_FaultOnTheWire_ArrivesOnceAndFails(WireFault fault, string method, string content)
    {
        var (first, second, time) = (Server(), Server(), new FakeTime());
        var client = Connect(time, options => options.Add("a", first).Add("b", second));
        await KeepConnectionsAsync(client);
        first.Fault = second.Fault = fault;
        using var request = new HttpRequestMessage(new HttpMethod(method), Relative("once"));
        request.Content = Contents[content]();

        // The time of the attempt passes once the request has arrived: before, it would be nobody's fault but the test's.
        var sending = () =>
            SendToTheEndAsync(
                () => Task.FromResult(first.Requests.Concat(second.Requests).Any(IsOnce)),
                time,
                () => client.Http.SendAsync(request)
            );

        await AssertFailsAsync(sending);
        await AssertArrivedOnceAsync(client, first, second, method);
    }

    public static TheoryData<WireFault, string, string> ExpectingRequests()
    {
        var data = new TheoryData<WireFault, string, string>();
        foreach (
            var fault in new[]
            {
                WireFault.CloseReusedConnectionWithoutAByte,
                WireFault.CloseReusedConnectionAndListener,
                WireFault.ResetReusedConnection,
            }
        )
        {
            data.Add(fault, "POST", "nothing");
            data.Add(fault, "POST", "bytes");
            data.Add(fault, "PATCH", "a stream");
        }

        return data;
    }

    /// <summary>
    /// With <c>Expect: 100-continue</c> the platform does not count a message as sent before it begins with the content,
    /// and sends its head again on another connection.
    /// </summary>
    [Theory]
    [MemberData(nameof(ExpectingRequests))]
    public async Task Unsafe_ExpectingA100_ArrivesOnceAndFails(WireFault fault, string method, string content)
    {
        var (first, second) = (Leaving(), Leaving());
        var client = Connect(options => options.Add("a", first).Add("b", second));
        await KeepConnectionsAsync(client);
        first.Fault = second.Fault = fault;
        using var request = new HttpRequestMessage(new HttpMethod(method), Relative("once"));
        request.Headers.ExpectContinue = true;
        request.Content = Contents[content]();

        var sending = () => client.Http.SendAsync(request);

        await AssertFailsAsync(sending);
        request.Headers.ExpectContinue.Should().BeTrue("the message comes back as it was");
        await AssertArrivedOnceAsync(client, first, second, method);
    }

    /// <summary>The POST has been answered with a redirect, and it is the GET after it that reaches nobody.</summary>
    [Theory]
    [InlineData("nothing")]
    [InlineData("bytes")]
    public async Task Post_RedirectedToNobody_ArrivesOnceAndFails(string content)
    {
        var (first, second) = (Server(WireFault.RedirectToNobody), Server(WireFault.RedirectToNobody));
        var client = Connect(options => options.Add("a", first).Add("b", second).Transport.AllowAutoRedirect = true);
        using var request = new HttpRequestMessage(HttpMethod.Post, Relative("once"));
        request.Content = Contents[content]();

        var sending = () => client.Http.SendAsync(request);

        await sending.Should().ThrowAsync<HttpRequestException>();
        await AssertArrivedOnceAsync(client, first, second, "POST");
    }

    /// <summary>What the platform has sent again by itself and then finds refused may still go to another backend.</summary>
    [Theory]
    [InlineData("GET", "nothing")]
    [InlineData("PUT", "bytes")]
    [InlineData("DELETE", "nothing")]
    public async Task Idempotent_BackendGoesAwayOnAKeptConnection_IsAnsweredByTheOther(string method, string content)
    {
        var (first, second) = (Leaving(), Server());
        var client = Connect(options => options.Add("a", first).Add("b", second));
        await KeepConnectionsAsync(client);
        first.Fault = WireFault.CloseReusedConnectionAndListener;

        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), Relative("once"));
            request.Content = Contents[content]();
            using var response = await client.Http.SendAsync(request);
            response.GetBackend()!.Name.Should().Be("b");
        }

        first.Requests.Count(IsOnce).Should().Be(1);
    }

    /// <summary>The platform's own way: this is what the library must keep from happening.</summary>
    [Fact]
    public async Task Unsafe_ByABareClient_IsSentTwice()
    {
        var server = Server();
        using var bare = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { BaseAddress = server.Address };
        (await bare.GetAsync(Relative(""))).Dispose();
        server.Fault = WireFault.CloseReusedConnectionWithoutAByte;

        (await bare.PostAsync(Relative("once"), content: null)).Dispose();

        server.Requests.Count(each => each.RequestLine.StartsWith("POST", StringComparison.Ordinal)).Should().Be(2);
    }

    [Fact]
    public async Task Get_MarkedNotIdempotent_ArrivesOnce()
    {
        var (first, second) = (Server(), Server());
        var client = Connect(options => options.Add("a", first).Add("b", second));
        await KeepConnectionsAsync(client);
        first.Fault = second.Fault = WireFault.CloseReusedConnectionWithoutAByte;
        using var request = new HttpRequestMessage(HttpMethod.Get, Relative("once"));
        request.ConfigureResilience(options => options.IsIdempotent = false);

        var sending = () => client.Http.SendAsync(request);

        await sending.Should().ThrowAsync<HttpRequestException>();
        (first.Requests.Concat(second.Requests)).Count(IsOnce).Should().Be(1);
    }

    [Theory]
    [InlineData(WireFault.CloseReusedConnectionWithoutAByte)]
    [InlineData(WireFault.ResetReusedConnection)]
    [InlineData(WireFault.HalfHeaders)]
    [InlineData(WireFault.Garbage)]
    [InlineData(WireFault.AcceptAndNeverAnswer)]
    public async Task Idempotent_SameFaultOnOneOfTwo_Succeeds(WireFault fault)
    {
        var (first, second, time) = (Server(), Server(), new FakeTime());
        var client = Connect(time, options => options.Add("a", first).Add("b", second));
        await KeepConnectionsAsync(client);
        first.Fault = fault;

        foreach (var method in new[] { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "GET", "GET" })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), Relative("idempotent"));
            request.Content = method == "PUT" ? new ByteArrayContent([1, 2, 3]) : null;
            using var response = await SendPastAsync(first, time, () => client.Http.SendAsync(request));
            response.StatusCode.Should().Be(HttpStatusCode.OK, method);
        }

        first
            .Requests.Concat(second.Requests)
            .Where(each => each.RequestLine.StartsWith("PUT", StringComparison.Ordinal))
            .Should()
            .OnlyContain(each => each.Body.Length == 3);
    }

    [Fact]
    public async Task Post_WithAnIdempotencyKey_MovesToAnotherBackendWhole()
    {
        var (first, second) = (Server(WireFault.Garbage), Server());
        var client = Connect(options => options.Add("a", first).Add("b", second));
        for (var i = 0; i < 2; i++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, Relative("once"));
            request.Headers.Add("Idempotency-Key", $"{i}");
            request.Content = new ByteArrayContent([1, 2, 3]);

            using var response = await client.Http.SendAsync(request);

            response.StatusCode.Should().Be(HttpStatusCode.OK);
        }

        first.RequestCount.Should().BePositive("one of two requests in turn begins there");
        second.Requests.Should().HaveCount(2).And.OnlyContain(each => each.Body.Length == 3);
    }

    [Fact]
    public async Task Put_OfAOneShotStream_IsSentOnceAndTheFailureSurfaces()
    {
        var (first, second) = (Server(WireFault.HalfHeaders), Server(WireFault.HalfHeaders));
        var client = Connect(options => options.Add("a", first).Add("b", second));

        var sending = () => client.Http.PutAsync(Relative("once"), Contents["a stream"]());

        await sending.Should().ThrowAsync<HttpRequestException>();
        (first.RequestCount + second.RequestCount).Should().Be(1);
    }

    [Theory]
    [InlineData("503", "nothing")]
    [InlineData("503", "bytes")]
    [InlineData("503", "a stream")]
    [InlineData("500", "bytes")]
    [InlineData("429", "bytes")]
    [InlineData("408", "bytes")]
    [InlineData("abort", "nothing")]
    [InlineData("abort", "bytes")]
    [InlineData("hang", "nothing")]
    [InlineData("hang", "bytes")]
    public async Task Post_FaultOfTheServer_ArrivesOnce(string fault, string content)
    {
        await using var faults = await Faults.SetAsync(backends, fault);
        var time = new FakeTime();
        var client = Connect(time, options => options.Add(backends.A, backends.B));
        var id = $"post-{fault}-{content}";
        using var request = new HttpRequestMessage(HttpMethod.Post, Relative("echo"));
        request.Headers.Add("X-Request-Id", id);
        request.Content = Contents[content]();

        var sending = () =>
            SendToTheEndAsync(
                async () => (await backends.ArrivedAsync(id)).Count > 0,
                time,
                () => client.Http.SendAsync(request)
            );

        if (int.TryParse(fault, out var status))
        {
            using var response = await client.Http.SendAsync(request);
            ((int)response.StatusCode).Should().Be(status);
        }
        else
        {
            await AssertFailsAsync(sending);
        }

        (await backends.ArrivedAsync(id)).Should().ContainSingle();
    }

    [Theory]
    [InlineData("503")]
    [InlineData("500")]
    [InlineData("429")]
    [InlineData("408")]
    [InlineData("abort")]
    [InlineData("hang")]
    public async Task Get_SameFaultOnOneOfTwo_SucceedsAndIsSentAtMostTwice(string fault)
    {
        await backends.A.SetFaultAsync(fault);
        try
        {
            var time = new FakeTime();
            var client = Connect(time, options => options.Add(backends.A, backends.B));
            for (var i = 0; i < 4; i++)
            {
                var id = $"get-{fault}-{i}";
                using var request = new HttpRequestMessage(HttpMethod.Get, Relative("echo"));
                request.Headers.Add("X-Request-Id", id);

                using var response = await SendPastAsync(
                    async () => fault == "hang" && (await backends.A.GetRequestsAsync()).Any(IsThis),
                    time,
                    () => client.Http.SendAsync(request)
                );

                bool IsThis(RecordedRequest each) => each.RequestId == id;
                response.GetBackend()!.Name.Should().Be("b");
                response.StatusCode.Should().Be(HttpStatusCode.OK);
                response.GetAttempts().Should().HaveCountLessThanOrEqualTo(2);
            }
        }
        finally
        {
            await backends.A.SetFaultAsync("none");
        }
    }

    /// <summary>As a caller of <see cref="HttpClient"/> expects it, and not because the test's own patience has ended.</summary>
    private static async Task AssertFailsAsync(Func<Task<HttpResponseMessage>> sending)
    {
        var exception = (await sending.Should().ThrowAsync<Exception>()).Which;
        (exception is HttpRequestException or TaskCanceledException).Should().BeTrue($"this came: {exception}");
    }

    private static bool IsOnce(RawRequest request) => request.RequestLine.Contains("/once ", StringComparison.Ordinal);

    /// <summary>A server whose port nobody else comes to listen on when it has stopped.</summary>
    private RawServer Leaving() => Own(RawServer.Start(port: TestPorts.Next()));

    /// <summary>One kept connection to each backend, so that the next request goes out on a used one.</summary>
    private static async Task KeepConnectionsAsync(ResilientClient client)
    {
        foreach (var _ in client.Pool.Backends)
        {
            using var response = await client.Http.GetAsync(Relative("first"));
            await response.Content.ReadAsByteArrayAsync();
        }
    }

    /// <summary>
    /// Counted after a later request has been answered and the client is gone, so that nothing can still be on its way.
    /// </summary>
    private static async Task AssertArrivedOnceAsync(
        ResilientClient client,
        RawServer first,
        RawServer second,
        string method
    )
    {
        first.Fault = second.Fault = WireFault.Ok;
        using (await client.Http.GetAsync(Relative("later")))
        {
            // Answered.
        }

        client.Http.Dispose();
        var arrived = first.Requests.Concat(second.Requests).Where(IsOnce).ToList();
        arrived.Should().ContainSingle().Which.RequestLine.Should().StartWith(method);
    }

    /// <summary>The same fault on both of the shared backends, taken away at the end.</summary>
    private sealed class Faults(SharedBackends backends) : IAsyncDisposable
    {
        public static async Task<Faults> SetAsync(SharedBackends backends, string kind)
        {
            await backends.A.SetFaultAsync(kind);
            await backends.B.SetFaultAsync(kind);
            return new Faults(backends);
        }

        public async ValueTask DisposeAsync()
        {
            await backends.A.SetFaultAsync("none");
            await backends.B.SetFaultAsync("none");
        }
    }
}
