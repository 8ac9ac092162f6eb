using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Resilience.Http;
using Resilience.Tests.Infrastructure;

namespace Resilience.Tests.DependencyInjection;

/// <summary>The chain of handlers: order, rotation, disposal.</summary>
public sealed class ClientHandlerTests
{
    [Fact]
    public async Task Handlers_AddedBeforeAndAfter_RunPerRequestAndPerAttempt()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80", "http://b:80");
        scene.Services.AddResilientBackends("catalog", options => options.Retry.MaxAttempts = 2);
        var perRequest = new Counter();
        var perAttempt = new Counter();
        scene
            .Services.AddHttpClient("client")
            .ConfigurePrimaryHttpMessageHandler(() => new StubHandler(HttpStatusCode.ServiceUnavailable))
            .AddHttpMessageHandler(() => new CountingHandler(perRequest))
            .UseResilientBackends("catalog")
            .AddHttpMessageHandler(() => new CountingHandler(perAttempt));
        using var client = scene.Clients.CreateClient("client");

        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        perAttempt.Authorities.Should().BeEquivalentTo("a", "b");
        perRequest.Authorities.Should().Equal("catalog");
    }

    /// <summary>What the factory puts before the transport to log costs a request nothing; nor does the platform's own.</summary>
    [Theory]
    [InlineData(null, false, false)]
    [InlineData(typeof(SocketsHttpHandler), false, false)]
    [InlineData(typeof(HttpClientHandler), false, false)]
    [InlineData(null, true, true)]
    [InlineData(typeof(OwnClientHandler), false, true)]
    [InlineData(typeof(OwnPrimary), false, true)]
    public async Task Handlers_WithinOurs_MayChangeHeadersIfTheyAreTheApplications(
        Type? primary,
        bool isAdded,
        bool mayChange
    )
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        var client = scene.Services.AddHttpClient("client").UseResilientBackends("catalog");
        _ = primary is null
            ? client
            : client.ConfigurePrimaryHttpMessageHandler(() => (HttpMessageHandler)Activator.CreateInstance(primary)!);
        _ = isAdded ? client.AddHttpMessageHandler(() => new CountingHandler(new Counter())) : client;
        var handler = scene.Provider.GetRequiredService<IHttpMessageHandlerFactory>().CreateHandler("client");
        while (handler is not ResilientHandler)
        {
            handler = ((DelegatingHandler)handler).InnerHandler!;
        }

        var within = ((ResilientHandler)handler).InnerHandler;

        within.Should().BeAssignableTo<DelegatingHandler>("the factory logs");
        ResilientHandler.AreOthersWithin(within).Should().Be(mayChange);
    }

    [Fact]
    public async Task Rotation_NewChain_GoesOnWithThePoolsState()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80", "http://b:80");
        scene.AddClient("client", "catalog");
        using var old = new HttpMessageInvoker(HandlerChain.Build(scene.Provider, "client"));
        await SendAsync(old);
        scene.Pool("catalog").Find("http://a")!.SetAlive(false);
        scene.Pool("catalog").Refresh();

        using var young = new HttpMessageInvoker(HandlerChain.Build(scene.Provider, "client"));
        await SendAsync(young);
        await SendAsync(young);

        scene.Stub.Requests.Skip(1).Select(each => each.Uri).Should().Equal("http://b/", "http://b/");
        scene.Pool("catalog").Backends.Sum(each => each.Attempts).Should().Be(3);
    }

    [Fact]
    public async Task Disposal_OfAChain_DoesNotTouchPoolOrChecker()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog");
        using var survivor = scene.Clients.CreateClient("client");
        await scene.Probe.NextAsync();

        HandlerChain.Build(scene.Provider, "client").Dispose();

        scene.Pool("catalog").IsDisposed.Should().BeFalse();
        scene.Probe.IsDisposed.Should().BeFalse();
        using var young = new HttpMessageInvoker(HandlerChain.Build(scene.Provider, "client"));
        scene.Pool("catalog").Find("http://a")!.Attempts.Should().Be(0);
    }

    [Fact]
    public async Task Disposal_OfAClient_LeavesOthersAtWork()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog");
        scene.Clients.CreateClient("client").Dispose();
        using var client = scene.Clients.CreateClient("client");

        using var response = await client.GetAsync(new Uri("/", UriKind.Relative));

        response.StatusCode.Should().Be(HttpStatusCode.OK);
        scene.Pool("catalog").IsDisposed.Should().BeFalse();
    }

    [Fact]
    public async Task Rotation_SecondChain_DoesNotStartASecondRoundOfProbes()
    {
        await using var scene = new Scene();
        scene.AddPool("catalog", options => options.HealthCheck.Jitter = 0);
        scene.AddClient("client", "catalog");
        using var first = HandlerChain.Build(scene.Provider, "client");
        await scene.Probe.NextAsync();
        await scene.Time.WhenTimersArmedAsync(1);

        using var second = HandlerChain.Build(scene.Provider, "client");
        await scene.Provider.GetRequiredKeyedService<Resilience.Health.Active.HealthChecker>("catalog").StopAsync();

        scene.Probe.Count.Should().Be(1);
    }

    [Fact]
    public async Task Requests_AfterTheProviderIsDisposed_GetObjectDisposedException()
    {
        var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene.AddClient("client", "catalog");
        using var client = scene.Clients.CreateClient("client");
        await scene.DisposeAsync();

        var act = () => client.GetAsync(new Uri("/", UriKind.Relative));

        await act.Should().ThrowAsync<ObjectDisposedException>();
        scene.Stub.Requests.Should().BeEmpty();
    }

    [Fact]
    public async Task Requests_InFlightWhenTheProviderIsDisposed_Finish()
    {
        var answer = new TaskCompletionSource<HttpResponseMessage>();
        var sent = new TaskCompletionSource();
        var scene = new Scene();
        scene.AddPool("catalog", "http://a:80");
        scene
            .Services.AddHttpClient("client")
            .ConfigurePrimaryHttpMessageHandler(() =>
                new StubHandler(
                    (_, _) =>
                    {
                        sent.SetResult();
                        return answer.Task;
                    }
                )
            )
            .UseResilientBackends("catalog");
        using var client = scene.Clients.CreateClient("client");
        var backend = scene.Pool("catalog").Backends[0];
        var request = client.GetAsync(new Uri("/", UriKind.Relative));
        await sent.Task;
        await scene.DisposeAsync();

        answer.SetResult(new HttpResponseMessage(HttpStatusCode.Accepted));
        using var response = await request;

        response.StatusCode.Should().Be(HttpStatusCode.Accepted);
        backend.InFlight.Should().Be(0);
    }

    private static async Task SendAsync(HttpMessageInvoker client)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "http://catalog/");
        (await client.SendAsync(request, CancellationToken.None)).Dispose();
    }

    private sealed class Counter
    {
        public List<string> Authorities { get; } = [];
    }

    /// <summary>The usual way to an own primary: the platform's with something of one's own.</summary>
    private sealed class OwnClientHandler : HttpClientHandler;

    private sealed class OwnPrimary : HttpMessageHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        ) => Task.FromResult(new HttpResponseMessage());
    }

    private sealed class CountingHandler(Counter counter) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(
            HttpRequestMessage request,
            CancellationToken cancellationToken
        )
        {
            counter.Authorities.Add(request.RequestUri!.Authority);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
